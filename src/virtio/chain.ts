/**
 * A descriptor chain (virtio 1.2, sections 2.7.4 to 2.7.5): walked once from its head, every
 * descriptor read exactly once, because the guest may rewrite it at any time.
 *
 *     head ─▶ desc ─▶ desc ─▶ desc        device-readable descriptors first, then
 *               │                         device-writable ones; or, at the end of the
 *               └▶ indirect table: desc ─▶ desc ─▶ …      chain, one table of them
 */
import {
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  vringDesc,
} from "../abi/virtio.ts";
import type { GuestMemory } from "./guest-memory.ts";
import type { NativeCopy } from "./native-copy.ts";
import { Segments } from "./segments.ts";

/** Descriptors in an indirect table. Old guests put more into one than the ring has entries. */
export const MAX_INDIRECT_DESCRIPTORS = 1024;

const DESCRIPTOR_BYTES = vringDesc.size;

/** An address that is in no window. */
const NOWHERE = -1;

/** High halves of addresses from this one on are above 2^53: no memory is there. */
const HIGH_LIMIT = 2 ** 21;
const TWO_TO_32 = 2 ** 32;

/** One instance per queue, refilled for every request. */
export class Chain {
  readonly readable: Segments;
  readonly writable: Segments;
  /** Why the chain breaks the rules, or undefined. Its halves hold what came before the fault. */
  malformed: string | undefined = undefined;
  readonly #memory: GuestMemory;
  readonly #table: DataView;
  readonly #indirectOffered: boolean;
  /** A copy of an indirect table that lies across windows: made when there is one. */
  #straddling: DataView | undefined;

  /** `table` is the descriptor table, `indirect` whether the feature was negotiated. */
  constructor(memory: GuestMemory, table: DataView, indirect: boolean, native: NativeCopy) {
    this.#memory = memory;
    this.#table = table;
    this.#indirectOffered = indirect;
    this.readable = new Segments(memory, native);
    this.writable = new Segments(memory, native);
  }

  /** Walks the chain at `head`, which is below the ring's size. */
  load(head: number): void {
    this.readable.clear();
    this.writable.clear();
    const table = this.#table;
    this.malformed = this.#walk(table, 0, table.byteLength / DESCRIPTOR_BYTES, head, false);
  }

  /**
   * Walks `count` descriptors at `base` of `table`, from the one at `first` on. A chain that is
   * longer than its table has a loop. Each word is read once.
   */
  #walk(
    table: DataView,
    base: number,
    count: number,
    first: number,
    nested: boolean,
  ): string | undefined {
    let at = base + first * DESCRIPTOR_BYTES;
    for (let left = count; left > 0; left--) {
      const low = table.getUint32(at, true);
      const high = table.getUint32(at + 4, true);
      const length = table.getUint32(at + vringDesc.at.len, true);
      const flagsAndNext = table.getUint32(at + vringDesc.at.flags, true);
      const address = high < HIGH_LIMIT ? high * TWO_TO_32 + low : NOWHERE;
      if ((flagsAndNext & VRING_DESC_F_INDIRECT) !== 0) {
        if (nested) return "indirect table inside another";
        if ((flagsAndNext & VRING_DESC_F_NEXT) !== 0) return "indirect descriptor with a next one";
        return this.#walkIndirect(address, length);
      }
      // Empty descriptors are let pass: they add nothing.
      if ((flagsAndNext & VRING_DESC_F_WRITE) !== 0) {
        if (!this.writable.add(address, length)) return "buffer outside memory";
      } else {
        if (this.writable.count > 0) return "readable descriptor after a writable one";
        if (!this.readable.add(address, length)) return "buffer outside memory";
      }
      if ((flagsAndNext & VRING_DESC_F_NEXT) === 0) return undefined;
      const next = flagsAndNext >>> 16;
      if (next >= count) return "next descriptor out of range";
      at = base + next * DESCRIPTOR_BYTES;
    }
    return "descriptor loop";
  }

  /** Guests may put the table at any address: unaligned, and across windows. */
  #walkIndirect(address: number, length: number): string | undefined {
    const count = length / DESCRIPTOR_BYTES;
    if (!this.#indirectOffered) return "indirect descriptor without the feature";
    if (!Number.isInteger(count) || count === 0) return "indirect table of an odd length";
    if (count > MAX_INDIRECT_DESCRIPTORS) return "indirect table too long";
    const memory = this.#memory;
    const window = memory.find(address);
    if (window < 0) return "indirect table outside memory";
    if (address + length <= memory.end(window)) {
      return this.#walk(memory.views[window]!, address - memory.start(window), count, 0, true);
    }
    this.#straddling ??= new DataView(new ArrayBuffer(MAX_INDIRECT_DESCRIPTORS * DESCRIPTOR_BYTES));
    const copy = new Uint8Array(this.#straddling.buffer);
    if (!memory.copyStraddling(address, length, copy)) return "indirect table outside memory";
    return this.#walk(this.#straddling, 0, count, 0, true);
  }
}

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
const WORDS = DESCRIPTOR_BYTES / 4;
const LENGTH_WORD = vringDesc.at.len / 4;
/** Flags in the low half, next in the high half: one aligned read for both. */
const FLAGS_WORD = vringDesc.at.flags / 4;

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
  readonly #table: Uint32Array;
  readonly #size: number;
  readonly #indirectOffered: boolean;
  readonly #straddling = new Uint8Array(DESCRIPTOR_BYTES);
  readonly #straddlingView = new DataView(this.#straddling.buffer);
  /** The descriptor that was read last. */
  #address = 0;
  #length = 0;
  #flagsAndNext = 0;

  /** `table` is the descriptor table, `indirect` whether the feature was negotiated. */
  constructor(memory: GuestMemory, table: Uint32Array, indirect: boolean, native: NativeCopy) {
    this.#memory = memory;
    this.#table = table;
    this.#size = table.length / WORDS;
    this.#indirectOffered = indirect;
    this.readable = new Segments(memory, native);
    this.writable = new Segments(memory, native);
  }

  /** Walks the chain at `head`, which is below the ring's size. */
  load(head: number): void {
    this.readable.clear();
    this.writable.clear();
    this.malformed = this.#walkTable(head);
  }

  /** The chain's length is bounded by the table's: one that is longer has a loop. */
  #walkTable(head: number): string | undefined {
    const size = this.#size;
    let index = head;
    for (let left = size; left > 0; left--) {
      this.#readTable(index);
      const flags = this.#flagsAndNext & 0xffff;
      if ((flags & VRING_DESC_F_INDIRECT) !== 0) return this.#walkIndirect(flags);
      const fault = this.#take(flags);
      if (fault !== undefined) return fault;
      if ((flags & VRING_DESC_F_NEXT) === 0) return undefined;
      index = this.#flagsAndNext >>> 16;
      if (index >= size) return "next descriptor out of range";
    }
    return "descriptor loop";
  }

  #walkIndirect(tableFlags: number): string | undefined {
    const base = this.#address;
    const count = this.#length / DESCRIPTOR_BYTES;
    if (!this.#indirectOffered) return "indirect descriptor without the feature";
    if ((tableFlags & VRING_DESC_F_NEXT) !== 0) return "indirect descriptor with a next one";
    if (!Number.isInteger(count) || count === 0) return "indirect table of an odd length";
    if (count > MAX_INDIRECT_DESCRIPTORS) return "indirect table too long";
    let index = 0;
    for (let left = count; left > 0; left--) {
      if (!this.#readIndirect(base, index)) return "indirect table outside memory";
      const flags = this.#flagsAndNext & 0xffff;
      if ((flags & VRING_DESC_F_INDIRECT) !== 0) return "indirect table inside another";
      const fault = this.#take(flags);
      if (fault !== undefined) return fault;
      if ((flags & VRING_DESC_F_NEXT) === 0) return undefined;
      index = this.#flagsAndNext >>> 16;
      if (index >= count) return "next indirect descriptor out of range";
    }
    return "indirect descriptor loop";
  }

  /** Appends the descriptor that was read last to its half. Empty ones are let pass. */
  #take(flags: number): string | undefined {
    let half = this.readable;
    if ((flags & VRING_DESC_F_WRITE) !== 0) half = this.writable;
    else if (this.writable.count > 0) return "readable descriptor after a writable one";
    return half.add(this.#address, this.#length) ? undefined : "buffer outside memory";
  }

  #readTable(index: number): void {
    const table = this.#table;
    const word = index * WORDS;
    this.#setAddress(table[word]!, table[word + 1]!);
    this.#length = table[word + LENGTH_WORD]!;
    this.#flagsAndNext = table[word + FLAGS_WORD]!;
  }

  /** Guests may put the table at any address: unaligned, and across windows. */
  #readIndirect(base: number, index: number): boolean {
    const address = base + index * DESCRIPTOR_BYTES;
    const window = this.#memory.find(address);
    if (window < 0) return false;
    let view = this.#memory.views[window]!;
    let at = address - this.#memory.start(window);
    if (at + DESCRIPTOR_BYTES > view.byteLength) {
      if (!this.#memory.copyStraddling(address, DESCRIPTOR_BYTES, this.#straddling)) return false;
      view = this.#straddlingView;
      at = 0;
    }
    this.#setAddress(view.getUint32(at, true), view.getUint32(at + 4, true));
    this.#length = view.getUint32(at + vringDesc.at.len, true);
    this.#flagsAndNext = view.getUint32(at + vringDesc.at.flags, true);
    return true;
  }

  /** An address above 2^53 becomes -1, which is in no window. */
  #setAddress(low: number, high: number): void {
    this.#address = high < HIGH_LIMIT ? high * TWO_TO_32 + low : -1;
  }
}

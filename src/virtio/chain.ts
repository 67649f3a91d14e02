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
import type { CopyList } from "./copy-list.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { Segments } from "./segments.ts";

/** Descriptors in an indirect table. Old guests put more into one than the ring has entries. */
export const MAX_INDIRECT_DESCRIPTORS = 1024;

const DESCRIPTOR_BYTES = vringDesc.size;
/** In 32-bit words: a descriptor, and in it the length, and the flags with `next` above them. */
const DESCRIPTOR_WORDS = vringDesc.size / 4;
const LENGTH = vringDesc.at.len / 4;
const FLAGS = vringDesc.at.flags / 4;

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
  readonly #table: Uint32Array;
  readonly #indirectOffered: boolean;
  /** A copy of an indirect table that lies across windows or unaligned: made when there is one. */
  #moved: Uint32Array | undefined;

  /** `table` is the descriptor table, `indirect` whether the feature was negotiated. */
  constructor(memory: GuestMemory, table: Uint32Array, indirect: boolean, copies: CopyList) {
    this.#memory = memory;
    this.#table = table;
    this.#indirectOffered = indirect;
    this.readable = new Segments(memory, copies);
    this.writable = new Segments(memory, copies);
  }

  /** Walks the chain at `head`, which is below the ring's size. */
  load(head: number): void {
    this.readable.clear();
    this.writable.clear();
    const table = this.#table;
    this.malformed = this.#walk(table, 0, (table.length / DESCRIPTOR_WORDS) | 0, head, false);
  }

  /**
   * Walks `count` descriptors at word `base` of `table`, from the one at `first` on. A chain that is
   * longer than its table has a loop. Each word is read once.
   */
  #walk(
    table: Uint32Array,
    base: number,
    count: number,
    first: number,
    nested: boolean,
  ): string | undefined {
    const { readable, writable } = this;
    let at = base + first * DESCRIPTOR_WORDS;
    for (let left = count; left > 0; left--) {
      const low = table[at]!;
      const high = table[at + 1]!;
      const length = table[at + LENGTH]!;
      const flagsAndNext = table[at + FLAGS]!;
      const address = high < HIGH_LIMIT ? high * TWO_TO_32 + low : NOWHERE;
      if ((flagsAndNext & VRING_DESC_F_INDIRECT) !== 0) {
        if (nested) return "indirect table inside another";
        if ((flagsAndNext & VRING_DESC_F_NEXT) !== 0) return "indirect descriptor with a next one";
        return this.#walkIndirect(address, length);
      }
      // Empty descriptors are let pass: they add nothing.
      if ((flagsAndNext & VRING_DESC_F_WRITE) !== 0) {
        if (!writable.add(address, length)) return "buffer outside memory";
      } else {
        if (writable.count > 0) return "readable descriptor after a writable one";
        if (!readable.add(address, length)) return "buffer outside memory";
      }
      if ((flagsAndNext & VRING_DESC_F_NEXT) === 0) return undefined;
      const next = flagsAndNext >>> 16;
      if (next >= count) return "next descriptor out of range";
      at = base + next * DESCRIPTOR_WORDS;
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
    // As integers: the engine would convert a double for every word of every descriptor.
    const offset = (address - memory.foundStart) >>> 0;
    if (address + length <= memory.foundEnd && (offset & 3) === 0) {
      return this.#walk(memory.words[window]!, offset >>> 2, count >>> 0, 0, true);
    }
    this.#moved ??= new Uint32Array(MAX_INDIRECT_DESCRIPTORS * DESCRIPTOR_WORDS);
    const copy = new Uint8Array(this.#moved.buffer);
    if (!memory.copyStraddling(address, length, copy)) return "indirect table outside memory";
    return this.#walk(this.#moved, 0, count >>> 0, 0, true);
  }
}

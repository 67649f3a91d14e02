/**
 * Very many digests in very little memory: the first 8 bytes of each and, where wanted, a number
 * beside it. Two digests may pass for one. That is for counting, and for sets where one that is
 * held by mistake does no harm.
 */
import { StoreError } from "./errors.ts";
import { hashWords, wordAt } from "./prefix-hash.ts";

/** Digests in one table, at the most: 8 GiB of prefixes. */
export const PREFIXES_MAX = 768 * 1024 * 1024;

const SLOTS_AT_START = 4096;

export class PrefixTable {
  /** Two words a slot; both 0: empty. At most three quarters of the slots are taken. */
  #prefixes: Uint32Array;
  /** A number for each slot; none at all where they are not wanted. */
  #values: Uint32Array;
  #slots: number;
  #size = 0;

  /** `sizeExpected` saves growing; `withValues`: numbers are wanted. */
  constructor(sizeExpected: number, withValues: boolean) {
    this.#slots = SLOTS_AT_START;
    while (this.#slots * 3 < Math.min(sizeExpected, PREFIXES_MAX) * 4) this.#slots *= 2;
    this.#prefixes = new Uint32Array(this.#slots * 2);
    this.#values = new Uint32Array(withValues ? this.#slots : 0);
  }

  get size(): number {
    return this.#size;
  }

  has(bytes: Uint8Array, start: number): boolean {
    return this.#isTaken(this.#find(bytes, start));
  }

  /**
   * Adds the digest at `bytes[start, start + 32)`. False: it was there.
   * @throws StoreError beyond PREFIXES_MAX.
   */
  add(bytes: Uint8Array, start: number): boolean {
    const size = this.#size;
    this.#take(bytes, start);
    return this.#size !== size;
  }

  /** The number of the digest; 0: it has none. */
  value(bytes: Uint8Array, start: number): number {
    return this.#values[this.#find(bytes, start)]!;
  }

  /** Adds the digest with a number, in place of the one that it had. */
  setValue(bytes: Uint8Array, start: number, value: number): void {
    // Before the values are looked at: they may move.
    const slot = this.#take(bytes, start);
    this.#values[slot] = value;
  }

  /** The slot of the digest, which is added if need be. */
  #take(bytes: Uint8Array, start: number): number {
    let slot = this.#find(bytes, start);
    if (this.#isTaken(slot)) return slot;
    if ((this.#size + 1) * 4 > this.#slots * 3) {
      this.#grow();
      slot = this.#find(bytes, start);
    }
    const second = wordAt(bytes, start + 4);
    this.#prefixes[slot * 2] = firstWord(wordAt(bytes, start), second);
    this.#prefixes[slot * 2 + 1] = second;
    this.#size += 1;
    return slot;
  }

  #find(bytes: Uint8Array, start: number): number {
    const second = wordAt(bytes, start + 4);
    return this.#slotOf(firstWord(wordAt(bytes, start), second), second);
  }

  #isTaken(slot: number): boolean {
    return this.#prefixes[slot * 2] !== 0 || this.#prefixes[slot * 2 + 1] !== 0;
  }

  /** The slot that holds the prefix, or the empty one where it belongs. */
  #slotOf(first: number, second: number): number {
    const prefixes = this.#prefixes;
    const mask = this.#slots - 1;
    let slot = hashWords(first, second) & mask;
    while (this.#isTaken(slot)) {
      if (prefixes[slot * 2] === first && prefixes[slot * 2 + 1] === second) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #grow(): void {
    if (this.#slots >= PREFIXES_MAX) throw new StoreError("more objects than can be looked at");
    const prefixes = this.#prefixes;
    const values = this.#values;
    const slots = this.#slots;
    this.#slots *= 2;
    this.#prefixes = new Uint32Array(this.#slots * 2);
    if (values.length > 0) this.#values = new Uint32Array(this.#slots);
    for (let old = 0; old < slots; old += 1) {
      const first = prefixes[old * 2]!;
      const second = prefixes[old * 2 + 1]!;
      if (first === 0 && second === 0) continue;
      const slot = this.#slotOf(first, second);
      this.#prefixes[slot * 2] = first;
      this.#prefixes[slot * 2 + 1] = second;
      if (values.length > 0) this.#values[slot] = values[old]!;
    }
  }
}

/** A prefix of zeros only would pass for an empty slot: another takes its place. */
function firstWord(first: number, second: number): number {
  return first === 0 && second === 0 ? 1 : first;
}

/**
 * Many digests in little memory: 32 bytes and a few for each, outside the reach of the garbage
 * collector. They keep the order in which they came and can be gone through while more are added,
 * so that the set of what was seen is the queue of what is to be looked at as well.
 */
import { DIGEST_BYTES, Digest } from "../castore/digest.ts";
import { StoreError } from "./errors.ts";
import { hashWords, wordAt } from "./prefix-hash.ts";

/** Digests in one set, at the most: 2.4 GiB of them. */
export const DIGESTS_MAX = 64 * 1024 * 1024;

const CAPACITY_AT_START = 1024;
/** Slots of the hash table for each digest there is room for. */
const SLOTS_PER_DIGEST = 2;
const EMPTY = 0;

export class DigestSet {
  #size = 0;
  #bytes = new Uint8Array(CAPACITY_AT_START * DIGEST_BYTES);
  /** Position + 1 of a digest, or EMPTY. */
  #slots = new Uint32Array(CAPACITY_AT_START * SLOTS_PER_DIGEST);

  get size(): number {
    return this.#size;
  }

  /**
   * Adds the digest at `bytes[start, start + 32)` and returns its position; the position that it
   * has already when it is there. A new one has the position that `size` was before.
   * @throws StoreError beyond DIGESTS_MAX.
   */
  add(bytes: Uint8Array, start: number): number {
    const slot = this.#slotOf(bytes, start);
    const found = this.#slots[slot]!;
    if (found !== EMPTY) return found - 1;
    if ((this.#size + 1) * DIGEST_BYTES > this.#bytes.length) {
      this.#grow();
      return this.add(bytes, start);
    }
    this.#bytes.set(bytes.subarray(start, start + DIGEST_BYTES), this.#size * DIGEST_BYTES);
    this.#size += 1;
    this.#slots[slot] = this.#size;
    return this.#size - 1;
  }

  /** The position of the digest at `bytes[start, start + 32)`; -1: it is not in the set. */
  positionOf(bytes: Uint8Array, start: number): number {
    return this.#slots[this.#slotOf(bytes, start)]! - 1;
  }

  /** The 32 bytes at a position. A view, valid until something is added. */
  bytesAt(position: number): Uint8Array {
    return this.#bytes.subarray(position * DIGEST_BYTES, (position + 1) * DIGEST_BYTES);
  }

  at(position: number): Digest {
    return Digest.at(this.#bytes, position * DIGEST_BYTES);
  }

  /** The slot that holds the digest, or the empty one where it belongs. */
  #slotOf(bytes: Uint8Array, start: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hashWords(wordAt(bytes, start), wordAt(bytes, start + 4)) & mask;
    for (;;) {
      const found = slots[slot]!;
      if (found === EMPTY || this.#equals(found - 1, bytes, start)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #equals(position: number, bytes: Uint8Array, start: number): boolean {
    const at = position * DIGEST_BYTES;
    for (let i = 0; i < DIGEST_BYTES; i += 1) {
      if (this.#bytes[at + i] !== bytes[start + i]) return false;
    }
    return true;
  }

  #grow(): void {
    const capacity = (this.#bytes.length / DIGEST_BYTES) * 2;
    if (capacity > DIGESTS_MAX) throw new StoreError("more directories than can be looked at");
    const grown = new Uint8Array(capacity * DIGEST_BYTES);
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#slots = new Uint32Array(capacity * SLOTS_PER_DIGEST);
    for (let position = 0; position < this.#size; position += 1) {
      this.#slots[this.#slotOf(grown, position * DIGEST_BYTES)] = position + 1;
    }
  }
}

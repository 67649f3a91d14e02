/**
 * Remembers which mapped chunks were checked against their digest since the start. A chunk is the
 * host address of its first byte and a tag made of its length and its digest: the index, which is
 * not trusted, may place a different chunk at the same address. Sets of numbers in typed arrays:
 * adding and asking allocate nothing, but when the set grows.
 */
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";

/** Chunks remembered; beyond, the set starts anew and chunks are checked once more. */
export const VERIFIED_CHUNKS_MAX = 4 * 1024 * 1024;
const SLOTS_AT_START = 1024;
/** Spreads neighbouring addresses: 2^32 divided by the golden ratio. */
const SPREAD = 0x9e3779b1;

/** The tag of a chunk of `length` bytes with the digest at `bytes[start]`. Below 2^53. */
export function chunkTag(bytes: Uint8Array, start: number, length: number): number {
  const prefix =
    ((bytes[start]! << 24) |
      (bytes[start + 1]! << 16) |
      (bytes[start + 2]! << 8) |
      bytes[start + 3]!) >>>
    0;
  return prefix * (CHUNK_BYTES_MAX * 2) + length;
}

export class VerifiedSet {
  #addresses = new Float64Array(SLOTS_AT_START);
  #tags = new Float64Array(SLOTS_AT_START);
  #size = 0;
  readonly #sizeMax: number;

  constructor(sizeMax: number = VERIFIED_CHUNKS_MAX) {
    this.#sizeMax = sizeMax;
  }

  /** Addresses are not 0. */
  has(address: number, tag: number): boolean {
    const slot = slotOf(this.#addresses, address);
    return this.#addresses[slot] === address && this.#tags[slot] === tag;
  }

  /** What was known of another chunk at this address is forgotten. */
  add(address: number, tag: number): void {
    const slot = slotOf(this.#addresses, address);
    this.#tags[slot] = tag;
    if (this.#addresses[slot] === address) return;
    this.#addresses[slot] = address;
    this.#size += 1;
    if (this.#size > this.#sizeMax) this.clear();
    else if (this.#size * 2 > this.#addresses.length) this.#grow();
  }

  clear(): void {
    this.#addresses = new Float64Array(SLOTS_AT_START);
    this.#tags = new Float64Array(SLOTS_AT_START);
    this.#size = 0;
  }

  #grow(): void {
    const addresses = new Float64Array(this.#addresses.length * 2);
    const tags = new Float64Array(addresses.length);
    for (const [i, address] of this.#addresses.entries()) {
      if (address === 0) continue;
      const slot = slotOf(addresses, address);
      addresses[slot] = address;
      tags[slot] = this.#tags[i]!;
    }
    this.#addresses = addresses;
    this.#tags = tags;
  }
}

/** The slot that holds `address`, or the empty one where it belongs. At most half are taken. */
function slotOf(addresses: Float64Array, address: number): number {
  const mask = addresses.length - 1;
  const high = Math.floor(address / 2 ** 32);
  let slot = (Math.imul((address | 0) ^ high, SPREAD) >>> 7) & mask;
  while (addresses[slot] !== 0 && addresses[slot] !== address) slot = (slot + 1) & mask;
  return slot;
}

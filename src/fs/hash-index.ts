/**
 * A hash table from 32-bit hashes to numbers, in one flat array: open addressing, linear probing,
 * deletion by shifting back, so that it neither fills with tombstones nor allocates.
 *
 * It does not know the keys: `first` and `next` walk over the numbers whose hash is equal, and the
 * caller compares.
 *
 *     for (let at = index.first(hash); at >= 0; at = index.next(at, hash)) {
 *       if (matches(index.valueAt(at))) ...
 *     }
 */
import { assert } from "../base/assert.ts";

/** Buckets to begin with. A power of two. */
const INITIAL_BUCKETS = 64;

/** Three quarters of the buckets may be taken. */
const MAX_LOAD = 0.75;

/** A bucket is two words: the number (0: empty) and its hash. */
const VALUE = 0;
const HASH = 1;

export class HashIndex {
  #words = new Uint32Array(INITIAL_BUCKETS * 2);
  #mask = INITIAL_BUCKETS - 1;
  #count = 0;

  /** Numbers held. */
  get count(): number {
    return this.#count;
  }

  /** Bytes taken. */
  get bytes(): number {
    return this.#words.byteLength;
  }

  /** The first bucket with a number of this hash, or -1. */
  first(hash: number): number {
    return this.#seek(hash & this.#mask, hash);
  }

  /** The next bucket after `bucket` with a number of this hash, or -1. */
  next(bucket: number, hash: number): number {
    return this.#seek((bucket + 1) & this.#mask, hash);
  }

  /** The number in a bucket that `first` or `next` gave. */
  valueAt(bucket: number): number {
    return this.#words[bucket * 2 + VALUE] as number;
  }

  /** Adds a number, not 0; the caller knows that it is not there yet. `hash` is unsigned. */
  add(hash: number, value: number): void {
    assert(value > 0, "0 marks an empty bucket");
    if (this.#count + 1 > (this.#mask + 1) * MAX_LOAD) this.#grow();
    this.#place(hash, value);
    this.#count += 1;
  }

  /** Takes a number out; the caller knows that it is there. */
  remove(hash: number, value: number): void {
    let bucket = this.first(hash);
    while (bucket >= 0 && this.valueAt(bucket) !== value) bucket = this.next(bucket, hash);
    assert(bucket >= 0, "removes only what was added");
    this.#shiftBack(bucket);
    this.#count -= 1;
  }

  clear(): void {
    this.#words = new Uint32Array(INITIAL_BUCKETS * 2);
    this.#mask = INITIAL_BUCKETS - 1;
    this.#count = 0;
  }

  #seek(from: number, hash: number): number {
    const words = this.#words;
    const mask = this.#mask;
    for (let bucket = from; words[bucket * 2 + VALUE] !== 0; bucket = (bucket + 1) & mask) {
      if (words[bucket * 2 + HASH] === hash) return bucket;
    }
    return -1;
  }

  #place(hash: number, value: number): void {
    const words = this.#words;
    let bucket = hash & this.#mask;
    while (words[bucket * 2 + VALUE] !== 0) bucket = (bucket + 1) & this.#mask;
    words[bucket * 2 + VALUE] = value;
    words[bucket * 2 + HASH] = hash;
  }

  /** Empties `hole`, moving back every later number of the run that may not stand after a gap. */
  #shiftBack(bucket: number): void {
    const words = this.#words;
    const mask = this.#mask;
    let hole = bucket;
    for (let at = (hole + 1) & mask; words[at * 2 + VALUE] !== 0; at = (at + 1) & mask) {
      const home = (words[at * 2 + HASH] as number) & mask;
      const displaced = (at - home) & mask;
      if (displaced < ((at - hole) & mask)) continue;
      words[hole * 2 + VALUE] = words[at * 2 + VALUE] as number;
      words[hole * 2 + HASH] = words[at * 2 + HASH] as number;
      hole = at;
    }
    words[hole * 2 + VALUE] = 0;
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Uint32Array(old.length * 2);
    this.#mask = this.#mask * 2 + 1;
    for (let at = 0; at < old.length; at += 2) {
      const value = old[at + VALUE] as number;
      if (value !== 0) this.#place(old[at + HASH] as number, value);
    }
  }
}

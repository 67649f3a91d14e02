/**
 * Keeps many short byte strings (symlink targets, names of root nodes) in one array: blocks of
 * 16, 32, … 4096 bytes, freed blocks chained per size inside the array itself. Nothing moves, and
 * nothing but the array is allocated.
 */
import { assert } from "../base/assert.ts";

/** Bytes all strings together may take by default, rounded up as they are to their blocks. */
const MAX_TEXT_BYTES = 256 * 1024 * 1024;

/** Bytes of the longest string: a symlink target has at most 4095. */
const MAX_TEXT_LENGTH = 4096;

const SMALLEST_BLOCK_BITS = 4;
const LARGEST_BLOCK_BITS = 12;
const INITIAL_BYTES = 4096;

/** End of a chain of free blocks. No block is at offset 0. */
const NONE = 0;

export class TextArena {
  readonly #maxBytes: number;
  #bytes = new Uint8Array(INITIAL_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = 1 << SMALLEST_BLOCK_BITS;
  /** By block bits: the first free block of that size. */
  readonly #free = new Uint32Array(LARGEST_BLOCK_BITS + 1);

  constructor(maxBytes: number = MAX_TEXT_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Where the strings are. Another array after the next `add`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Copies `source[start, end)` in and returns its offset, never 0; 0 when the bound is reached. */
  add(source: Uint8Array, start: number, end: number): number {
    const length = end - start;
    assert(length <= MAX_TEXT_LENGTH, "castore's targets and names are shorter");
    const offset = this.#allocate(blockBits(length));
    if (offset === NONE) return 0;
    for (let at = 0; at < length; at++) this.#bytes[offset + at] = source[start + at] as number;
    return offset;
  }

  /** Gives back what `add` returned for a string of `length` bytes. */
  release(offset: number, length: number): void {
    const bits = blockBits(length);
    this.#view.setUint32(offset, this.#free[bits] as number, true);
    this.#free[bits] = offset;
  }

  clear(): void {
    this.#bytes = new Uint8Array(INITIAL_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
    this.#end = 1 << SMALLEST_BLOCK_BITS;
    this.#free.fill(NONE);
  }

  #allocate(bits: number): number {
    const reused = this.#free[bits] as number;
    if (reused !== NONE) {
      this.#free[bits] = this.#view.getUint32(reused, true);
      return reused;
    }
    const offset = this.#end;
    const end = offset + (1 << bits);
    if (end > this.#bytes.length && !this.#grow(end)) return NONE;
    this.#end = end;
    return offset;
  }

  #grow(needed: number): boolean {
    if (needed > this.#maxBytes) return false;
    const grown = new Uint8Array(Math.min(this.#maxBytes, this.#bytes.length * 2 + needed));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
    return true;
  }
}

/** log2 of the block that holds `length` bytes. */
function blockBits(length: number): number {
  return Math.max(SMALLEST_BLOCK_BITS, 32 - Math.clz32(Math.max(length, 1) - 1));
}

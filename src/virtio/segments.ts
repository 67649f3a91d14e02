/**
 * One half of a descriptor chain (what the device reads, or what it writes) as one run of bytes:
 * flat arrays of window, offset and length, refilled for every request without an allocation.
 */
import { assert } from "../base/assert.ts";
import type { HostAddress } from "../base/brands.ts";
import type { Readable, Writable } from "../base/segments.ts";
import { COPY_NUMBERS, type CopyList } from "./copy-list.ts";
import type { GuestMemory } from "./guest-memory.ts";

/**
 * Pieces in one half of a chain. Descriptors that cross windows make more than one piece each, so
 * this is more than the longest chain has descriptors.
 */
export const MAX_SEGMENTS = 2048;

/** Up to so many bytes, a loop over aligned words beats the engine's copy (measured: 128 to 160). */
const WORD_LOOP_BYTES = 128;

/** The engine's copy, without a view of either array: `subarray` would be garbage. */
const bulkCopy = Buffer.prototype.copy;

export class Segments implements Readable, Writable {
  /** Bytes in all. */
  length = 0;
  /** Pieces in all. */
  count = 0;
  readonly #windows = new Uint16Array(MAX_SEGMENTS);
  /** Where the pieces lie in this process. */
  readonly #addresses = new Float64Array(MAX_SEGMENTS);
  readonly #lengths = new Uint32Array(MAX_SEGMENTS);
  readonly #copies: CopyList;
  #memory: GuestMemory;
  /** The piece that was touched last, and the position it begins at: accesses mostly go upwards. */
  #piece = 0;
  #pieceStart = 0;
  /** The private array that was copied from or to last, as words: nearly always the same one. */
  #scratch: Uint8Array = new Uint8Array(0);
  #scratchWords: Uint32Array = new Uint32Array(0);

  constructor(memory: GuestMemory, copies: CopyList) {
    this.#memory = memory;
    this.#copies = copies;
  }

  clear(): void {
    this.length = 0;
    this.count = 0;
    this.#piece = 0;
    this.#pieceStart = 0;
  }

  /**
   * Appends guest memory, cut where windows end. False when some of it is no memory, or there are
   * too many pieces: what was memory up to there may have been appended.
   */
  add(address: number, length: number): boolean {
    const memory = this.#memory;
    const window = memory.find(address);
    const index = this.count;
    if (window < 0 || index === MAX_SEGMENTS || length === 0) return length === 0;
    if (address + length > memory.foundEnd) return this.#addAcross(address, length);
    this.#windows[index] = window;
    this.#addresses[index] = address + memory.foundShift;
    this.#lengths[index] = length;
    this.count = index + 1;
    this.length += length;
    return true;
  }

  /** A descriptor that goes on in the next window, or beyond all memory. */
  #addAcross(address: number, length: number): boolean {
    let at = address;
    let left = length;
    while (left > 0) {
      if (this.#memory.find(at) < 0) return false;
      const piece = Math.min(left, this.#memory.foundEnd - at);
      if (!this.add(at, piece)) return false;
      at += piece;
      left -= piece;
    }
    return true;
  }

  copy(offset: number, target: Uint8Array, start: number, length: number): number {
    if (offset >= this.length) return 0;
    const total = Math.min(length, this.length - offset);
    assert(start + total <= target.length, "copy beyond the end of the target");
    let done = 0;
    let within = this.#seek(offset);
    while (done < total) {
      const piece = this.#piece;
      const bytes = Math.min(total - done, this.#lengths[piece]! - within);
      this.#fromGuest(
        this.#windows[piece]!,
        this.#addresses[piece]! + within,
        target,
        start + done,
        bytes,
      );
      done += bytes;
      within = done < total ? this.#next() : 0;
    }
    return total;
  }

  copyPast(offset: number, target: HostAddress, length: number): boolean {
    if (offset + length > this.length || length === 0) return false;
    const copies = this.#copies;
    const { table } = copies;
    let done = 0;
    for (let within = this.#seek(offset); ; within = this.#next()) {
      if (copies.count === copies.capacity && copies.make(true) !== 0) return false;
      const piece = this.#piece;
      const bytes = Math.min(length - done, this.#lengths[piece]! - within);
      const at = copies.count * COPY_NUMBERS;
      table[at] = this.#addresses[piece]! + within;
      table[at + 1] = target + done;
      table[at + 2] = bytes;
      copies.count += 1;
      done += bytes;
      if (done === length) return copies.make(true) === 0;
    }
  }

  write(offset: number, source: Uint8Array, start: number, length: number): void {
    assert(offset + length <= this.length, "reply beyond the room");
    assert(start + length <= source.length, "reply beyond its source");
    if (length === 0) return;
    let done = 0;
    let within = this.#seek(offset);
    while (done < length) {
      const piece = this.#piece;
      const bytes = Math.min(length - done, this.#lengths[piece]! - within);
      this.#toGuest(
        this.#windows[piece]!,
        this.#addresses[piece]! + within,
        source,
        start + done,
        bytes,
      );
      done += bytes;
      within = done < length ? this.#next() : 0;
    }
  }

  writeMapped(offset: number, source: HostAddress, length: number): number {
    assert(offset + length <= this.length, "reply beyond the room");
    const copies = this.#copies;
    for (let done = 0; done < length; ) {
      if (copies.count === copies.capacity) {
        const status = copies.make();
        if (status !== 0) return status;
      }
      done += this.#listCopies(offset + done, source + done, length - done);
    }
    return copies.settle();
  }

  /**
   * Lists the copies of up to `length` bytes to `offset` on, as many as there is room for, at least
   * one. Pieces that lie together in this process are one copy. Returns how many bytes that is.
   */
  #listCopies(offset: number, source: number, length: number): number {
    const { table, capacity } = this.#copies;
    const addresses = this.#addresses;
    const lengths = this.#lengths;
    const within = this.#seek(offset);
    let piece = this.#piece;
    let pieceStart = this.#pieceStart;
    let { count } = this.#copies;
    let target = addresses[piece]! + within;
    let left = lengths[piece]! - within;
    let end = -1;
    let done = 0;
    for (;;) {
      if (left > length - done) left = length - done;
      const at = count * COPY_NUMBERS;
      if (target === end) {
        table[at - 1]! += left;
      } else if (count < capacity) {
        table[at] = source + done;
        table[at + 1] = target;
        table[at + 2] = left;
        count++;
      } else {
        break;
      }
      done += left;
      if (done === length) break;
      end = target + left;
      pieceStart += lengths[piece]!;
      piece++;
      target = addresses[piece]!;
      left = lengths[piece]!;
    }
    this.#piece = piece;
    this.#pieceStart = pieceStart;
    this.#copies.count = count;
    return done;
  }

  /** Makes the piece that holds `position` the current one; gives the position within it. */
  #seek(position: number): number {
    if (position < this.#pieceStart) {
      this.#piece = 0;
      this.#pieceStart = 0;
    }
    while (position >= this.#pieceStart + this.#lengths[this.#piece]!) this.#next();
    return position - this.#pieceStart;
  }

  #next(): 0 {
    this.#pieceStart += this.#lengths[this.#piece]!;
    this.#piece++;
    return 0;
  }

  #fromGuest(
    window: number,
    address: number,
    target: Uint8Array,
    start: number,
    length: number,
  ): void {
    const memory = this.#memory;
    const offset = address - memory.hosts[window]!;
    if (length > WORD_LOOP_BYTES || ((offset | start) & 3) !== 0 || !this.#hasWords(target)) {
      bulkCopy.call(memory.bytes[window]!, target, start, offset, offset + length);
      return;
    }
    copyWords(memory.words[window]!, offset, this.#scratchWords, start, length);
    for (let done = length & ~3; done < length; done++) {
      target[start + done] = memory.bytes[window]![offset + done]!;
    }
  }

  #toGuest(
    window: number,
    address: number,
    source: Uint8Array,
    start: number,
    length: number,
  ): void {
    const memory = this.#memory;
    const offset = address - memory.hosts[window]!;
    if (length > WORD_LOOP_BYTES || ((offset | start) & 3) !== 0 || !this.#hasWords(source)) {
      bulkCopy.call(source, memory.bytes[window]!, offset, start, start + length);
      return;
    }
    copyWords(this.#scratchWords, start, memory.words[window]!, offset, length);
    for (let done = length & ~3; done < length; done++) {
      memory.bytes[window]![offset + done] = source[start + done]!;
    }
  }

  /** Sees to it that `#scratchWords` is over `scratch`. False where its alignment forbids. */
  #hasWords(scratch: Uint8Array): boolean {
    if (scratch === this.#scratch) return true;
    if ((scratch.byteOffset & 3) !== 0) return false;
    this.#scratch = scratch;
    this.#scratchWords = new Uint32Array(scratch.buffer, scratch.byteOffset, scratch.length >>> 2);
    return true;
  }
}

/** Copies the whole words of `length` bytes; offsets in bytes. */
function copyWords(
  from: Uint32Array,
  at: number,
  to: Uint32Array,
  start: number,
  length: number,
): void {
  let source = at >>> 2;
  let target = start >>> 2;
  for (const end = source + (length >>> 2); source < end; source++) to[target++] = from[source]!;
}

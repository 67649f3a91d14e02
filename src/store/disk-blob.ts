/**
 * Blobs as the device thread reads them: straight from mapped segments. A chunk is found and
 * checked when first read; after that a read is arithmetic and one copy for every run of chunks
 * that lie together, and allocates nothing.
 */
import type { HostAddress } from "../base/brands.ts";
import { EIO } from "../base/errno.ts";
import type { ByteSink } from "../base/segments.ts";
import type { ChunkFinder } from "./chunk-finder.ts";
import { packedSize } from "./chunk-list.ts";
import type { Location } from "./disk-index.ts";
import { CHUNK_RECORD_BYTES } from "./disk-layout.ts";
import type { BlobReader } from "./local-reader.ts";

/** A chunk that was not found yet. */
const UNKNOWN = 0;

/** A blob of one chunk, as most are. */
export class SingleChunkBlob implements BlobReader {
  readonly size: number;
  readonly #chunks: ChunkFinder;
  readonly #digest: Uint8Array;
  readonly #location: Location;
  #address = UNKNOWN;

  /** `digest` and `location` are kept. */
  constructor(chunks: ChunkFinder, digest: Uint8Array, location: Location) {
    this.size = location.length;
    this.#chunks = chunks;
    this.#digest = digest;
    this.#location = location;
  }

  read(offset: number, length: number, sink: ByteSink): number {
    if (length === 0) return 0;
    if (this.#address <= UNKNOWN) {
      // What was unreadable there may lie somewhere else by now.
      this.#address =
        this.#address === UNKNOWN
          ? this.#chunks.findAt(this.#digest, 0, this.#location)
          : this.#chunks.find(this.#digest, 0, this.size);
      if (this.#address < 0) return this.#address;
    }
    const result = sink.appendMapped((this.#address + offset) as HostAddress, length);
    if (result !== -EIO) return result;
    this.#address = this.#chunks.lost(this.#digest, 0);
    return this.#address;
  }
}

/** A blob of several chunks. */
export class ChunkedBlob implements BlobReader {
  readonly size: number;
  readonly #finder: ChunkFinder;
  readonly #digest: Uint8Array;
  readonly #chunks: Uint8Array;
  readonly #count: number;
  /** Where each chunk ends in the blob. */
  readonly #ends: Float64Array;
  /** Where each chunk lies, UNKNOWN until it is found and checked. */
  readonly #addresses: Float64Array;

  /** `digest` and `chunks`, a list that adds up to `size`, are kept. */
  constructor(finder: ChunkFinder, digest: Uint8Array, size: number, chunks: Uint8Array) {
    this.size = size;
    this.#finder = finder;
    this.#digest = digest;
    this.#chunks = chunks;
    this.#count = chunks.length / CHUNK_RECORD_BYTES;
    this.#ends = chunkEnds(chunks);
    this.#addresses = new Float64Array(this.#count);
  }

  read(offset: number, length: number, sink: ByteSink): number {
    let at = offset;
    const end = offset + length;
    let chunk = chunkAt(this.#ends, offset);
    const status = this.#prepare(chunk, end);
    if (status < 0) return status;
    while (at < end) {
      const first = chunk;
      const begin = chunk === 0 ? 0 : this.#ends[chunk - 1]!;
      const address = this.#addresses[chunk]! + (at - begin);
      let runEnd = this.#ends[chunk]!;
      chunk += 1;
      while (runEnd < end && this.#addresses[chunk] === address + (runEnd - at)) {
        runEnd = this.#ends[chunk]!;
        chunk += 1;
      }
      if (runEnd > end) runEnd = end;
      const result = sink.appendMapped(address as HostAddress, runEnd - at);
      if (result !== 0) return result === -EIO ? this.#lost(first, chunk) : result;
      at = runEnd;
    }
    return 0;
  }

  /**
   * Finds and checks the chunks from `chunk` on as far as `end` of the blob: all of them, so that
   * what is missing is known at once. 0, -EIO or MISSING.
   */
  #prepare(chunk: number, end: number): number {
    let status = 0;
    for (let begin = 0; begin < end && chunk < this.#count; chunk += 1) {
      if (this.#addresses[chunk] === UNKNOWN) {
        const found = this.#find(chunk);
        if (found === -EIO) return found;
        if (found < 0) status = found;
        else this.#addresses[chunk] = found;
      }
      begin = this.#ends[chunk]!;
    }
    return status;
  }

  #find(chunk: number): number {
    const start = chunk * CHUNK_RECORD_BYTES;
    return this.#finder.find(this.#chunks, start, packedSize(this.#chunks, chunk), this.#digest);
  }

  /** One of the chunks [first, end) lies where nothing can be read, though it was found there. */
  #lost(first: number, end: number): number {
    let status = 0;
    for (let chunk = first; chunk < end; chunk += 1) {
      this.#addresses[chunk] = UNKNOWN;
      const start = chunk * CHUNK_RECORD_BYTES;
      const size = packedSize(this.#chunks, chunk);
      const copied = this.#finder.copy(this.#chunks, start, size, this.#digest);
      if (copied === -EIO) return copied;
      if (copied < 0) status = copied;
    }
    return status < 0
      ? status
      : this.#finder.lost(this.#chunks, first * CHUNK_RECORD_BYTES, this.#digest);
  }
}

/** Where each chunk of a list ends in the blob. */
export function chunkEnds(chunks: Uint8Array): Float64Array {
  const ends = new Float64Array(chunks.length / CHUNK_RECORD_BYTES);
  let end = 0;
  for (let i = 0; i < ends.length; i += 1) {
    end += packedSize(chunks, i);
    ends[i] = end;
  }
  return ends;
}

/** The chunk that holds the byte at `offset`, which is in the blob. */
export function chunkAt(ends: Float64Array, offset: number): number {
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ends[middle]! <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Blobs as the device thread reads them: straight from mapped segments. A chunk is found and
 * checked when first read; after that a read is arithmetic and one copy for every run of chunks
 * that lie together, and allocates nothing.
 */
import type { HostAddress } from "../base/brands.ts";
import { EIO } from "../base/errno.ts";
import type { ByteSink } from "../base/segments.ts";
import { packedSize } from "./chunk-list.ts";
import type { Location } from "./disk-index.ts";
import { CHUNK_RECORD_BYTES } from "./disk-layout.ts";
import type { BlobReader } from "./local-reader.ts";
import type { MappedSegments } from "./mapped-segments.ts";
import { NO_CHUNK } from "./mapped-segments.ts";

/** A blob of one chunk, as most are. */
export class SingleChunkBlob implements BlobReader {
  readonly size: number;
  readonly #segments: MappedSegments;
  readonly #digest: Uint8Array;
  readonly #location: Location;
  #address: HostAddress = NO_CHUNK;
  #reported = false;

  /** `digest` and `location` are kept. */
  constructor(segments: MappedSegments, digest: Uint8Array, location: Location) {
    this.size = location.length;
    this.#segments = segments;
    this.#digest = digest;
    this.#location = location;
  }

  read(offset: number, length: number, sink: ByteSink): number {
    if (length === 0) return 0;
    if (this.#address === NO_CHUNK) {
      this.#address = this.#segments.chunkAt(this.#digest, 0, this.#location);
      if (this.#address === NO_CHUNK) return -EIO;
    }
    const result = sink.appendMapped((this.#address + offset) as HostAddress, length);
    if (result === -EIO && !this.#reported) {
      this.#reported = true;
      this.#segments.refuse("blob cannot be read", this.#digest, 0);
    }
    return result;
  }
}

/** A blob of several chunks. */
export class ChunkedBlob implements BlobReader {
  readonly size: number;
  readonly #segments: MappedSegments;
  readonly #digest: Uint8Array;
  readonly #chunks: Uint8Array;
  readonly #count: number;
  /** Where each chunk ends in the blob. */
  readonly #ends: Float64Array;
  /** Where each chunk lies, NO_CHUNK until it is found and checked. */
  readonly #addresses: Float64Array;
  #reported = false;

  /** `digest` and `chunks`, a list that adds up to `size`, are kept. */
  constructor(segments: MappedSegments, digest: Uint8Array, size: number, chunks: Uint8Array) {
    this.size = size;
    this.#segments = segments;
    this.#digest = digest;
    this.#chunks = chunks;
    this.#count = chunks.length / CHUNK_RECORD_BYTES;
    this.#ends = new Float64Array(this.#count);
    this.#addresses = new Float64Array(this.#count);
    let end = 0;
    for (let i = 0; i < this.#count; i += 1) {
      end += packedSize(chunks, i);
      this.#ends[i] = end;
    }
  }

  read(offset: number, length: number, sink: ByteSink): number {
    let at = offset;
    const end = offset + length;
    let chunk = this.#chunkAt(offset);
    while (at < end) {
      if (!this.#ready(chunk)) return -EIO;
      const begin = chunk === 0 ? 0 : this.#ends[chunk - 1]!;
      const address = this.#addresses[chunk]! + (at - begin);
      let runEnd = this.#ends[chunk]!;
      chunk += 1;
      while (runEnd < end && this.#ready(chunk)) {
        if (this.#addresses[chunk] !== address + (runEnd - at)) break;
        runEnd = this.#ends[chunk]!;
        chunk += 1;
      }
      if (runEnd > end) runEnd = end;
      const result = sink.appendMapped(address as HostAddress, runEnd - at);
      if (result !== 0) return this.#failed(result);
      at = runEnd;
    }
    return 0;
  }

  /** The chunk that holds the byte at `offset`. */
  #chunkAt(offset: number): number {
    let low = 0;
    let high = this.#count - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** True when the chunk is found and checked, or could be now. */
  #ready(chunk: number): boolean {
    if (this.#addresses[chunk] !== NO_CHUNK) return true;
    const start = chunk * CHUNK_RECORD_BYTES;
    const address = this.#segments.chunk(this.#chunks, start, packedSize(this.#chunks, chunk));
    this.#addresses[chunk] = address;
    return address !== NO_CHUNK;
  }

  #failed(result: number): number {
    if (result === -EIO && !this.#reported) {
      this.#reported = true;
      this.#segments.refuse("blob cannot be read", this.#digest, 0);
    }
    return result;
  }
}

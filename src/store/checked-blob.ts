/**
 * A blob whose chunks are checked whenever any of them is read: what goes out is the copy that was
 * checked, since the file beneath a mapping may change in between.
 */
import { EIO } from "../base/errno.ts";
import type { ByteSink } from "../base/segments.ts";
import type { ChunkFinder } from "./chunk-finder.ts";
import { packedSize } from "./chunk-list.ts";
import { chunkAt, chunkEnds } from "./disk-blob.ts";
import { CHUNK_RECORD_BYTES } from "./disk-layout.ts";
import type { BlobReader } from "./local-reader.ts";

export class CheckedBlob implements BlobReader {
  readonly size: number;
  readonly #finder: ChunkFinder;
  readonly #digest: Uint8Array | undefined;
  readonly #chunks: Uint8Array;
  readonly #ends: Float64Array;

  /**
   * `chunks`, the blob's list, is kept, and so is `digest`, the blob's: undefined when the one chunk
   * is the blob.
   */
  constructor(finder: ChunkFinder, digest: Uint8Array | undefined, chunks: Uint8Array) {
    this.#finder = finder;
    this.#digest = digest;
    this.#chunks = chunks;
    this.#ends = chunkEnds(chunks);
    this.size = this.#ends.at(-1) ?? 0;
  }

  /** After the first chunk that cannot be had, the others are only looked at for what is missing. */
  read(offset: number, length: number, sink: ByteSink): number {
    const end = offset + length;
    let status = 0;
    let at = offset;
    for (let chunk = chunkAt(this.#ends, offset); at < end; chunk += 1) {
      const size = packedSize(this.#chunks, chunk);
      const chunkEnd = this.#ends[chunk]!;
      const next = Math.min(chunkEnd, end);
      const start = chunk * CHUNK_RECORD_BYTES;
      const copied = this.#finder.copy(this.#chunks, start, size, this.#digest);
      if (copied === -EIO) return copied;
      if (copied < 0) status = copied;
      if (status === 0) status = sink.append(this.#finder.copied, at - chunkEnd + size, next - at);
      at = next;
    }
    return status;
  }
}

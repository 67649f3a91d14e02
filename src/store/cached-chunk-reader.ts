/**
 * Random reads over chunked blobs. The chunks of all blobs of a store go through one cache of
 * bounded size; however many readers want a chunk at a time, it is loaded once.
 */
import { LRUCache } from "lru-cache";
import { ChunkRanges } from "./chunk-ranges.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import type { ByteRange, Chunk } from "./services.ts";

/** Bytes of chunks that a store keeps in memory for its readers. */
export const CHUNK_CACHE_BYTES = 64 * CHUNK_BYTES_MAX;

/** The verified bytes of a chunk, as many as its size says. They are kept and never written to. */
export type LoadChunk = (chunk: Chunk) => Promise<Uint8Array>;

export class CachedChunkReader {
  readonly #load: LoadChunk;
  readonly #cache: LRUCache<string, Uint8Array>;
  /** Not left to the cache's own `fetch`, which forgets a load that others push out. */
  readonly #loading = new Map<string, Promise<Uint8Array>>();

  constructor(load: LoadChunk, cacheBytes: number = CHUNK_CACHE_BYTES) {
    this.#load = load;
    this.#cache = new LRUCache({
      maxSize: cacheBytes,
      // A size of 0 is none to the cache.
      sizeCalculation: (bytes) => Math.max(1, bytes.length),
    });
  }

  /**
   * The bytes of `range` of the blob that `chunks` make up, in pieces. A piece stays as it is for
   * as long as it is held, and is not to be written to.
   * @throws what loading a chunk throws; the next reader tries again.
   */
  async *read(
    chunks: readonly Chunk[] | ChunkRanges,
    range: ByteRange = {},
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const ranges = chunks instanceof ChunkRanges ? chunks : new ChunkRanges(chunks);
    for (const { chunk, begin, end } of ranges.parts(range)) {
      signal?.throwIfAborted();
      yield (await this.#chunk(chunk)).subarray(begin, end);
    }
  }

  #chunk(chunk: Chunk): Promise<Uint8Array> | Uint8Array {
    // With the size: of a list that nobody has proven it may be wrong.
    const key = `${chunk.digest.key}${chunk.size}`;
    return this.#cache.get(key) ?? this.#loading.get(key) ?? this.#begin(key, chunk);
  }

  async #begin(key: string, chunk: Chunk): Promise<Uint8Array> {
    const loading = this.#load(chunk);
    this.#loading.set(key, loading);
    try {
      const bytes = await loading;
      this.#cache.set(key, bytes);
      return bytes;
    } finally {
      this.#loading.delete(key);
    }
  }
}

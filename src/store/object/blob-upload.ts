/** One blob on its way into object storage: its chunks as they are cut, then their list. */
import { Chunker } from "../chunker.ts";
import { StoreError } from "../errors.ts";
import type { Permits } from "../permits.ts";
import type { BlobStat, Chunk } from "../services.ts";
import type { BoundedObjects } from "./bounded-objects.ts";
import { encodeList, LIST_BYTES_MAX } from "./chunk-list-object.ts";
import type { ChunkObjects } from "./chunk-objects.ts";
import { objectKey } from "./object-keys.ts";

/** Bytes of chunks of one blob that were cut and are not stored yet. */
export const UNSTORED_BYTES_MAX = 8 * 1024 * 1024;
/** Bytes that are cut into chunks before it is looked how far the uploads are. */
const STEP_BYTES = 1024 * 1024;
const NEVER = new AbortController().signal;

export class BlobUpload {
  readonly #objects: BoundedObjects;
  readonly #chunks: ChunkObjects;
  readonly #permits: Permits;
  readonly #chunker = new Chunker((chunk, bytes) => this.#begin(chunk, bytes));
  /** Chunks of this blob that were seen, by the keys of their digests. */
  readonly #seen = new Set<string>();
  readonly #uploads = new Set<Promise<void>>();
  #unstoredBytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(objects: BoundedObjects, chunks: ChunkObjects, permits: Permits) {
    this.#objects = objects;
    this.#chunks = chunks;
    this.#permits = permits;
  }

  async run(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<BlobStat & Chunk> {
    try {
      for await (const piece of pieces) {
        for (let at = 0; at < piece.length; at += STEP_BYTES) {
          this.#chunker.write(piece.subarray(at, at + STEP_BYTES));
          await this.#settle(UNSTORED_BYTES_MAX);
        }
      }
      const blob = this.#chunker.end();
      await this.#settle(0);
      await this.#putList(blob);
      return blob;
    } finally {
      // After a failure nothing goes on behind the caller's back.
      await Promise.all(this.#uploads);
    }
  }

  #begin(chunk: Chunk, bytes: Uint8Array): void {
    const { key } = chunk.digest;
    if (chunk.size === 0 || this.#seen.has(key) || this.#failure !== undefined) return;
    this.#seen.add(key);
    this.#unstoredBytes += chunk.size;
    const copy = bytes.slice();
    const upload = this.#permits
      .run(NEVER, async () => {
        if (this.#failure === undefined) await this.#chunks.put(chunk, copy);
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#unstoredBytes -= chunk.size;
        this.#uploads.delete(upload);
      });
    this.#uploads.add(upload);
  }

  /** Waits until no more than `bytesMax` bytes are on their way. */
  async #settle(bytesMax: number): Promise<void> {
    while (this.#failure === undefined && this.#unstoredBytes > bytesMax) {
      await Promise.race(this.#uploads);
    }
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #putList(blob: BlobStat & Chunk): Promise<void> {
    const { digest } = blob;
    const key = objectKey("blobs", digest);
    const list = encodeList(blob);
    if (list.length > LIST_BYTES_MAX) {
      throw new StoreError(`the blob ${digest} is too large for object storage`);
    }
    if (!(await this.#objects.has(key))) await this.#objects.put(key, list);
  }
}

/**
 * The filler of a store on disk. What comes in while a commit runs goes into the next one, so that
 * many small objects share a sync of the disk. When more waits than there is room for, putters wait.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { blake3Matches } from "../castore/blake3.ts";
import type { Digest } from "../castore/digest.ts";
import { CastoreError } from "../castore/errors.ts";
import { decodeDirectory } from "../castore/proto.ts";
import { isChunkList, packChunks } from "./chunk-list.ts";
import { OBJECT_CHUNK, OBJECT_DIRECTORY } from "./disk-layout.ts";
import { CorruptObject, StoreError } from "./errors.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import type { FillItem } from "./fill-commit.ts";
import { FillCommits } from "./fill-commit.ts";
import type { BlobStat, Chunk } from "./services.ts";
import type { FillOptions, StoreFiller } from "./store-filler.ts";

/** Bytes that wait to be stored or are being stored; one object may be larger. */
export const FILL_PENDING_BYTES_MAX = 64 * 1024 * 1024;
/** Objects in one commit: bounds how long it holds the index, and this thread. */
export const FILL_COMMIT_OBJECTS_MAX = 2000;
/** What an object takes beside its bytes, about. */
const ITEM_BYTES = 512;

/** Smaller limits, for tests. */
export interface DiskFillerOptions {
  readonly segmentBytesMax?: number;
  readonly pendingBytesMax?: number;
}

/**
 * Opens the store in `directory` to fill it.
 * @throws StoreAbsent, UnsupportedFormat, StoreError
 */
export function openStoreFiller(directory: string, options: DiskFillerOptions = {}): StoreFiller {
  return new DiskFiller(directory, options);
}

interface Queued {
  readonly item: FillItem;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Waiting {
  readonly bytes: number;
  readonly admit: () => void;
}

class DiskFiller implements StoreFiller {
  readonly #directory: string;
  readonly #commits: FillCommits;
  readonly #pendingBytesMax: number;
  readonly #closing = new AbortController();
  readonly #queue: Queued[] = [];
  readonly #waiting: Waiting[] = [];
  #pendingBytes = 0;
  #running = false;

  constructor(directory: string, options: DiskFillerOptions) {
    this.#directory = directory;
    this.#commits = new FillCommits(directory, options.segmentBytesMax);
    this.#pendingBytesMax = options.pendingBytesMax ?? FILL_PENDING_BYTES_MAX;
  }

  async putChunk(chunk: Chunk, bytes: Uint8Array, options: FillOptions = {}): Promise<void> {
    const { digest, size } = chunk;
    const right = bytes.length === size && size <= CHUNK_BYTES_MAX;
    if (!right || !blake3Matches(bytes, digest.bytes, 0)) throw new CorruptObject("chunk", digest);
    const { replace = false } = options;
    await this.#put({ kind: OBJECT_CHUNK, digest, bytes, replace }, bytes.length);
  }

  async putBlob(
    digest: Digest,
    { size, chunks }: BlobStat,
    whole: boolean,
    options: FillOptions = {},
  ): Promise<void> {
    if (!isListOf(digest, size, chunks)) throw new CorruptObject("blob", digest);
    const { replace = false } = options;
    const item: FillItem = { kind: "blob", digest, size, chunks, whole, replace };
    await this.#put(item, chunks.length * ITEM_BYTES);
  }

  async dropBlob(digest: Digest): Promise<void> {
    await this.#put({ kind: "no blob", digest }, 0);
  }

  async putDirectory(
    digest: Digest,
    encoded: Uint8Array,
    options: FillOptions = {},
  ): Promise<void> {
    if (!blake3Matches(encoded, digest.bytes, 0)) throw new CorruptObject("directory", digest);
    try {
      decodeDirectory(encoded);
    } catch (cause) {
      if (cause instanceof CastoreError) throw new CorruptObject("directory", digest, { cause });
      throw cause;
    }
    const { replace = false } = options;
    await this.#put({ kind: OBJECT_DIRECTORY, digest, bytes: encoded, replace }, encoded.length);
  }

  /** What is not stored by now is not going to be. */
  [Symbol.dispose](): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new StoreError("the store is being closed", { path: this.#directory }));
    for (const { admit } of this.#waiting.splice(0)) admit();
    for (const { reject } of this.#queue.splice(0)) reject(this.#closing.signal.reason);
    if (!this.#running) this.#commits[Symbol.dispose]();
  }

  async #put(item: FillItem, itemBytes: number): Promise<void> {
    const bytes = itemBytes + ITEM_BYTES;
    await this.#room(bytes);
    this.#closing.signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ item, bytes, resolve, reject });
    if (!this.#running) void this.#run();
    await promise;
  }

  async #room(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#pendingBytes += bytes;
      return;
    }
    await new Promise<void>((admit) => this.#waiting.push({ bytes, admit }));
  }

  #fits(bytes: number): boolean {
    return this.#pendingBytes === 0 || this.#pendingBytes + bytes <= this.#pendingBytesMax;
  }

  #giveRoom(bytes: number): void {
    this.#pendingBytes -= bytes;
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || !this.#fits(next.bytes)) return;
      this.#waiting.shift();
      this.#pendingBytes += next.bytes;
      next.admit();
    }
  }

  /** Commits until nothing is left. */
  async #run(): Promise<void> {
    this.#running = true;
    // Others that put in this turn of the event loop share the first commit.
    await nextTurn();
    while (this.#queue.length > 0)
      await this.#commit(this.#queue.splice(0, FILL_COMMIT_OBJECTS_MAX));
    this.#running = false;
    if (this.#closing.signal.aborted) this.#commits[Symbol.dispose]();
  }

  async #commit(queued: readonly Queued[]): Promise<void> {
    try {
      const items = queued.map(({ item }) => item);
      const refusals = await this.#commits.run(items, this.#closing.signal);
      for (const [i, { resolve, reject }] of queued.entries()) {
        const refusal = refusals[i];
        if (refusal === undefined) resolve();
        else reject(refusal);
      }
    } catch (error) {
      for (const { reject } of queued) reject(error);
    }
    this.#giveRoom(queued.reduce((sum, { bytes }) => sum + bytes, 0));
  }
}

/** True when the chunks can be those of the blob: possible sizes that add up. */
function isListOf(digest: Digest, size: number, chunks: readonly Chunk[]): boolean {
  if (chunks.length === 1 && !chunks[0]!.digest.equals(digest)) return false;
  if (size === 0) return chunks.length === 1 && chunks[0]!.size === 0;
  return isChunkList(packChunks(chunks), size);
}

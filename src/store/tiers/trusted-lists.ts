/**
 * Lists of chunks that are used before anybody has proven them. When all chunks of a blob have come
 * the list is proven, or found to be a lie. While a blob is read from front to back, the next chunks
 * are fetched ahead.
 */
import type { Logger } from "../../base/logger.ts";
import type { Digest } from "../../castore/digest.ts";
import type { Chunk } from "../services.ts";
import type { BlobFetch } from "./blob-fetch.ts";
import type { ChunkFetch } from "./chunk-fetch.ts";
import type { ChunkedBlobs } from "./chunked-blob.ts";
import type { FetchRoom } from "./fetch-room.ts";
import type { FlightControl } from "./flights.ts";
import type { GuardedSource } from "./guarded-source.ts";
import { SourceLied } from "./source-errors.ts";
import { Urgency } from "./urgency.ts";

/** Chunks in all lists that are kept an eye on; beyond, the list used longest ago is let go. */
export const TRUSTED_CHUNKS_MAX = 1024 * 1024;
/** Chunks that are fetched ahead of one that was wanted. */
export const READ_AHEAD_CHUNKS = 4;

interface TrustedList {
  readonly digest: Digest;
  /** Who says so, when that is known. */
  readonly from: GuardedSource | undefined;
  readonly chunks: readonly Chunk[];
  readonly indexes: ReadonlyMap<string, number>;
  /** Not fetched yet. */
  readonly absent: Set<string>;
}

export interface TrustedListsParts {
  readonly room: FetchRoom;
  readonly logger: Logger;
  readonly blobs: BlobFetch;
  readonly chunks: ChunkFetch;
  readonly chunked: ChunkedBlobs;
  /** Told when a list that was a lie has been taken away. */
  readonly exposed?: (() => void) | undefined;
}

export class TrustedLists {
  readonly #parts: TrustedListsParts;
  /** By the blob's digest; the one used longest ago first. */
  readonly #lists = new Map<string, TrustedList>();
  #chunkCount = 0;

  constructor(parts: TrustedListsParts) {
    this.#parts = parts;
  }

  /** The list of `digest` came from `from` and was stored. */
  add(digest: Digest, from: GuardedSource | undefined): void {
    const list = this.#load(digest, from);
    if (list?.absent.size === 0) void this.#prove(list);
  }

  /** A chunk of the blob came because somebody wants it. */
  came(blob: Digest, chunk: Digest): void {
    const list = this.#lists.get(blob.key) ?? this.#load(blob, undefined);
    if (list === undefined) return;
    this.#lists.delete(blob.key);
    this.#lists.set(blob.key, list);
    this.#note(list, chunk);
    this.#readAhead(list, list.indexes.get(chunk.key));
  }

  #note(list: TrustedList, chunk: Digest): void {
    if (list.absent.delete(chunk.key) && list.absent.size === 0) void this.#prove(list);
  }

  #readAhead(list: TrustedList, index: number | undefined): void {
    if (index === undefined) return;
    const before = list.chunks[index - 1];
    // Somebody who jumps about in the blob would not be served by it.
    if (before !== undefined && list.absent.has(before.digest.key)) return;
    for (const { digest, size } of list.chunks.slice(index + 1, index + 1 + READ_AHEAD_CHUNKS)) {
      if (!list.absent.has(digest.key)) continue;
      const wanted = { digest, size, heal: false, within: list.digest };
      this.#parts.chunks.fetch(wanted, background()).then(
        () => this.#note(list, digest),
        // Whoever needs it will ask for it, and be told.
        () => {},
      );
    }
  }

  #load(digest: Digest, from: GuardedSource | undefined): TrustedList | undefined {
    const { local } = this.#parts.room;
    const stored = local.blob(digest);
    if (stored === undefined || stored === "damaged" || stored.whole) return undefined;
    const { chunks } = stored;
    const indexes = new Map(chunks.map((chunk, i) => [chunk.digest.key, i]));
    const absent = new Set<string>();
    for (const chunk of chunks) {
      if (local.chunkSize(chunk.digest) === undefined) absent.add(chunk.digest.key);
    }
    const list = { digest, from, chunks, indexes, absent };
    this.#forget(digest.key);
    this.#lists.set(digest.key, list);
    this.#chunkCount += chunks.length;
    for (const oldest of this.#lists.keys()) {
      if (this.#chunkCount <= TRUSTED_CHUNKS_MAX || oldest === digest.key) break;
      this.#forget(oldest);
    }
    return list;
  }

  #forget(key: string): void {
    this.#chunkCount -= this.#lists.get(key)?.chunks.length ?? 0;
    this.#lists.delete(key);
  }

  async #prove(list: TrustedList): Promise<void> {
    const { room, logger, chunked } = this.#parts;
    const { digest, from, chunks } = list;
    this.#forget(digest.key);
    const size = chunks.reduce((sum, chunk) => sum + chunk.size, 0);
    try {
      await chunked.fetch(digest, { size, chunks }, from, background());
      await room.filler.putBlob(digest, { size, chunks }, true);
    } catch (error) {
      if (error instanceof SourceLied) return await this.#expose(list, error.message);
      const fields = { blob: digest.toString(), error: String(error) };
      logger.log("warn", "list of chunks not proven yet", fields);
    }
  }

  /** Looks for the true list, and takes the wrong one away. */
  async #expose({ digest, from }: TrustedList, fault: string): Promise<void> {
    const { room, logger, blobs } = this.#parts;
    if (from !== undefined) room.chain.addLie(from, { what: "blob", digest }, fault);
    const fields = { blob: digest.toString(), source: from?.name };
    logger.log("error", "wrong data was served: a trusted list of chunks is a lie", fields);
    try {
      await blobs.fetch({ digest, heal: true, listOnly: false }, background());
    } catch {
      await room.filler.dropBlob(digest).catch((error: unknown) => {
        logger.log("error", "the list cannot be removed", { ...fields, error: String(error) });
      });
    }
    this.#parts.exposed?.();
  }
}

function background(): FlightControl {
  return { urgency: new Urgency("background"), progressed: () => {} };
}

/**
 * Group commits of what is fetched from elsewhere: the bytes of many objects to disk at once, then
 * one transaction that names them. The writer's slot is held for as long as a commit takes and not
 * between, so that a collection gets its turn. Writing and syncing happen off this thread.
 */
import type { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { Digest } from "../castore/digest.ts";
import { BlobTable, BlobTableWriter } from "./blob-table.ts";
import { packChunks } from "./chunk-list.ts";
import type { Location } from "./disk-index.ts";
import { ObjectTable, openIndex } from "./disk-index.ts";
import type { ObjectKind } from "./disk-layout.ts";
import { indexPath, OBJECT_CHUNK, SEGMENT_BYTES_MAX } from "./disk-layout.ts";
import type { StoreError } from "./errors.ts";
import { MissingObject } from "./errors.ts";
import { inTransaction, ObjectTableWriter } from "./object-rows.ts";
import { appendToSegment } from "./segment-append.ts";
import { hasCommitted } from "./segment-open.ts";
import type { SegmentEnd } from "./segment-table.ts";
import { SegmentTable } from "./segment-table.ts";
import type { Chunk } from "./services.ts";
import { indexFailure, isSqliteBusy } from "./sqlite-failure.ts";
import { WriterSlot } from "./writer-slots.ts";

/** A chunk or directory, whose bytes have that digest. */
export interface FillObject {
  readonly kind: ObjectKind;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  /** What is stored is rotten. */
  readonly replace: boolean;
}

/** The list of a blob of several chunks, which adds up to `size`. */
export interface FillBlob {
  readonly kind: "blob";
  readonly digest: Digest;
  readonly size: number;
  readonly chunks: readonly Chunk[];
  readonly whole: boolean;
  readonly replace: boolean;
}

/** Takes an unproven list away. */
export interface FillNoBlob {
  readonly kind: "no blob";
  readonly digest: Digest;
}

export type FillItem = FillObject | FillBlob | FillNoBlob;

/** An object that this commit writes; `offset` counts from where the commit begins. */
interface Placed extends FillObject {
  readonly offset: number;
}

/** How long a commit waits for another that is just naming what it has written. */
const INDEX_WAIT_MILLISECONDS = 20_000;
const INDEX_RETRY_MILLISECONDS = 3;

export class FillCommits implements Disposable {
  readonly #directory: string;
  readonly #segmentBytesMax: number;
  readonly #database: DatabaseSync;
  readonly #objects: ObjectTable;
  readonly #blobs: BlobTable;
  readonly #segments: SegmentTable;
  readonly #objectRows: ObjectTableWriter;
  readonly #blobRows: BlobTableWriter;
  readonly #location: Location = { segment: 0, offset: 0, length: 0 };
  /** Of the commit before: its segment has room. */
  #slot = 0;

  constructor(directory: string, segmentBytesMax: number = SEGMENT_BYTES_MAX) {
    this.#directory = directory;
    this.#segmentBytesMax = segmentBytesMax;
    this.#database = openIndex(directory, "write");
    try {
      // A crash of the host may undo the last commits: what is gone is fetched again. Bytes are on
      // disk before they are named all the same, and an import's commit syncs ours with its own.
      this.#database.exec("PRAGMA synchronous = NORMAL");
      this.#objects = new ObjectTable(this.#database);
      this.#blobs = new BlobTable(this.#database);
      this.#segments = new SegmentTable(this.#database);
      this.#objectRows = new ObjectTableWriter(this.#database);
      this.#blobRows = new BlobTableWriter(this.#database);
    } catch (error) {
      this.#database.close();
      throw indexFailure(error, indexPath(directory));
    }
  }

  /**
   * Stores all items; undefined for each that is, otherwise why it is not. One at a time.
   * @throws StoreBusy, StoreError, the reason of the signal: none is stored.
   */
  async run(
    items: readonly FillItem[],
    signal: AbortSignal,
  ): Promise<readonly (StoreError | undefined)[]> {
    const preferred = this.#slot;
    using slot = await WriterSlot.take(this.#directory, { preferred, brief: true, signal });
    this.#slot = slot.slot;
    try {
      const placed = this.#place(items);
      if (placed.length === 0 && items.every(isObject)) return items.map(() => undefined);
      const end = placed.length === 0 ? undefined : await this.#end(placed);
      if (end !== undefined) {
        const buffers = placed.map(({ bytes }) => bytes);
        await appendToSegment(this.#directory, end, buffers);
      }
      return await this.#transaction(() => this.#name(items, placed, end));
    } catch (error) {
      throw indexFailure(error, indexPath(this.#directory));
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** What is not stored yet, each object once. */
  #place(items: readonly FillItem[]): Placed[] {
    const placed = new Map<string, Placed>();
    let offset = 0;
    for (const item of items) {
      if (!isObject(item)) continue;
      const { kind, digest, bytes, replace } = item;
      const key = `${kind}${digest.key}`;
      const before = placed.get(key);
      if (before !== undefined) {
        if (replace) placed.set(key, { ...before, replace });
      } else if (replace || !this.#objects.locate(kind, digest.bytes, this.#location)) {
        placed.set(key, { kind, digest, bytes, replace, offset });
        offset += bytes.length;
      }
    }
    return [...placed.values()];
  }

  /**
   * Where the slot goes on, with room for all of it. A segment that lost bytes is left behind: what
   * heals it has to go somewhere.
   */
  async #end(placed: readonly Placed[]): Promise<SegmentEnd> {
    const end = this.#segments.end(this.#slot);
    if (end !== undefined && hasCommitted(this.#directory, end)) {
      const full = end.length + bytesOf(placed) > this.#segmentBytesMax;
      if (!full || end.length === 0) return end;
    }
    return await this.#transaction(() => this.#segments.begin(this.#slot));
  }

  /** Within a transaction. */
  #name(
    items: readonly FillItem[],
    placed: readonly Placed[],
    end: SegmentEnd | undefined,
  ): (StoreError | undefined)[] {
    if (end !== undefined) {
      const { segment, length } = end;
      for (const { kind, digest, bytes, replace, offset } of placed) {
        const location = { segment, offset: length + offset, length: bytes.length };
        const whole = kind === OBJECT_CHUNK;
        if (replace) this.#objectRows.replace(kind, digest.bytes, location, whole);
        else this.#objectRows.insert(kind, digest.bytes, location, whole);
      }
      this.#segments.save({ segment, length: length + bytesOf(placed) });
    }
    return items.map((item) => {
      if (item.kind === "no blob") this.#blobRows.dropUnproven(item.digest.bytes);
      return item.kind === "blob" ? this.#nameBlob(item) : undefined;
    });
  }

  /** What refuses it; undefined when it is stored. */
  #nameBlob({ digest, size, chunks, whole, replace }: FillBlob): StoreError | undefined {
    // A collection may have taken some since they were put.
    const missing = whole ? chunks.find((chunk) => !this.#hasChunk(chunk)) : undefined;
    if (missing !== undefined) return new MissingObject("chunk", missing.digest);
    if (chunks.length === 1) return undefined;
    const packed = packChunks(chunks);
    const damaged = this.#blobs.find(digest.bytes) === "damaged";
    if (replace || damaged) this.#blobRows.replace(digest.bytes, size, packed, whole);
    else this.#blobRows.insert(digest.bytes, size, packed, whole);
    return undefined;
  }

  #hasChunk({ digest, size }: Chunk): boolean {
    const location = this.#location;
    return this.#objects.locate(OBJECT_CHUNK, digest.bytes, location) && location.length === size;
  }

  /** Waits for others without holding up this thread. */
  async #transaction<T>(step: () => T): Promise<T> {
    const deadline = performance.now() + INDEX_WAIT_MILLISECONDS;
    for (;;) {
      try {
        return inTransaction(this.#database, step, 0);
      } catch (error) {
        if (!isSqliteBusy(error) || performance.now() >= deadline) throw error;
      }
      await sleep(INDEX_RETRY_MILLISECONDS);
    }
  }
}

function isObject(item: FillItem): item is FillObject {
  return item.kind !== "blob" && item.kind !== "no blob";
}

function bytesOf(placed: readonly Placed[]): number {
  const last = placed.at(-1);
  return last === undefined ? 0 : last.offset + last.bytes.length;
}

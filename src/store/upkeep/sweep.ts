/**
 * What nothing reaches leaves the index: directories and lists of chunks in one transaction, so
 * that none stays that names what is gone; chunks after them, some at a time. Nobody may write to
 * the store meanwhile; between two steps others may, if what they made reachable is marked then.
 * Without a change to the index the same is only counted.
 */
import type { DatabaseSync } from "node:sqlite";
import { prepareRows } from "../disk-index.ts";
import { OBJECT_CHUNK, OBJECT_DIRECTORY } from "../disk-layout.ts";
import type { Marker } from "./marker.ts";
import type { SegmentShare } from "./segment-plan.ts";
import type { Turns } from "./turns.ts";

/** Chunks looked at in one transaction, about. */
export const CHUNKS_PER_STEP = 50_000;

export interface ObjectCounts {
  directories: number;
  chunks: number;
  /** Lists of files that have more than one chunk. */
  blobs: number;
  /** Of directories and chunks. */
  bytes: number;
}

/** Looks at every row once. */
export class Sweep {
  readonly kept: ObjectCounts = noObjects();
  readonly deleted: ObjectCounts = noObjects();
  /** What stays, by segment. */
  readonly shares = new Map<number, SegmentShare>();
  readonly #database: DatabaseSync;
  readonly #marker: Marker;
  readonly #turns: Turns;
  readonly #chunkRanges: number;
  /** Ranges of chunks that were looked at. */
  #chunkRange = 0;

  /** One for each `database`, which gets functions that its queries can use. */
  constructor(
    database: DatabaseSync,
    marker: Marker,
    turns: Turns,
    chunksPerStep: number = CHUNKS_PER_STEP,
  ) {
    this.#database = database;
    this.#marker = marker;
    this.#turns = turns;
    const count = prepareRows(database, "SELECT count(*) FROM objects WHERE kind = ?");
    const [chunks] = count.get(OBJECT_CHUNK) as unknown as [number];
    this.#chunkRanges = Math.ceil((chunks + 1) / chunksPerStep);
    database.function("doomed_object", (kind, digest, segment, length) =>
      this.#lookAt(kind as number, digest as Uint8Array, segment as number, length as number),
    );
    database.function("doomed_blob", (digest) => this.#lookAtBlob(digest as Uint8Array));
  }

  /** Counts what would be deleted. */
  async count(): Promise<void> {
    this.#run("SELECT count(*) FROM blobs WHERE doomed_blob(digest)");
    this.#run(`SELECT count(*) FROM objects WHERE ${DOOMED}`, OBJECT_DIRECTORY, ...bounds(0, 1));
    await this.#chunks(`SELECT count(*) FROM objects WHERE ${DOOMED}`, Number.POSITIVE_INFINITY);
  }

  /** Deletes what names others, within a transaction of the caller's. */
  deleteNames(): void {
    this.#run("DELETE FROM blobs WHERE doomed_blob(digest)");
    this.#run(`DELETE FROM objects WHERE ${DOOMED}`, OBJECT_DIRECTORY, ...bounds(0, 1));
  }

  /**
   * Deletes chunks, in transactions of its own, until all were looked at or it is `deadline` by
   * `performance.now()`. True: all were. Ended before, it leaves what nobody misses.
   */
  async deleteChunks(deadline: number): Promise<boolean> {
    return await this.#chunks(`DELETE FROM objects WHERE ${DOOMED}`, deadline);
  }

  /** Forgets what was counted: a transaction was rolled back. */
  reset(): void {
    Object.assign(this.kept, noObjects());
    Object.assign(this.deleted, noObjects());
    this.shares.clear();
  }

  #run(sql: string, ...values: (number | Uint8Array)[]): void {
    this.#database.prepare(sql).all(...values);
  }

  /** Digests are spread evenly: equal ranges hold about as many. One at least. */
  async #chunks(sql: string, deadline: number): Promise<boolean> {
    const statement = this.#database.prepare(sql);
    while (this.#chunkRange < this.#chunkRanges) {
      statement.all(OBJECT_CHUNK, ...bounds(this.#chunkRange, this.#chunkRanges));
      this.#chunkRange += 1;
      if (this.#turns.over) await this.#turns.pause();
      if (performance.now() >= deadline) break;
    }
    return this.#chunkRange === this.#chunkRanges;
  }

  #lookAt(kind: number, digest: Uint8Array, segment: number, length: number): 0 | 1 {
    const isDirectory = kind === OBJECT_DIRECTORY;
    const kept = isDirectory ? this.#marker.hasDirectory(digest) : this.#marker.hasContents(digest);
    const counts = kept ? this.kept : this.deleted;
    if (isDirectory) counts.directories += 1;
    else counts.chunks += 1;
    counts.bytes += length;
    if (!kept) return 1;
    let share = this.shares.get(segment);
    if (share === undefined) {
      share = { objects: 0, bytes: 0 };
      this.shares.set(segment, share);
    }
    share.objects += 1;
    share.bytes += length;
    return 0;
  }

  #lookAtBlob(digest: Uint8Array): 0 | 1 {
    const kept = this.#marker.hasContents(digest);
    (kept ? this.kept : this.deleted).blobs += 1;
    return kept ? 0 : 1;
  }
}

const DOOMED =
  "kind = ? AND digest >= ? AND digest < ? AND doomed_object(kind, digest, segment, length)";

/** Where range `i` of `ranges` begins and ends; together they hold all digests. */
function bounds(i: number, ranges: number): [from: Uint8Array, to: Uint8Array] {
  return [bound(i, ranges), bound(i + 1, ranges)];
}

function bound(i: number, ranges: number): Uint8Array {
  if (i === 0) return new Uint8Array(0);
  // Longer than any digest that begins with these bytes.
  if (i === ranges) return new Uint8Array(64).fill(255);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, Math.floor((i / ranges) * 2 ** 32));
  return bytes;
}

function noObjects(): ObjectCounts {
  return { directories: 0, chunks: 0, blobs: 0, bytes: 0 };
}

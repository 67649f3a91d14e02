/**
 * What nothing reaches leaves the index: directories and lists of chunks in one transaction, so
 * that none stays that names what is gone; chunks after them. Nobody may write to the store
 * meanwhile. Without a word to the index the same is only counted.
 */
import type { DatabaseSync } from "node:sqlite";
import { OBJECT_CHUNK, OBJECT_DIRECTORY } from "../disk-layout.ts";
import type { Marker } from "./marker.ts";
import type { SegmentShare } from "./segment-plan.ts";
import type { Turns } from "./turns.ts";

/** Chunks looked at in one transaction, about. */
const CHUNKS_PER_STEP = 50_000;

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

  /** One for each `database`, which gets functions that its queries can use. */
  constructor(database: DatabaseSync, marker: Marker, turns: Turns) {
    this.#database = database;
    this.#marker = marker;
    this.#turns = turns;
    database.function("doomed_object", (kind, digest, segment, length) =>
      this.#lookAt(kind as number, digest as Uint8Array, segment as number, length as number),
    );
    database.function("doomed_blob", (digest) => this.#lookAtBlob(digest as Uint8Array));
  }

  /** Counts what would be deleted. */
  async count(): Promise<void> {
    const count = "SELECT count(*) FROM";
    this.#run(`${count} blobs WHERE doomed_blob(digest)`);
    for (const kind of [OBJECT_DIRECTORY, OBJECT_CHUNK] as const) {
      await this.#inRanges(`${count} objects WHERE ${DOOMED}`, kind);
    }
  }

  /** Deletes what names others, within a transaction of the caller's. */
  deleteNames(): void {
    this.#run("DELETE FROM blobs WHERE doomed_blob(digest)");
    this.#run(`DELETE FROM objects WHERE ${DOOMED}`, OBJECT_DIRECTORY, ...EVERYTHING);
  }

  /** Deletes chunks, in transactions of its own. Ended between them, it leaves what nobody misses. */
  async deleteChunks(): Promise<void> {
    await this.#inRanges(`DELETE FROM objects WHERE ${DOOMED}`, OBJECT_CHUNK);
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

  /** Digests are spread evenly: equal ranges hold about as many. */
  async #inRanges(sql: string, kind: number): Promise<void> {
    const statement = this.#database.prepare(sql);
    const row = this.#database
      .prepare("SELECT count(*) AS count FROM objects WHERE kind = ?")
      .get(kind);
    const ranges = Math.ceil((Number(row?.["count"]) + 1) / CHUNKS_PER_STEP);
    for (let i = 0; i < ranges; i += 1) {
      statement.all(kind, bound(i, ranges), bound(i + 1, ranges));
      if (this.#turns.over) await this.#turns.pause();
    }
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

/** Below and above every digest: no blob is shorter than the empty one. */
const EVERYTHING = [bound(0, 1), bound(1, 1)] as const;

/** Where range `i` of `ranges` begins, and the one before it ends. */
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

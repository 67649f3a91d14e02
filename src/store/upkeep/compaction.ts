/**
 * Gives back the room of segments that hold little any more: as one writer among others copies what
 * stays to the segment of its own slot, and removes the files then. Whatever is killed on the way,
 * an object lies where its row says: the copy is on disk before the row changes, and no row names a
 * segment that is removed.
 */
import { statSync, unlinkSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { blake3Matches } from "../../castore/blake3.ts";
import { DIRECTORY_BYTES_MAX } from "../../castore/directory.ts";
import type { Location } from "../disk-index.ts";
import { isPlausible, prepareRows } from "../disk-index.ts";
import { SEGMENT_BYTES_MAX, segmentPath } from "../disk-layout.ts";
import { CHUNK_BYTES_MAX } from "../fastcdc.ts";
import { inTransaction } from "../object-rows.ts";
import { SegmentFiles } from "../segment-files.ts";
import { SegmentTable } from "../segment-table.ts";
import { SegmentWriter } from "../segment-writer.ts";
import { systemFailure } from "../sqlite-failure.ts";
import { ObjectList } from "./object-list.ts";
import type { Turns } from "./turns.ts";

/** Bytes and objects that are copied between two changes of the index. */
export const COPY_BYTES_MAX = 64 * 1024 * 1024;
export const COPY_OBJECTS_MAX = 20_000;

export interface CompactionCounts {
  /** Bytes that were copied to other segments. */
  moved: number;
  /** Segments that were removed. */
  segments: number;
  /** Bytes of their files. */
  bytesRemoved: number;
  /** Segments that stay as they are, because something in them is rotten or unreadable. */
  segmentsDamaged: number;
}

export interface CompactionOptions {
  readonly directory: string;
  /** The caller keeps and closes it. */
  readonly database: DatabaseSync;
  /** Held by the caller. */
  readonly slot: number;
  /** Is added to. */
  readonly counts: CompactionCounts;
  readonly turns: Turns;
  /** Left out: SEGMENT_BYTES_MAX. */
  readonly segmentBytesMax: number | undefined;
}

interface Move {
  readonly position: number;
  readonly to: Location;
}

export class Compaction implements Disposable {
  readonly #directory: string;
  readonly #database: DatabaseSync;
  readonly #counts: CompactionCounts;
  readonly #turns: Turns;
  readonly #files: SegmentFiles;
  readonly #table: SegmentTable;
  readonly #writer: SegmentWriter;
  readonly #update: StatementSync;
  readonly #from: Location = { segment: 0, offset: 0, length: 0 };
  readonly #scratch = new Uint8Array(CHUNK_BYTES_MAX);
  #list: ObjectList | undefined;
  #moves: Move[] = [];
  #moveBytes = 0;

  constructor({ directory, database, slot, counts, turns, segmentBytesMax }: CompactionOptions) {
    this.#directory = directory;
    this.#database = database;
    this.#counts = counts;
    this.#turns = turns;
    this.#files = new SegmentFiles(directory);
    const table = new SegmentTable(database);
    this.#table = table;
    this.#writer = new SegmentWriter({
      directory,
      end: table.end(slot),
      begin: () => {
        if (this.#list !== undefined) this.#commit(this.#list);
        return inTransaction(database, () => table.begin(slot));
      },
      segmentBytesMax: segmentBytesMax ?? SEGMENT_BYTES_MAX,
    });
    this.#update = database.prepare(
      `UPDATE objects SET segment = ?, offset = ?
       WHERE kind = ? AND digest = ? AND segment = ? AND offset = ?`,
    );
  }

  /** Empties `segments`, to which nobody writes any more, and removes those that it could. */
  async run(segments: readonly number[]): Promise<void> {
    const list = new ObjectList(this.#database, segments);
    this.#list = list;
    const damaged = new Set<number>();
    for (let position = 0; position < list.size; position += 1) {
      if (!this.#copy(list, position)) damaged.add(this.#from.segment);
      if (this.#moveBytes >= COPY_BYTES_MAX || this.#moves.length >= COPY_OBJECTS_MAX) {
        this.#commit(list);
      }
      if (this.#turns.over) await this.#turns.pause();
    }
    this.#commit(list);
    this.#counts.segmentsDamaged += damaged.size;
    this.remove(segments);
  }

  /** Removes those of `segments` that nothing lies in. */
  remove(segments: readonly number[]): void {
    const unused = inTransaction(this.#database, () => {
      const list = segments.join(", ");
      const used = prepareRows(
        this.#database,
        `SELECT DISTINCT segment FROM objects WHERE segment IN (${list})
         UNION SELECT segment FROM slots WHERE segment IN (${list})`,
      ).all() as unknown as [number][];
      const keep = new Set(used.map(([segment]) => segment));
      const free = segments.filter((segment) => !keep.has(segment));
      const remove = this.#database.prepare("DELETE FROM segments WHERE id = ?");
      for (const segment of free) remove.run(segment);
      return free;
    });
    for (const segment of unused) {
      this.#counts.segments += 1;
      this.#counts.bytesRemoved += removeFile(segmentPath(this.#directory, segment));
    }
  }

  [Symbol.dispose](): void {
    this.#writer[Symbol.dispose]();
    this.#files[Symbol.dispose]();
  }

  /** False: it cannot be read, or is not what its digest says, and stays where it is. */
  #copy(list: ObjectList, position: number): boolean {
    list.locate(position, this.#from);
    if (!isPlausible(this.#from, DIRECTORY_BYTES_MAX)) return false;
    const { length } = this.#from;
    const bytes =
      length <= this.#scratch.length ? this.#scratch.subarray(0, length) : new Uint8Array(length);
    try {
      if (!this.#files.read(this.#from, bytes)) return false;
    } catch {
      return false;
    }
    if (!blake3Matches(bytes, list.digestOf(position).bytes, 0)) return false;
    const to: Location = { segment: 0, offset: 0, length: 0 };
    this.#writer.append(bytes, to);
    this.#moves.push({ position, to });
    this.#moveBytes += bytes.length;
    return true;
  }

  #commit(list: ObjectList): void {
    if (this.#moves.length === 0) return;
    const end = this.#writer.sync();
    inTransaction(this.#database, () => {
      for (const { position, to } of this.#moves) {
        list.locate(position, this.#from);
        const { segment, offset } = this.#from;
        const digest = list.digestOf(position).bytes;
        // Somebody may have put it elsewhere meanwhile.
        this.#update.run(to.segment, to.offset, list.kindOf(position), digest, segment, offset);
      }
      if (end !== undefined) this.#table.save(end);
    });
    this.#writer.committed();
    this.#counts.moved += this.#moveBytes;
    this.#moves = [];
    this.#moveBytes = 0;
  }
}

/** Returns how many bytes the file had. */
export function removeFile(path: string): number {
  try {
    const { size } = statSync(path);
    unlinkSync(path);
    return size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw systemFailure(error, path);
  }
}

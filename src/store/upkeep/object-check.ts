/**
 * Compares objects with their digests, many small ones with one read of the disk, and what sound
 * directories say of files with the index. Synchronous: runs on a worker's thread.
 */
import type { DatabaseSync } from "node:sqlite";
import { blake3Matches } from "../../castore/blake3.ts";
import { DIGEST_BYTES, Digest } from "../../castore/digest.ts";
import { DIRECTORY_BYTES_MAX } from "../../castore/directory.ts";
import type { DirectoryRecords } from "../../castore/directory-scan.ts";
import { KIND_FILE, scanDirectory } from "../../castore/directory-scan.ts";
import { BlobTable } from "../blob-table.ts";
import type { Location } from "../disk-index.ts";
import { isPlausible, ObjectTable } from "../disk-index.ts";
import { OBJECT_CHUNK, OBJECT_DIRECTORY } from "../disk-layout.ts";
import { DiskObjects } from "../disk-objects.ts";
import { CorruptObject } from "../errors.ts";
import { CHUNK_BYTES_MAX } from "../fastcdc.ts";
import { SegmentFiles } from "../segment-files.ts";
import { ObjectFindings } from "./object-findings.ts";
import type { ObjectOutcome, ObjectTask } from "./verify-messages.ts";

/** Bytes that are read at a time; an object that is larger is read by itself. */
export const READ_BYTES_MAX = 8 * 1024 * 1024;

export class ObjectCheck implements Disposable {
  readonly #objects: DiskObjects;
  readonly #files: SegmentFiles;
  readonly #table: ObjectTable;
  readonly #blobs: BlobTable;
  readonly #buffer = new Uint8Array(READ_BYTES_MAX);
  readonly #location: Location = { segment: 0, offset: 0, length: 0 };

  /** The caller keeps and closes `database`. */
  constructor(directory: string, database: DatabaseSync) {
    this.#objects = new DiskObjects(directory, database);
    this.#files = new SegmentFiles(directory);
    this.#table = new ObjectTable(database);
    this.#blobs = new BlobTable(database);
  }

  run(task: ObjectTask): ObjectOutcome {
    const found = new ObjectFindings();
    const { length } = task.kinds;
    for (let first = 0; first < length; ) {
      const end = this.#runEnd(task, first);
      this.#check(task, first, end, found);
      first = end;
    }
    return found.outcome();
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
    this.#objects[Symbol.dispose]();
  }

  /** Objects up to there lie together and fit into the buffer. */
  #runEnd({ offsets, lengths }: ObjectTask, first: number): number {
    const begin = offsets[first]!;
    let end = first + 1;
    while (end < offsets.length) {
      const adjacent = offsets[end] === offsets[end - 1]! + lengths[end - 1]!;
      if (!adjacent || offsets[end]! + lengths[end]! - begin > READ_BYTES_MAX) break;
      end += 1;
    }
    return end;
  }

  #check(task: ObjectTask, first: number, end: number, found: ObjectFindings): void {
    const begin = task.offsets[first]!;
    const length = task.offsets[end - 1]! + task.lengths[end - 1]! - begin;
    const isChunk = end === first + 1 && task.kinds[first] === OBJECT_CHUNK;
    const lengthMax = isChunk ? CHUNK_BYTES_MAX : DIRECTORY_BYTES_MAX;
    const bytes = this.#read({ segment: task.segment, offset: begin, length }, lengthMax);
    for (let i = first; i < end; i += 1) {
      const at = task.offsets[i]! - begin;
      const object = bytes?.subarray(at, at + task.lengths[i]!);
      found.bytes += task.lengths[i]!;
      const right = object !== undefined && blake3Matches(object, task.digests, i * DIGEST_BYTES);
      const sound = right ? object : this.#lookAgain(task, i, found);
      if (sound !== undefined && task.kinds[i] === OBJECT_DIRECTORY) {
        this.#directory(task, i, sound, found);
      }
    }
  }

  /** Undefined: it is not all there, or cannot be read. */
  #read(location: Location, lengthMax: number): Uint8Array | undefined {
    if (!isPlausible(location, lengthMax)) return undefined;
    const { length } = location;
    const target =
      length <= READ_BYTES_MAX ? this.#buffer.subarray(0, length) : new Uint8Array(length);
    try {
      return this.#files.read(location, target) ? target : undefined;
    } catch {
      return undefined;
    }
  }

  /** It may have been moved, healed or deleted since it was listed. Undefined: there is nothing. */
  #lookAgain(task: ObjectTask, i: number, found: ObjectFindings): Uint8Array | undefined {
    const digest = Digest.at(task.digests, i * DIGEST_BYTES);
    try {
      if (task.kinds[i] === OBJECT_DIRECTORY) return this.#objects.encodedDirectory(digest);
      const size = this.#objects.chunkSize(digest);
      if (size === undefined) return undefined;
      const target = new Uint8Array(CHUNK_BYTES_MAX);
      return this.#objects.readChunk({ digest, size }, target) ? target : undefined;
    } catch (error) {
      if (!(error instanceof CorruptObject)) throw error;
      const reason = error.cause instanceof Error ? error.cause.message : undefined;
      found.rotten.push({ position: i, reason });
      return undefined;
    }
  }

  #directory(task: ObjectTask, position: number, encoded: Uint8Array, found: ObjectFindings): void {
    let records: DirectoryRecords;
    try {
      records = scanDirectory(encoded);
    } catch (error) {
      found.rotten.push({ position, reason: (error as Error).message });
      return;
    }
    found.addDirectory(position, records);
    const digest = task.digests.subarray(position * DIGEST_BYTES, (position + 1) * DIGEST_BYTES);
    const whole = task.whole[position] === 1;
    for (let i = 0; i < records.count; i += 1) {
      if (records.kind[i] !== KIND_FILE) continue;
      const start = records.digestStart[i]!;
      const named = encoded.subarray(start, start + DIGEST_BYTES);
      this.#file(digest, named, records.size[i]!, whole, found);
    }
  }

  #file(
    inside: Uint8Array,
    named: Uint8Array,
    size: number,
    whole: boolean,
    found: ObjectFindings,
  ): void {
    const stored = this.#fileSize(named, whole);
    if (stored === size || stored === "damaged") return;
    if (stored === undefined && !whole) {
      found.names.notFetched += 1;
      return;
    }
    // A collection deletes what names before what is named.
    if (!this.#table.locate(OBJECT_DIRECTORY, inside, this.#location)) return;
    found.names.add(inside, named, stored === undefined ? "missing" : "wrong size");
  }

  /** Undefined: absent or, where it should be, not whole. Damage is reported of the list itself. */
  #fileSize(digest: Uint8Array, whole: boolean): number | "damaged" | undefined {
    if (this.#table.locate(OBJECT_CHUNK, digest, this.#location)) return this.#location.length;
    const blob = this.#blobs.find(digest);
    if (blob === undefined || blob === "damaged") return blob;
    return blob.whole || !whole ? blob.size : undefined;
  }
}

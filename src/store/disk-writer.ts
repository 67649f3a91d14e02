/**
 * Bulk writing to a store on disk. One index transaction for each batch: it begins with the first
 * object, and before it commits every byte that it names is on disk. What was killed or failed on
 * the way leaves no trace but unnamed bytes at the end of a segment.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { blake3 } from "../castore/blake3.ts";
import type { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import { acceptsSize } from "../castore/directory.ts";
import type { Name } from "../castore/name.ts";
import type { DirectoryNode, Node } from "../castore/node.ts";
import { directoryNode } from "../castore/node.ts";
import { encodeDirectory, encodeEntry } from "../castore/proto.ts";
import { BlobTableWriter } from "./blob-table.ts";
import { packChunks } from "./chunk-list.ts";
import { Chunker, chunkWhole, createChunkBuffer } from "./chunker.ts";
import type { Location } from "./disk-index.ts";
import { openIndex } from "./disk-index.ts";
import type { ObjectKind } from "./disk-layout.ts";
import { indexPath, OBJECT_CHUNK, OBJECT_DIRECTORY, SEGMENT_BYTES_MAX } from "./disk-layout.ts";
import { DiskObjects } from "./disk-objects.ts";
import { MissingObject } from "./errors.ts";
import { RecentSizes } from "./recent-sizes.ts";
import { RootTableWriter } from "./root-table.ts";
import { SegmentTable } from "./segment-table.ts";
import { SegmentWriter } from "./segment-writer.ts";
import type { BlobStat, Chunk } from "./services.ts";
import { indexFailure } from "./sqlite-failure.ts";
import type { BlobWriter, StoreWriter } from "./store-writer.ts";
import type { WriterLock } from "./writer-lock.ts";

/** A batch is committed when it has this many bytes, or this many objects. */
export const BATCH_BYTES_MAX = 64 * 1024 * 1024;
export const BATCH_OBJECTS_MAX = 20_000;

/** Smaller limits, for tests. */
export interface DiskWriterOptions {
  readonly segmentBytesMax?: number;
  readonly batchBytesMax?: number;
  readonly batchObjectsMax?: number;
}

export class DiskWriter implements StoreWriter {
  readonly #path: string;
  readonly #lock: WriterLock;
  readonly #database: DatabaseSync;
  readonly #objects: DiskObjects;
  readonly #segments: SegmentWriter;
  readonly #insertObject: StatementSync;
  readonly #segmentTable: SegmentTable;
  readonly #insertBlob: BlobTableWriter;
  readonly #roots: RootTableWriter;
  readonly #recent = new RecentSizes();
  readonly #chunkBuffer = createChunkBuffer();
  readonly #location: Location = { segment: 0, offset: 0, length: 0 };
  readonly #batchBytesMax: number;
  readonly #batchObjectsMax: number;
  #inTransaction = false;
  #savedSegment = 0;
  #batchBytes = 0;
  #batchObjects = 0;
  #newBytes = 0;
  #failure: unknown;

  /** Takes over `lock`. */
  constructor(directory: string, lock: WriterLock, options: DiskWriterOptions = {}) {
    this.#path = indexPath(directory);
    this.#lock = lock;
    this.#batchBytesMax = options.batchBytesMax ?? BATCH_BYTES_MAX;
    this.#batchObjectsMax = options.batchObjectsMax ?? BATCH_OBJECTS_MAX;
    this.#database = openIndex(directory, "write");
    try {
      this.#database.exec("PRAGMA synchronous = FULL");
      this.#objects = new DiskObjects(directory, this.#database);
      this.#segmentTable = new SegmentTable(this.#database);
      const end = this.#segmentTable.last();
      const bytesMax = options.segmentBytesMax ?? SEGMENT_BYTES_MAX;
      this.#segments = new SegmentWriter(directory, end, bytesMax);
      this.#savedSegment = end.segment;
      this.#insertObject = this.#database.prepare("INSERT INTO objects VALUES (?, ?, ?, ?, ?, 1)");
      this.#insertBlob = new BlobTableWriter(this.#database);
      this.#roots = new RootTableWriter(this.#database);
    } catch (error) {
      this.#database.close();
      throw indexFailure(error, this.#path);
    }
  }

  get newBytes(): number {
    return this.#newBytes;
  }

  beginBlob(): BlobWriter {
    const chunker = new Chunker((chunk, bytes) => this.#putChunk(chunk, bytes), this.#chunkBuffer);
    return {
      write: (bytes) => this.#guarded(() => chunker.write(bytes)),
      end: () => this.#guarded(() => this.#endBlob(chunker.end())),
    };
  }

  putBlob(bytes: Uint8Array): BlobStat & Chunk {
    return this.#guarded(() =>
      this.#endBlob(chunkWhole(bytes, (chunk, piece) => this.#putChunk(chunk, piece))),
    );
  }

  putChunk(chunk: Chunk, bytes: Uint8Array): void {
    this.#guarded(() => this.#putChunk(chunk, bytes));
  }

  endBlob(blob: BlobStat & Chunk): void {
    this.#guarded(() => this.#endBlob(blob));
  }

  putDirectory(directory: Directory): DirectoryNode {
    return this.#guarded(() => {
      for (const { node } of directory.entries) this.#requireNode(node);
      const encoded = encodeDirectory(directory);
      const digest = blake3(encoded);
      this.#putObject(OBJECT_DIRECTORY, digest, encoded);
      this.#recent.putDirectory(digest, directory.size, directory.entries.length);
      this.#endOfObject();
      return directoryNode(digest, directory.size);
    });
  }

  commit(): void {
    this.#guarded(() => this.#commit());
  }

  putRoot(name: Name, node: Node): void {
    this.#guarded(() => {
      this.#requireNode(node);
      this.#begin();
      this.#roots.put(name, encodeEntry(node));
      this.#commit();
    });
  }

  [Symbol.dispose](): void {
    try {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      // Leaves the index in one file where no reader is at work, as a backup wants it.
      this.#database.exec("PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // What was committed is safe in the write-ahead log; there is nothing to do about the rest.
    } finally {
      this.#segments[Symbol.dispose]();
      this.#objects[Symbol.dispose]();
      this.#database.close();
      this.#lock[Symbol.dispose]();
    }
  }

  #putChunk(chunk: Chunk, bytes: Uint8Array): void {
    this.#putObject(OBJECT_CHUNK, chunk.digest, bytes);
  }

  #endBlob(blob: BlobStat & Chunk): BlobStat & Chunk {
    if (blob.chunks.length > 1) {
      this.#begin();
      this.#insertBlob.insert(blob.digest.bytes, blob.size, packChunks(blob.chunks));
      this.#batchObjects += 1;
    }
    this.#recent.putBlob(blob.digest, blob.size);
    this.#endOfObject();
    return blob;
  }

  #putObject(kind: ObjectKind, digest: Digest, bytes: Uint8Array): void {
    const location = this.#location;
    if (this.#objects.locate(kind, digest, location)) return;
    this.#begin();
    this.#segments.append(bytes, location);
    this.#noteSegment();
    const { segment, offset, length } = location;
    this.#insertObject.run(kind, digest.bytes, segment, offset, length);
    this.#newBytes += bytes.length;
    this.#batchBytes += bytes.length;
    this.#batchObjects += 1;
  }

  /** A segment that was left behind is full and on disk: its length is named in this batch. */
  #noteSegment(): void {
    if (this.#savedSegment === this.#segments.segment) return;
    this.#savedSegment = this.#segments.segment;
    const length = this.#segments.lengthOfPrevious;
    this.#segmentTable.save({ segment: this.#savedSegment - 1, length });
  }

  #endOfObject(): void {
    const full =
      this.#batchBytes >= this.#batchBytesMax || this.#batchObjects >= this.#batchObjectsMax;
    if (full) this.#commit();
  }

  #begin(): void {
    if (this.#inTransaction) return;
    this.#database.exec("BEGIN IMMEDIATE");
    this.#inTransaction = true;
  }

  #commit(): void {
    if (!this.#inTransaction) return;
    this.#segments.sync();
    this.#segmentTable.save(this.#segments);
    this.#database.exec("COMMIT");
    this.#inTransaction = false;
    this.#batchBytes = 0;
    this.#batchObjects = 0;
  }

  #requireNode(node: Node): void {
    if (node.kind === "file") this.#requireBlob(node.digest, node.size);
    else if (node.kind === "directory") this.#requireDirectory(node);
  }

  #requireBlob(digest: Digest, size: number): void {
    const stored = this.#recent.blob(digest) ?? this.#objects.blobSize(digest);
    if (stored !== size) throw new MissingObject(`blob of ${size} bytes`, digest);
  }

  #requireDirectory({ digest, size }: DirectoryNode): void {
    const stored = this.#recent.directory(digest) ?? this.#objects.directorySize(digest);
    if (stored === undefined || !acceptsSize(stored.size, stored.children, size)) {
      throw new MissingObject(`directory of size ${size}`, digest);
    }
  }

  /** After a failure the batch is lost: nothing more is taken, least of all what names it. */
  #guarded<T>(step: () => T): T {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return step();
    } catch (error) {
      const failure = indexFailure(error, this.#path);
      // A refusal comes before anything was changed.
      if (!(failure instanceof MissingObject)) this.#failure = failure;
      throw failure;
    }
  }
}

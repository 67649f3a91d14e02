/**
 * Bulk writing to a store on disk. Objects go to the segment of the writer's slot, their rows wait
 * in memory; a batch ends with the bytes on disk, and only then one short transaction names them
 * all. What was killed or failed on the way leaves no trace but unnamed bytes at the end of a
 * segment. Nothing is deleted while a writer holds its slot: what it found there, it may rely on.
 */
import type { DatabaseSync } from "node:sqlite";
import { blake3 } from "../castore/blake3.ts";
import type { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import type { Name } from "../castore/name.ts";
import type { DirectoryNode, Node } from "../castore/node.ts";
import { directoryNode } from "../castore/node.ts";
import { encodeDirectory, encodeEntry } from "../castore/proto.ts";
import { BlobTableWriter } from "./blob-table.ts";
import { isChunkList, packChunks } from "./chunk-list.ts";
import { Chunker, chunkWhole, createChunkBuffer } from "./chunker.ts";
import type { Location } from "./disk-index.ts";
import { openIndex } from "./disk-index.ts";
import { indexPath, OBJECT_CHUNK, OBJECT_DIRECTORY, SEGMENT_BYTES_MAX } from "./disk-layout.ts";
import { DiskObjects } from "./disk-objects.ts";
import { MissingObject, StoreError } from "./errors.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import { KnownObjects } from "./known-objects.ts";
import { inTransaction, ObjectTableWriter } from "./object-rows.ts";
import { ReadSnapshot } from "./read-snapshot.ts";
import { RootTableWriter } from "./root-table.ts";
import { SegmentTable } from "./segment-table.ts";
import { SegmentWriter } from "./segment-writer.ts";
import type { BlobStat, Chunk } from "./services.ts";
import { indexFailure } from "./sqlite-failure.ts";
import type { BlobWriter, StoreWriter } from "./store-writer.ts";
import { WriteBatch } from "./write-batch.ts";
import type { WriterSlot } from "./writer-slots.ts";

/** A batch is committed when it has this many bytes, or this many objects. */
export const BATCH_BYTES_MAX = 64 * 1024 * 1024;
export const BATCH_OBJECTS_MAX = 20_000;

/** Pages of the index in memory: a batch touches many, all over the index of a large store. */
const CACHE_KIBIBYTES = 16 * 1024;

/** Smaller limits, for tests. */
export interface DiskWriterOptions {
  readonly segmentBytesMax?: number;
  readonly batchBytesMax?: number;
  readonly batchObjectsMax?: number;
}

export class DiskWriter implements StoreWriter {
  readonly #path: string;
  readonly #slot: WriterSlot;
  readonly #database: DatabaseSync;
  readonly #objects: DiskObjects;
  readonly #segments: SegmentWriter;
  readonly #segmentTable: SegmentTable;
  readonly #objectRows: ObjectTableWriter;
  readonly #blobRows: BlobTableWriter;
  readonly #roots: RootTableWriter;
  readonly #snapshot: ReadSnapshot;
  readonly #batch = new WriteBatch();
  readonly #known: KnownObjects;
  readonly #chunkBuffer = createChunkBuffer();
  readonly #location: Location = { segment: 0, offset: 0, length: 0 };
  readonly #batchBytesMax: number;
  readonly #batchObjectsMax: number;
  #batchBytes = 0;
  #newBytes = 0;
  #failure: unknown;

  /** Takes over `slot`. */
  constructor(directory: string, slot: WriterSlot, options: DiskWriterOptions = {}) {
    this.#path = indexPath(directory);
    this.#slot = slot;
    this.#batchBytesMax = options.batchBytesMax ?? BATCH_BYTES_MAX;
    this.#batchObjectsMax = options.batchObjectsMax ?? BATCH_OBJECTS_MAX;
    const database = openIndex(directory, "write");
    this.#database = database;
    try {
      database.exec(`PRAGMA synchronous = FULL; PRAGMA cache_size = -${CACHE_KIBIBYTES}`);
      this.#snapshot = new ReadSnapshot(database);
      this.#objects = new DiskObjects(directory, database);
      this.#known = new KnownObjects(this.#objects, this.#batch, this.#snapshot);
      const table = new SegmentTable(database);
      this.#segmentTable = table;
      this.#segments = new SegmentWriter({
        directory,
        end: table.end(slot.slot),
        begin: () => {
          this.#commit();
          this.#snapshot.end();
          return inTransaction(database, () => table.begin(slot.slot));
        },
        segmentBytesMax: options.segmentBytesMax ?? SEGMENT_BYTES_MAX,
      });
      this.#objectRows = new ObjectTableWriter(database);
      this.#blobRows = new BlobTableWriter(database);
      this.#roots = new RootTableWriter(database);
    } catch (error) {
      database.close();
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
    this.#guarded(() => {
      if (bytes.length !== chunk.size || bytes.length > CHUNK_BYTES_MAX) {
        throw new StoreError(`a chunk of ${bytes.length} bytes cannot be stored`);
      }
      this.#putChunk(chunk, bytes);
    });
  }

  endBlob(blob: BlobStat & Chunk): void {
    this.#guarded(() => {
      for (const { digest, size } of blob.chunks) {
        if (this.#known.chunkSize(digest) !== size) {
          throw new MissingObject(`chunk of ${size} bytes`, digest);
        }
      }
      this.#endBlob(blob);
    });
  }

  putDirectory(directory: Directory): DirectoryNode {
    return this.#guarded(() => {
      for (const { node } of directory.entries) this.#known.requireNode(node);
      const encoded = encodeDirectory(directory);
      const digest = blake3(encoded);
      this.#putDirectory(digest, encoded, directory.size, directory.entries.length);
      this.#endOfObject();
      return directoryNode(digest, directory.size);
    });
  }

  commit(): void {
    this.#guarded(() => this.#commit());
  }

  putRoot(name: Name, node: Node): void {
    this.#guarded(() => {
      this.#known.requireNode(node);
      this.#commit(() => this.#roots.put(name, encodeEntry(node)));
    });
  }

  [Symbol.dispose](): void {
    try {
      this.#segments[Symbol.dispose]();
      this.#snapshot[Symbol.dispose]();
      // Leaves the index in one file where nobody else is at work, as a backup wants it.
      this.#database.exec("PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // What was committed is safe in the write-ahead log; there is nothing to do about the rest.
    } finally {
      this.#objects[Symbol.dispose]();
      this.#database.close();
      this.#slot[Symbol.dispose]();
    }
  }

  #putChunk({ digest }: Chunk, bytes: Uint8Array): void {
    if (this.#batch.chunkSize(digest) !== undefined) return;
    const location = this.#location;
    this.#snapshot.begin();
    if (this.#objects.locate(OBJECT_CHUNK, digest, location)) return;
    this.#append(bytes);
    this.#batch.addChunk(digest, location);
    // A chunk names nothing: a large blob need not wait for its end.
    this.#endOfObject();
  }

  #putDirectory(digest: Digest, encoded: Uint8Array, size: number, children: number): void {
    if (this.#batch.directory(digest) !== undefined) return;
    this.#known.recent.putDirectory(digest, size, children);
    const stored = this.#objects.locate(OBJECT_DIRECTORY, digest, this.#location);
    if (stored && this.#objects.isWhole(digest)) return;
    if (!stored) this.#append(encoded);
    const location = stored ? undefined : { ...this.#location };
    this.#batch.addDirectory({ digest, location, size, children });
  }

  /** Appends an object, to where `#location` says afterwards. */
  #append(bytes: Uint8Array): void {
    this.#segments.append(bytes, this.#location);
    this.#newBytes += bytes.length;
    this.#batchBytes += bytes.length;
  }

  /** The chunks are there. */
  #endBlob(blob: BlobStat & Chunk): BlobStat & Chunk {
    const { digest, size, chunks } = blob;
    if (chunks.length > 1) this.#addBlob(digest, size, packChunks(chunks));
    // What is in the batch is found there.
    else if (this.#batch.chunkSize(digest) === undefined) this.#known.recent.putBlob(digest, size);
    this.#endOfObject();
    return blob;
  }

  #addBlob(digest: Digest, size: number, chunks: Uint8Array): void {
    if (!isChunkList(chunks, size)) throw new StoreError(`the chunks of ${digest} do not add up`);
    if (this.#batch.blobSize(digest) !== undefined) return;
    const state = this.#objects.stateOfBlob(digest);
    this.#known.recent.putBlob(digest, size);
    if (state === "whole") return;
    this.#batch.addBlob({ digest, size, chunks, replace: state === "damaged" });
  }

  #endOfObject(): void {
    const full =
      this.#batchBytes >= this.#batchBytesMax || this.#batch.size >= this.#batchObjectsMax;
    if (full) this.#commit();
  }

  /** `also` is written together with the batch. */
  #commit(also?: () => void): void {
    if (this.#batch.size === 0 && also === undefined) return;
    const end = this.#segments.sync();
    this.#snapshot.end();
    inTransaction(this.#database, () => {
      this.#batch.writeTo(this.#objectRows, this.#blobRows);
      if (end !== undefined) this.#segmentTable.save(end);
      also?.();
    });
    this.#segments.committed();
    this.#batch.clear();
    this.#batchBytes = 0;
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

/** Objects and blobs of a store on disk as the control side reads them: each checked, every time. */
import type { DatabaseSync } from "node:sqlite";
import { blake3Matches } from "../castore/blake3.ts";
import type { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import { DIRECTORY_BYTES_MAX } from "../castore/directory.ts";
import { decodeDirectory } from "../castore/proto.ts";
import type { PackedBlob } from "./blob-table.ts";
import { BlobTable } from "./blob-table.ts";
import { unpackChunks } from "./chunk-list.ts";
import type { Location } from "./disk-index.ts";
import { isPlausible, ObjectTable } from "./disk-index.ts";
import type { ObjectKind } from "./disk-layout.ts";
import { indexPath, OBJECT_CHUNK, OBJECT_DIRECTORY } from "./disk-layout.ts";
import { CorruptObject } from "./errors.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import type { DirectorySize } from "./recent-sizes.ts";
import { SegmentFiles } from "./segment-files.ts";
import type { BlobStat, Chunk } from "./services.ts";
import { indexFailure } from "./sqlite-failure.ts";

export interface StoredBlob extends BlobStat {
  /** All chunks were stored, and hashed to the blob's digest. */
  readonly whole: boolean;
}

export class DiskObjects implements Disposable {
  readonly #table: ObjectTable;
  readonly #blobs: BlobTable;
  readonly #files: SegmentFiles;
  readonly #path: string;

  /** The caller keeps and closes `database`. */
  constructor(directory: string, database: DatabaseSync) {
    this.#table = new ObjectTable(database);
    this.#blobs = new BlobTable(database);
    this.#files = new SegmentFiles(directory);
    this.#path = indexPath(directory);
  }

  /** False: absent. What it says of the place is not checked. */
  locate(kind: ObjectKind, digest: Digest, location: Location): boolean {
    return this.#guarded(() => this.#table.locate(kind, digest.bytes, location));
  }

  /** True for a directory below which all is stored; false: absent, too. */
  isWhole(directory: Digest): boolean {
    return this.#guarded(() => this.#table.isWhole(OBJECT_DIRECTORY, directory.bytes));
  }

  /** Undefined: absent. What is not whole is only what somebody says. @throws CorruptObject */
  findBlob(digest: Digest): StoredBlob | undefined {
    const location = newLocation();
    if (this.locate(OBJECT_CHUNK, digest, location)) {
      if (!isPlausible(location, CHUNK_BYTES_MAX)) throw new CorruptObject("blob", digest);
      return { size: location.length, chunks: [{ digest, size: location.length }], whole: true };
    }
    const blob = this.#findBlob(digest);
    if (blob === undefined) return undefined;
    if (blob === "damaged") throw new CorruptObject("blob", digest);
    return { size: blob.size, chunks: unpackChunks(blob.chunks), whole: blob.whole };
  }

  /** Undefined: absent, or not whole. @throws CorruptObject */
  statBlob(digest: Digest): BlobStat | undefined {
    const blob = this.findBlob(digest);
    return blob?.whole === true ? { size: blob.size, chunks: blob.chunks } : undefined;
  }

  /** Bytes of a chunk that is there, as far as the index says. */
  chunkSize(digest: Digest): number | undefined {
    const location = newLocation();
    return this.locate(OBJECT_CHUNK, digest, location) ? location.length : undefined;
  }

  /** Bytes of a blob; undefined: absent, not whole, or damaged. */
  blobSize(digest: Digest): number | undefined {
    const chunk = this.chunkSize(digest);
    if (chunk !== undefined) return chunk;
    const blob = this.#findBlob(digest);
    return blob === undefined || blob === "damaged" || !blob.whole ? undefined : blob.size;
  }

  /** Says whether a blob of several chunks is there, without its list. */
  stateOfBlob(digest: Digest): "absent" | "damaged" | "partial" | "whole" {
    const blob = this.#findBlob(digest);
    if (blob === undefined) return "absent";
    if (blob === "damaged") return "damaged";
    return blob.whole ? "whole" : "partial";
  }

  /** Undefined: absent. @throws CorruptObject */
  directorySize(digest: Digest): DirectorySize | undefined {
    const directory = this.directory(digest);
    return directory && { size: directory.size, children: directory.entries.length };
  }

  /** Undefined: absent. @throws CorruptObject */
  directory(digest: Digest): Directory | undefined {
    const bytes = this.encodedDirectory(digest);
    try {
      return bytes && decodeDirectory(bytes);
    } catch (error) {
      throw new CorruptObject("directory", digest, { cause: error });
    }
  }

  /** A directory as it is stored, and as its digest says. Undefined: absent. @throws CorruptObject */
  encodedDirectory(digest: Digest): Uint8Array | undefined {
    return this.#read("directory", OBJECT_DIRECTORY, digest, ({ length }) =>
      length <= DIRECTORY_BYTES_MAX ? new Uint8Array(length) : undefined,
    );
  }

  /**
   * Reads a chunk to the start of `target`, which has room for CHUNK_BYTES_MAX. False: absent.
   * @throws CorruptObject
   */
  readChunk({ digest, size }: Chunk, target: Uint8Array): boolean {
    const bytes = this.#read("chunk", OBJECT_CHUNK, digest, ({ length }) =>
      length === size && length <= CHUNK_BYTES_MAX ? target.subarray(0, length) : undefined,
    );
    return bytes !== undefined;
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }

  /**
   * Fills what `room` gives for the object with its bytes, checked; no room: its length is wrong.
   * Undefined: absent. @throws CorruptObject
   */
  #read(
    what: string,
    kind: ObjectKind,
    digest: Digest,
    room: (location: Readonly<Location>) => Uint8Array | undefined,
  ): Uint8Array | undefined {
    const location = newLocation();
    if (!this.locate(kind, digest, location)) return undefined;
    for (let attempt = 0; ; attempt += 1) {
      const { segment, offset } = location;
      const outcome = this.#attempt(location, digest, room);
      if (outcome instanceof Uint8Array) return outcome;
      // A collection may have moved it, and removed the segment where it was.
      const there = this.locate(kind, digest, location);
      const moved = location.segment !== segment || location.offset !== offset;
      if (!there) return undefined;
      if (attempt > 0 || !moved) throw new CorruptObject(what, digest, outcome);
    }
  }

  /** The bytes, or why they are none. */
  #attempt(
    location: Readonly<Location>,
    digest: Digest,
    room: (location: Readonly<Location>) => Uint8Array | undefined,
  ): Uint8Array | ErrorOptions {
    if (!isPlausible(location, DIRECTORY_BYTES_MAX)) return {};
    const bytes = room(location);
    if (bytes === undefined) return {};
    try {
      const sound = this.#files.read(location, bytes) && blake3Matches(bytes, digest.bytes, 0);
      return sound ? bytes : {};
    } catch (error) {
      return { cause: error };
    }
  }

  #findBlob(digest: Digest): PackedBlob | "damaged" | undefined {
    return this.#guarded(() => this.#blobs.find(digest.bytes));
  }

  #guarded<T>(lookUp: () => T): T {
    try {
      return lookUp();
    } catch (error) {
      throw indexFailure(error, this.#path);
    }
  }
}

function newLocation(): Location {
  return { segment: 0, offset: 0, length: 0 };
}

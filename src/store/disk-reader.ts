/**
 * The device thread's view of a store on disk: its own connection to the index, segments mapped.
 * What an importer in another process commits is seen at once.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "../base/logger.ts";
import { blake3Matches } from "../castore/blake3.ts";
import { DIGEST_BYTES, Digest } from "../castore/digest.ts";
import { DIRECTORY_BYTES_MAX } from "../castore/directory.ts";
import { BlobTable } from "./blob-table.ts";
import { ChunkedBlob, SingleChunkBlob } from "./disk-blob.ts";
import type { Location } from "./disk-index.ts";
import { isPlausible, ObjectTable, openIndex } from "./disk-index.ts";
import { indexPath, OBJECT_CHUNK, OBJECT_DIRECTORY } from "./disk-layout.ts";
import { CorruptObject } from "./errors.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import type { FileMapper } from "./file-mapper.ts";
import type { BlobReader, LocalReader, RootSource } from "./local-reader.ts";
import { MappedSegments } from "./mapped-segments.ts";
import { RootTable } from "./root-table.ts";
import { indexFailure } from "./sqlite-failure.ts";

export interface DiskReaderOptions {
  readonly mapper: FileMapper;
  /** Gets a line with the digest for whatever is rotten or unreadable. */
  readonly logger: Logger;
}

/**
 * Opens the store in `directory` for one thread.
 * @throws StoreAbsent, UnsupportedFormat, StoreError
 */
export function openDiskReader(directory: string, options: DiskReaderOptions): LocalReader {
  return new DiskReader(directory, options);
}

class DiskReader implements LocalReader {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #objects: ObjectTable;
  readonly #blobs: BlobTable;
  readonly #roots: RootTable;
  readonly #segments: MappedSegments;

  constructor(directory: string, options: DiskReaderOptions) {
    this.#path = indexPath(directory);
    this.#database = openIndex(directory, "read");
    try {
      this.#objects = new ObjectTable(this.#database);
      this.#blobs = new BlobTable(this.#database);
      this.#roots = new RootTable(this.#database);
    } catch (error) {
      this.#database.close();
      throw error;
    }
    this.#segments = new MappedSegments(directory, options.mapper, this.#objects, options.logger);
  }

  directory(bytes: Uint8Array, start: number): Uint8Array | undefined {
    const digest = bytes.subarray(start, start + DIGEST_BYTES);
    const location = this.#locate(OBJECT_DIRECTORY, digest);
    if (location === undefined) return undefined;
    if (!isPlausible(location, DIRECTORY_BYTES_MAX)) throw corrupt("directory", digest);
    let encoded: Uint8Array;
    let copied: number;
    try {
      encoded = new Uint8Array(location.length);
      copied = this.#segments
        .map(location.segment)
        .copy(location.offset, location.length, encoded, 0);
    } catch (error) {
      throw corrupt("directory", digest, error);
    }
    if (copied !== 0 || !blake3Matches(encoded, digest, 0)) throw corrupt("directory", digest);
    return encoded;
  }

  blob(bytes: Uint8Array, start: number): BlobReader | undefined {
    const digest = new Uint8Array(bytes.subarray(start, start + DIGEST_BYTES));
    const location = this.#locate(OBJECT_CHUNK, digest);
    if (location !== undefined) {
      if (!isPlausible(location, CHUNK_BYTES_MAX)) throw corrupt("blob", digest);
      return new SingleChunkBlob(this.#segments, digest, location);
    }
    const blob = this.#guarded(() => this.#blobs.find(digest));
    if (blob === undefined) return undefined;
    if (blob === "damaged") throw corrupt("blob", digest);
    return new ChunkedBlob(this.#segments, digest, blob.size, blob.chunks);
  }

  roots(): RootSource {
    return {
      get: (name) => this.#guarded(() => this.#roots.get(name)),
      list: () => this.#guarded(() => this.#roots.list()),
    };
  }

  [Symbol.dispose](): void {
    this.#segments[Symbol.dispose]();
    this.#database.close();
  }

  #locate(kind: typeof OBJECT_CHUNK | typeof OBJECT_DIRECTORY, digest: Uint8Array) {
    const location: Location = { segment: 0, offset: 0, length: 0 };
    const found = this.#guarded(() => this.#objects.locate(kind, digest, location));
    return found ? location : undefined;
  }

  #guarded<T>(lookUp: () => T): T {
    try {
      return lookUp();
    } catch (error) {
      throw indexFailure(error, this.#path);
    }
  }
}

function corrupt(what: string, digest: Uint8Array, cause?: unknown): CorruptObject {
  return new CorruptObject(what, Digest.at(digest, 0), cause === undefined ? {} : { cause });
}

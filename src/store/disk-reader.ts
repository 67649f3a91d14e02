/**
 * The device thread's view of a store on disk: its own connection to the index, segments mapped.
 * What an importer in another process commits is seen at once.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "../base/logger.ts";
import { MISSING } from "../base/missing.ts";
import { blake3Matches } from "../castore/blake3.ts";
import { DIGEST_BYTES, Digest } from "../castore/digest.ts";
import { DIRECTORY_BYTES_MAX } from "../castore/directory.ts";
import { BlobTable, type PackedBlob } from "./blob-table.ts";
import { CheckedBlob } from "./checked-blob.ts";
import { ChunkFinder, type Touched, type VerifyMode } from "./chunk-finder.ts";
import { packChunks } from "./chunk-list.ts";
import { ChunkedBlob, SingleChunkBlob } from "./disk-blob.ts";
import type { Location } from "./disk-index.ts";
import { isPlausible, ObjectTable, openIndex } from "./disk-index.ts";
import { indexPath, OBJECT_CHUNK, OBJECT_DIRECTORY } from "./disk-layout.ts";
import { CorruptObject } from "./errors.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import type { FileMapper } from "./file-mapper.ts";
import type { BlobReader, LocalReader, RootSource } from "./local-reader.ts";
import { MappedSegments, Unreachable } from "./mapped-segments.ts";
import type { Misses } from "./misses.ts";
import { ReadFaults } from "./read-faults.ts";
import { RootTable } from "./root-table.ts";
import { indexFailure } from "./sqlite-failure.ts";

export interface DiskReaderOptions {
  readonly mapper: FileMapper;
  /** Gets a line with the digest for whatever is rotten or unreadable. */
  readonly logger: Logger;
  /** How often chunks are checked; `first-read` when left out. Directories: when they are loaded. */
  readonly verify?: VerifyMode;
  /** Gets what is absent or rotten; left out, nobody fetches it. */
  readonly misses?: Misses | undefined;
  /** Uses lists of chunks that nobody has proven yet; otherwise such a blob counts as absent. */
  readonly trustChunkLists?: boolean;
  /** Told of every object that is read, whenever it is found or opened: for a recording. */
  readonly touched?: Touched | undefined;
}

/**
 * Opens the store in `directory` for one thread.
 * @throws StoreAbsent, UnsupportedFormat, StoreError
 */
export function openDiskReader(
  directory: string,
  options: DiskReaderOptions & { readonly misses?: undefined },
): LocalReader<never>;
export function openDiskReader(directory: string, options: DiskReaderOptions): LocalReader;
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
  readonly #chunks: ChunkFinder;
  readonly #faults: ReadFaults;
  readonly #touched: Touched | undefined;
  readonly #trustChunkLists: boolean;

  constructor(directory: string, options: DiskReaderOptions) {
    this.#path = indexPath(directory);
    this.#touched = options.touched;
    this.#trustChunkLists = options.trustChunkLists ?? false;
    this.#database = openIndex(directory, "read");
    try {
      this.#objects = new ObjectTable(this.#database);
      this.#blobs = new BlobTable(this.#database);
      this.#roots = new RootTable(this.#database);
    } catch (error) {
      this.#database.close();
      throw error;
    }
    this.#faults = new ReadFaults(options.logger, options.misses);
    this.#segments = new MappedSegments(directory, options.mapper, this.#objects);
    this.#chunks = new ChunkFinder(this.#segments, this.#faults, {
      mode: options.verify ?? "first-read",
      touched: options.touched,
    });
  }

  directory(bytes: Uint8Array, start: number): Uint8Array | undefined | typeof MISSING {
    let encoded: Uint8Array | undefined;
    try {
      encoded = this.#directory(bytes, start);
    } catch (error) {
      if (error instanceof Unreachable) return this.#refuse("directory", bytes, start, error);
      throw corrupt("directory", bytes, start, error);
    }
    if (encoded !== undefined) this.#touched?.("directory", bytes, start);
    if (encoded !== undefined || !this.#faults.canFetch) return encoded;
    this.#faults.absent("directory", bytes, start);
    return MISSING;
  }

  blob(bytes: Uint8Array, start: number, size?: number): BlobReader | undefined | typeof MISSING {
    const digest = new Uint8Array(bytes.subarray(start, start + DIGEST_BYTES));
    const location: Location = { segment: 0, offset: 0, length: 0 };
    if (this.#guarded(() => this.#objects.locate(OBJECT_CHUNK, digest, location))) {
      if (!isPlausible(location, CHUNK_BYTES_MAX)) return this.#refuse("blob", digest, 0);
      this.#touched?.("blob", digest, 0);
      if (this.#chunks.mode !== "always") {
        return new SingleChunkBlob(this.#chunks, digest, location);
      }
      const chunk = { digest: Digest.from(digest), size: location.length };
      return new CheckedBlob(this.#chunks, undefined, packChunks([chunk]));
    }
    const blob = this.#guarded(() => this.#blobs.find(digest));
    if (blob === "damaged") return this.#refuse("blob", digest, 0);
    if (blob !== undefined && (blob.whole || this.#trustChunkLists)) {
      return this.#chunkedBlob(digest, blob);
    }
    if (!this.#faults.canFetch) return undefined;
    this.#faults.absent("blob", digest, 0, undefined, size);
    return MISSING;
  }

  roots(): RootSource {
    return {
      get: (name) => this.#guarded(() => this.#roots.get(name)),
      list: () => this.#guarded(() => this.#roots.list()),
    };
  }

  trim(before: () => void): void {
    if (!this.#segments.hasVanished) return;
    before();
    this.#chunks.forget();
    this.#segments.unmapVanished();
  }

  [Symbol.dispose](): void {
    this.#segments[Symbol.dispose]();
    this.#database.close();
  }

  /** Undefined: absent. @throws Unreachable; anything else when another copy would not help. */
  #directory(bytes: Uint8Array, start: number): Uint8Array | undefined {
    const mapped = this.#segments.find(OBJECT_DIRECTORY, bytes, start, DIRECTORY_BYTES_MAX);
    if (mapped === undefined) return undefined;
    const { offset, length } = this.#segments.location;
    const encoded = new Uint8Array(length);
    if (mapped.copy(offset, length, encoded, 0) !== 0)
      throw new Unreachable("segment cannot be read");
    if (!blake3Matches(encoded, bytes, start)) throw new Unreachable("other bytes lie there");
    return encoded;
  }

  #chunkedBlob(digest: Uint8Array, { size, chunks }: PackedBlob): BlobReader {
    this.#touched?.("blob", digest, 0);
    return this.#chunks.mode === "always"
      ? new CheckedBlob(this.#chunks, digest, chunks)
      : new ChunkedBlob(this.#chunks, digest, size, chunks);
  }

  /** @throws CorruptObject where nobody fetches it anew. */
  #refuse(
    kind: "directory" | "blob",
    bytes: Uint8Array,
    start: number,
    cause?: unknown,
  ): typeof MISSING {
    if (!this.#faults.canFetch) throw corrupt(kind, bytes, start, cause);
    this.#faults.rotten(kind, `${kind} is rotten`, bytes, start, undefined, cause);
    return MISSING;
  }

  #guarded<T>(lookUp: () => T): T {
    try {
      return lookUp();
    } catch (error) {
      throw indexFailure(error, this.#path);
    }
  }
}

function corrupt(kind: string, bytes: Uint8Array, start: number, cause: unknown): CorruptObject {
  const options = cause === undefined ? {} : { cause };
  return new CorruptObject(kind, Digest.at(bytes, start), options);
}

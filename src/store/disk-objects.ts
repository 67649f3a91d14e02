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
    try {
      return this.#table.locate(kind, digest.bytes, location);
    } catch (error) {
      throw indexFailure(error, this.#path);
    }
  }

  /** Undefined: absent. @throws CorruptObject */
  statBlob(digest: Digest): BlobStat | undefined {
    const location = newLocation();
    if (this.locate(OBJECT_CHUNK, digest, location)) {
      if (!isPlausible(location, CHUNK_BYTES_MAX)) throw new CorruptObject("blob", digest);
      return { size: location.length, chunks: [{ digest, size: location.length }] };
    }
    const blob = this.#findBlob(digest);
    if (blob === undefined) return undefined;
    if (blob === "damaged") throw new CorruptObject("blob", digest);
    return { size: blob.size, chunks: unpackChunks(blob.chunks) };
  }

  /** Bytes of a blob; undefined: absent or damaged. */
  blobSize(digest: Digest): number | undefined {
    const location = newLocation();
    if (this.locate(OBJECT_CHUNK, digest, location)) return location.length;
    const blob = this.#findBlob(digest);
    return blob === "damaged" ? undefined : blob?.size;
  }

  /** Undefined: absent. @throws CorruptObject */
  directorySize(digest: Digest): DirectorySize | undefined {
    const directory = this.directory(digest);
    return directory && { size: directory.size, children: directory.entries.length };
  }

  /** Undefined: absent. @throws CorruptObject */
  directory(digest: Digest): Directory | undefined {
    const location = newLocation();
    if (!this.locate(OBJECT_DIRECTORY, digest, location)) return undefined;
    if (!isPlausible(location, DIRECTORY_BYTES_MAX)) throw new CorruptObject("directory", digest);
    try {
      const bytes = new Uint8Array(location.length);
      if (this.#files.read(location, bytes) && blake3Matches(bytes, digest.bytes, 0)) {
        return decodeDirectory(bytes);
      }
    } catch (error) {
      throw new CorruptObject("directory", digest, { cause: error });
    }
    throw new CorruptObject("directory", digest);
  }

  /**
   * Reads a chunk to the start of `target`, which has room for its size. False: absent.
   * @throws CorruptObject
   */
  readChunk({ digest, size }: Chunk, target: Uint8Array): boolean {
    const location = newLocation();
    if (!this.locate(OBJECT_CHUNK, digest, location)) return false;
    let whole: boolean;
    try {
      whole =
        location.length === size &&
        isPlausible(location, CHUNK_BYTES_MAX) &&
        this.#files.read(location, target) &&
        blake3Matches(target.subarray(0, size), digest.bytes, 0);
    } catch (error) {
      throw new CorruptObject("chunk", digest, { cause: error });
    }
    if (!whole) throw new CorruptObject("chunk", digest);
    return true;
  }

  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }

  #findBlob(digest: Digest): PackedBlob | "damaged" | undefined {
    try {
      return this.#blobs.find(digest.bytes);
    } catch (error) {
      throw indexFailure(error, this.#path);
    }
  }
}

function newLocation(): Location {
  return { segment: 0, offset: 0, length: 0 };
}

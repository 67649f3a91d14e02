/**
 * What a writer has put since it last committed: in segments, but not in the index yet, so that
 * many may write at a time and none holds the index for long. Bounded by whoever commits it.
 */
import type { Digest } from "../castore/digest.ts";
import type { BlobTableWriter } from "./blob-table.ts";
import type { Location } from "./disk-index.ts";
import { OBJECT_CHUNK, OBJECT_DIRECTORY } from "./disk-layout.ts";
import type { ObjectTableWriter } from "./object-rows.ts";
import type { DirectorySize } from "./recent-sizes.ts";

interface BatchChunk extends Readonly<Location> {
  readonly digest: Digest;
}

interface BatchDirectory extends DirectorySize {
  readonly digest: Digest;
  /** Undefined: it was stored, and becomes whole. */
  readonly location: Readonly<Location> | undefined;
}

interface BatchBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** See chunk-list.ts. */
  readonly chunks: Uint8Array;
  /** What is stored is damaged. */
  readonly replace: boolean;
}

export class WriteBatch {
  readonly #chunks = new Map<string, BatchChunk>();
  readonly #directories = new Map<string, BatchDirectory>();
  readonly #blobs = new Map<string, BatchBlob>();

  /** Rows. */
  get size(): number {
    return this.#chunks.size + this.#directories.size + this.#blobs.size;
  }

  /** Bytes of a chunk, or undefined when it is not in the batch. */
  chunkSize(digest: Digest): number | undefined {
    return this.#chunks.get(digest.key)?.length;
  }

  directory(digest: Digest): DirectorySize | undefined {
    return this.#directories.get(digest.key);
  }

  /** Bytes of a blob of several chunks. */
  blobSize(digest: Digest): number | undefined {
    return this.#blobs.get(digest.key)?.size;
  }

  /** The location is copied. */
  addChunk(digest: Digest, { segment, offset, length }: Readonly<Location>): void {
    this.#chunks.set(digest.key, { digest, segment, offset, length });
  }

  addDirectory(directory: BatchDirectory): void {
    this.#directories.set(directory.digest.key, directory);
  }

  addBlob(blob: BatchBlob): void {
    this.#blobs.set(blob.digest.key, blob);
  }

  /** Writes all rows, in the order of their keys: neighbours lie in one page of the index. */
  writeTo(objects: ObjectTableWriter, blobs: BlobTableWriter): void {
    for (const chunk of inKeyOrder(this.#chunks)) {
      objects.insert(OBJECT_CHUNK, chunk.digest.bytes, chunk, true);
    }
    for (const { digest, location } of inKeyOrder(this.#directories)) {
      if (location === undefined) objects.complete(digest.bytes);
      else objects.insert(OBJECT_DIRECTORY, digest.bytes, location, true);
    }
    for (const { digest, size, chunks, replace } of inKeyOrder(this.#blobs)) {
      if (replace) blobs.replace(digest.bytes, size, chunks, true);
      else blobs.insert(digest.bytes, size, chunks, true);
    }
  }

  clear(): void {
    this.#chunks.clear();
    this.#directories.clear();
    this.#blobs.clear();
  }
}

function inKeyOrder<T>(rows: ReadonlyMap<string, T>): T[] {
  return [...rows.keys()].sort().map((key) => rows.get(key)!);
}

/** What the fetcher asks of the local store: what is there, and what was put there before. */
import type { Digest } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import { BlobTable } from "../blob-table.ts";
import { unpackChunks } from "../chunk-list.ts";
import { openIndex } from "../disk-index.ts";
import { indexPath, OBJECT_CHUNK, OBJECT_DIRECTORY } from "../disk-layout.ts";
import { DiskObjects } from "../disk-objects.ts";
import type { BlobStat, Chunk } from "../services.ts";
import { indexFailure } from "../sqlite-failure.ts";

export interface LocalBlob extends BlobStat {
  /** All chunks were stored, and hashed to the blob's digest. */
  readonly whole: boolean;
}

/** Synchronous, since it is local; sees at once what anybody put. All throw StoreError. */
export interface LocalObjects extends Disposable {
  /** Bytes of the chunk; undefined: absent. It is not read. */
  chunkSize(digest: Digest): number | undefined;

  /**
   * The list of chunks of a blob that has more than one. Undefined: absent. `damaged`: not what was
   * put there.
   */
  blob(digest: Digest): LocalBlob | "damaged" | undefined;

  /** Bytes of the encoded directory; undefined: absent. It is not read. */
  directoryBytes(digest: Digest): number | undefined;

  /** Undefined: absent. @throws CorruptObject */
  directory(digest: Digest): Directory | undefined;

  /** The verified bytes. Undefined: absent. @throws CorruptObject */
  readChunk(chunk: Chunk): Uint8Array | undefined;
}

/** @throws StoreAbsent, UnsupportedFormat, StoreError */
export function openLocalObjects(directory: string): LocalObjects {
  const path = indexPath(directory);
  const database = openIndex(directory, "read");
  try {
    const objects = new DiskObjects(directory, database);
    const blobs = new BlobTable(database);
    const location = { segment: 0, offset: 0, length: 0 };
    return {
      chunkSize: (digest) =>
        objects.locate(OBJECT_CHUNK, digest, location) ? location.length : undefined,
      directoryBytes: (digest) =>
        objects.locate(OBJECT_DIRECTORY, digest, location) ? location.length : undefined,
      directory: (digest) => objects.directory(digest),
      blob: (digest) => {
        try {
          const found = blobs.find(digest.bytes);
          if (found === undefined || found === "damaged") return found;
          return { size: found.size, chunks: unpackChunks(found.chunks), whole: found.whole };
        } catch (error) {
          throw indexFailure(error, path);
        }
      },
      readChunk: (chunk) => {
        const bytes = Buffer.allocUnsafeSlow(chunk.size);
        return objects.readChunk(chunk, bytes) ? bytes : undefined;
      },
      [Symbol.dispose]: () => {
        objects[Symbol.dispose]();
        database.close();
      },
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

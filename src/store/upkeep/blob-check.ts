/**
 * Compares lists of chunks with the index: the checksum of the list says that it is the one that
 * was proven when it was put, and its chunks, hashed one by one elsewhere, then make up the blob.
 * If that is wanted they are hashed together as well.
 */
import type { DatabaseSync } from "node:sqlite";
import { createHasher } from "../../castore/blake3.ts";
import { DIGEST_BYTES, Digest, digestKey } from "../../castore/digest.ts";
import type { PackedBlob } from "../blob-table.ts";
import { BlobTable } from "../blob-table.ts";
import { packedSize } from "../chunk-list.ts";
import type { Location } from "../disk-index.ts";
import { ObjectTable } from "../disk-index.ts";
import { CHUNK_RECORD_BYTES, OBJECT_CHUNK } from "../disk-layout.ts";
import { DiskObjects } from "../disk-objects.ts";
import { CorruptObject } from "../errors.ts";
import { CHUNK_BYTES_MAX } from "../fastcdc.ts";
import { NameFaults } from "./name-faults.ts";
import type { BlobOutcome, BlobTask } from "./verify-messages.ts";

export class BlobCheck implements Disposable {
  readonly #objects: DiskObjects;
  readonly #table: ObjectTable;
  readonly #blobs: BlobTable;
  readonly #wholeBlobs: boolean;
  readonly #buffer = new Uint8Array(CHUNK_BYTES_MAX);
  readonly #location: Location = { segment: 0, offset: 0, length: 0 };

  /** The caller keeps and closes `database`. */
  constructor(directory: string, database: DatabaseSync, wholeBlobs: boolean) {
    this.#objects = new DiskObjects(directory, database);
    this.#table = new ObjectTable(database);
    this.#blobs = new BlobTable(database);
    this.#wholeBlobs = wholeBlobs;
  }

  run({ digests, rotten }: BlobTask): BlobOutcome {
    const faults = new NameFaults();
    const rottenKeys = new Set<string>();
    for (let at = 0; at < rotten.length; at += DIGEST_BYTES) rottenKeys.add(digestKey(rotten, at));
    const outcome = { bytes: 0, blobs: 0, partial: 0 };
    for (let at = 0; at < digests.length; at += DIGEST_BYTES) {
      const digest = digests.subarray(at, at + DIGEST_BYTES);
      const blob = this.#blobs.find(digest);
      // Deleted since it was listed.
      if (blob === undefined) continue;
      outcome.blobs += 1;
      if (blob === "damaged") {
        faults.add(digest, undefined, "rotten");
        continue;
      }
      if (!blob.whole) outcome.partial += 1;
      const sound = this.#list(digest, blob, rottenKeys, faults);
      if (sound && blob.whole && this.#wholeBlobs) {
        outcome.bytes += blob.size;
        if (!this.#isRight(digest, blob)) faults.add(digest, undefined, "wrong contents");
      }
    }
    const { names, moreNames, notFetched } = faults;
    return { kind: "blobs", ...outcome, names, moreNames, notFetched };
  }

  [Symbol.dispose](): void {
    this.#objects[Symbol.dispose]();
  }

  /** True when all chunks are there and none is known to be rotten. */
  #list(
    digest: Uint8Array,
    { chunks, whole }: PackedBlob,
    rotten: ReadonlySet<string>,
    faults: NameFaults,
  ): boolean {
    let sound = true;
    for (let i = 0; i * CHUNK_RECORD_BYTES < chunks.length; i += 1) {
      const start = i * CHUNK_RECORD_BYTES;
      const chunk = chunks.subarray(start, start + DIGEST_BYTES);
      if (!this.#table.locate(OBJECT_CHUNK, chunk, this.#location)) {
        sound = false;
        if (!whole) faults.notFetched += 1;
        // A collection deletes what names before what is named.
        else if (this.#blobs.find(digest) !== undefined) faults.add(digest, chunk, "missing");
      } else if (this.#location.length !== packedSize(chunks, i)) {
        sound = false;
        faults.add(digest, chunk, "wrong size");
      } else if (rotten.has(digestKey(chunks, start))) {
        sound = false;
        faults.add(digest, chunk, "rotten");
      }
    }
    return sound;
  }

  /** Whether its chunks make up the blob. Rotten ones were reported before. */
  #isRight(digest: Uint8Array, { chunks }: PackedBlob): boolean {
    const hasher = createHasher();
    for (let i = 0; i * CHUNK_RECORD_BYTES < chunks.length; i += 1) {
      const chunk = {
        digest: Digest.at(chunks, i * CHUNK_RECORD_BYTES),
        size: packedSize(chunks, i),
      };
      try {
        if (!this.#objects.readChunk(chunk, this.#buffer)) return true;
      } catch (error) {
        if (error instanceof CorruptObject) return true;
        throw error;
      }
      hasher.update(this.#buffer.subarray(0, chunk.size));
    }
    return hasher.digest().equalsAt(digest, 0);
  }
}

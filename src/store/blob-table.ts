/** Blobs of more than one chunk in the index. A row carries a checksum: no digest covers the list. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { isChunkList } from "./chunk-list.ts";
import { checksumMatches, prepareRows, rowChecksum } from "./disk-index.ts";

/** The chunk list of a blob; see chunk-list.ts. */
export interface PackedBlob {
  readonly size: number;
  readonly chunks: Uint8Array;
  /** All chunks were stored, and hashed to the blob's digest; otherwise the list is hearsay. */
  readonly whole: boolean;
}

/** Reads blobs. A blob of a single chunk has no row here: the chunk has its digest. */
export class BlobTable {
  readonly #statement: StatementSync;

  constructor(database: DatabaseSync) {
    this.#statement = prepareRows(
      database,
      "SELECT size, chunks, checksum, whole FROM blobs WHERE digest = ?",
    );
  }

  /** Undefined: absent. `damaged`: what is there is not what was put. */
  find(digest: Uint8Array): PackedBlob | "damaged" | undefined {
    const row = this.#statement.get(digest) as unknown as
      | [number, Uint8Array, Uint8Array, number]
      | undefined;
    if (row === undefined) return undefined;
    const [size, chunks, checksum, whole] = row;
    if (!checksumMatches(digest, chunks, checksum) || !isChunkList(chunks, size)) return "damaged";
    return { size, chunks, whole: whole === 1 };
  }
}

/** Writes blobs, within a transaction of the caller's. */
export class BlobTableWriter {
  readonly #insert: StatementSync;
  readonly #replace: StatementSync;
  readonly #drop: StatementSync;

  constructor(database: DatabaseSync) {
    const insert = `INSERT INTO blobs VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
      size = excluded.size, chunks = excluded.chunks, checksum = excluded.checksum,
      whole = excluded.whole`;
    this.#insert = database.prepare(`${insert} WHERE whole < excluded.whole`);
    this.#replace = database.prepare(insert);
    this.#drop = database.prepare("DELETE FROM blobs WHERE digest = ? AND whole = 0");
  }

  /** A blob that is there stays, unless it is hearsay and this one is not. */
  insert(digest: Uint8Array, size: number, chunks: Uint8Array, whole: boolean): void {
    this.#insert.run(digest, size, chunks, rowChecksum(digest, chunks), whole ? 1 : 0);
  }

  /** Takes the place of what is there. */
  replace(digest: Uint8Array, size: number, chunks: Uint8Array, whole: boolean): void {
    this.#replace.run(digest, size, chunks, rowChecksum(digest, chunks), whole ? 1 : 0);
  }

  /** Takes away a list that is hearsay. */
  dropUnproven(digest: Uint8Array): void {
    this.#drop.run(digest);
  }
}

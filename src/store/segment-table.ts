/**
 * How much of each segment is committed. A wrong length would let an importer write over what is
 * stored, so a row carries a checksum.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { checksumMatches, prepareRows, rowChecksum } from "./disk-index.ts";
import { SEGMENT_BYTES_MAX, SEGMENTS_MAX } from "./disk-layout.ts";
import { StoreError } from "./errors.ts";

export interface SegmentEnd {
  /** From 1 on. */
  readonly segment: number;
  /** Committed bytes. */
  readonly length: number;
}

/** Writes within a transaction of the caller's. */
export class SegmentTable {
  readonly #save: StatementSync;
  readonly #last: StatementSync;

  constructor(database: DatabaseSync) {
    this.#save = database.prepare("INSERT OR REPLACE INTO segments VALUES (?, ?, ?)");
    this.#last = prepareRows(
      database,
      "SELECT id, length, checksum FROM segments ORDER BY id DESC LIMIT 1",
    );
  }

  /**
   * The last segment; of an empty store the first, without a byte.
   * @throws StoreError when the row is damaged.
   */
  last(): SegmentEnd {
    const row = this.#last.get() as unknown as [number, number, Uint8Array] | undefined;
    if (row === undefined) return { segment: 1, length: 0 };
    const [segment, length, checksum] = row;
    const plausible =
      Number.isInteger(segment) &&
      Number.isInteger(length) &&
      segment >= 1 &&
      segment <= SEGMENTS_MAX &&
      length >= 0 &&
      length <= SEGMENT_BYTES_MAX;
    if (!plausible || !checksumMatches(bytesOf(segment), bytesOf(length), checksum)) {
      throw new StoreError("the index is damaged: it does not know how much is stored", {
        remedy: "import again into a new store",
      });
    }
    return { segment, length };
  }

  save({ segment, length }: SegmentEnd): void {
    this.#save.run(segment, length, rowChecksum(bytesOf(segment), bytesOf(length)));
  }
}

function bytesOf(value: number): Uint8Array {
  return Buffer.from(value.toString());
}

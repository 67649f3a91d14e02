/**
 * How much of each segment is committed, and which one belongs to a slot. A wrong answer would let
 * a writer write over what is stored, so a row carries a checksum.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { checksumMatches, prepareRows, rowChecksum } from "./disk-index.ts";
import { SEGMENT_BYTES_MAX, SEGMENT_ID_MAX, SEGMENTS_MAX } from "./disk-layout.ts";
import { StoreError } from "./errors.ts";

export interface SegmentEnd {
  /** From 1 on. */
  readonly segment: number;
  /** Committed bytes. */
  readonly length: number;
}

/** Writes within a transaction of the caller's, who holds the slot. */
export class SegmentTable {
  readonly #insert: StatementSync;
  readonly #save: StatementSync;
  readonly #length: StatementSync;
  readonly #count: StatementSync;
  readonly #slot: StatementSync;
  readonly #saveSlot: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = prepareRows(
      database,
      "INSERT INTO segments (length, checksum) VALUES (0, x'') RETURNING id",
    );
    this.#save = database.prepare("UPDATE segments SET length = ?, checksum = ? WHERE id = ?");
    this.#length = prepareRows(database, "SELECT length, checksum FROM segments WHERE id = ?");
    this.#count = prepareRows(database, "SELECT count(*) FROM segments");
    this.#slot = prepareRows(database, "SELECT segment, checksum FROM slots WHERE slot = ?");
    this.#saveSlot = database.prepare("INSERT OR REPLACE INTO slots VALUES (?, ?, ?)");
  }

  /**
   * Where the writer in `slot` goes on; undefined: in a new segment.
   * @throws StoreError when a row is damaged.
   */
  end(slot: number): SegmentEnd | undefined {
    const row = this.#slot.get(slot) as unknown as [number, Uint8Array] | undefined;
    if (row === undefined) return undefined;
    const [segment, checksum] = row;
    if (!isPlausible(segment, 1, SEGMENT_ID_MAX)) throw damaged();
    if (!checksumMatches(bytesOf(slot), bytesOf(segment), checksum)) throw damaged();
    return this.#end(segment);
  }

  /**
   * Gives `slot` a new segment, without a byte yet.
   * @throws StoreError when the store has as many as it can.
   */
  begin(slot: number): SegmentEnd {
    const [count] = this.#count.get() as unknown as [number];
    if (count >= SEGMENTS_MAX) {
      throw new StoreError("the store is full: it has as many segments as it can have", {
        remedy: "let castorefs gc free some, or begin a new store",
      });
    }
    const [segment] = this.#insert.get() as unknown as [number];
    this.save({ segment, length: 0 });
    this.#saveSlot.run(slot, segment, rowChecksum(bytesOf(slot), bytesOf(segment)));
    return { segment, length: 0 };
  }

  /** @throws StoreError when there is no such segment. */
  save({ segment, length }: SegmentEnd): void {
    const checksum = rowChecksum(bytesOf(segment), bytesOf(length));
    if (this.#save.run(length, checksum, segment).changes === 0) throw damaged();
  }

  /** Undefined: the segment is no more. */
  #end(segment: number): SegmentEnd | undefined {
    const row = this.#length.get(segment) as unknown as [number, Uint8Array] | undefined;
    if (row === undefined) return undefined;
    const [length, checksum] = row;
    if (!isPlausible(length, 0, SEGMENT_BYTES_MAX)) throw damaged();
    if (!checksumMatches(bytesOf(segment), bytesOf(length), checksum)) throw damaged();
    return { segment, length };
  }
}

function isPlausible(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function damaged(): StoreError {
  return new StoreError("the index is damaged: it does not know how much is stored", {
    remedy: "import again into a new store",
  });
}

function bytesOf(value: number): Uint8Array {
  return Buffer.from(value.toString());
}

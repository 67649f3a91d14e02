/**
 * Puts batches on the disk, one after the other: contents first, then all rows in one transaction.
 * A durable batch is on the disk, and all before it, when `write` returns.
 */
import { closeSync, fdatasyncSync, openSync, statfsSync, writeSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { punchHole, syncRange } from "node-vhost-user";
import { ENOSPC } from "../base/errno.ts";
import type { Logger } from "../base/logger.ts";
import type { LayerBatch } from "./batch.ts";
import { BUSY_MILLISECONDS, openLayerDatabase } from "./layer-database.ts";
import { layerErrno } from "./layer-failure.ts";
import { dataPath, walPath } from "./layer-files.ts";
import { type LayerRoom, layerRoom, walBytes } from "./layer-room.ts";
import { RowWriter } from "./row-writer.ts";
import { LOG_BYTES, WriteAheadLog } from "./write-ahead-log.ts";

/**
 * With less than this free on the disk, room is given back before a batch is settled, so that it
 * counts at once, and the write-ahead log is cut when it has more than its usual size.
 */
const LOW_BYTES = 256 * 1024 * 1024;

/** ext4 and XFS (linux/magic.h); others may put what is overwritten elsewhere. */
const IN_PLACE_FILE_SYSTEMS: readonly number[] = [0xef53, 0x58465342];

/** With more runs, one sync of all contents costs less than waiting for each. */
const RIDING_RUNS_MAX = 32;

/** What freed ranges are collected for, at the most, until a durable batch lets them be punched. */
const FREED_RANGES_MAX = 1_000_000;

export class LayerWriter implements Disposable {
  /** Why the layer failed, positive; 0: it has not. */
  failed = 0;
  /** As of the last batch. */
  room: LayerRoom;
  readonly #directory: string;
  readonly #memory: Uint8Array;
  readonly #logger: Logger;
  readonly #database: DatabaseSync;
  readonly #rows: RowWriter;
  readonly #log: WriteAheadLog;
  readonly #fd: number;
  /** What is overwritten in `data` needs no metadata, and syncing one file flushes the disk's cache. */
  readonly #overwritesInPlace: boolean;
  /** Bytes of the log at which it is merged next. */
  #mergeAt = LOG_BYTES;
  /** `data` has bytes that may not be on the disk. */
  #unsynced = false;
  /** A batch was committed that may not be on the disk, or may name contents that are not. */
  #undurable = false;
  /** Freed by batches that no durable one has followed: position, bytes, position, … */
  #freed: Float64Array[] = [];
  #freedRanges = 0;

  /**
   * Contents lie in `memory`. The caller holds the layer's lock.
   * @throws LayerError, StoreError, an error of `node:fs`
   */
  constructor(directory: string, memory: Uint8Array, logger: Logger) {
    this.#directory = directory;
    this.#memory = memory;
    this.#logger = logger;
    this.#database = openLayerDatabase(directory, "write");
    // The write-ahead log is synced here, and merged when it is durable, see `tidy`.
    this.#database.exec("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = NORMAL");
    this.#rows = new RowWriter(this.#database);
    this.#log = new WriteAheadLog(walPath(directory));
    this.#fd = openSync(dataPath(directory), "r+");
    this.#overwritesInPlace = IN_PLACE_FILE_SYSTEMS.includes(statfsSync(directory).type);
    this.room = layerRoom(directory);
    if (this.room.freeBytes >= LOW_BYTES) this.#log.prepare();
  }

  /**
   * Returns 0, or an errno. ENOSPC: the same batch may be tried again, or given up; after any other
   * all batches fail.
   */
  write(batch: LayerBatch): number {
    if (this.failed !== 0) return this.failed;
    try {
      const overwrites = !this.#unsynced && batch.pieces.length === 0;
      this.#writeContents(batch.writes);
      const rides = batch.durable && overwrites && this.#mayRide(batch);
      if (rides) this.#pushContents(batch.writes, false);
      else if (batch.durable) this.#syncContents();
      this.#commit(batch, rides);
      this.#remember(batch.freed);
      if (this.room.freeBytes < LOW_BYTES) this.#spare();
      this.room = layerRoom(this.#directory);
      return 0;
    } catch (error) {
      if (layerErrno(error) === ENOSPC) return ENOSPC;
      this.#fail(error);
      return this.failed;
    }
  }

  /** All batches fail from now on. */
  giveUp(errno: number): void {
    this.failed = errno;
  }

  /** What may wait until the batch was settled: gives room back, merges the write-ahead log. */
  tidy(): void {
    if (this.failed !== 0 || this.#undurable) return;
    try {
      this.#punch();
      this.#merge();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** What a reader of an old state keeps from being merged is tried again when as much has come. */
  #merge(): void {
    const { usedBytes } = this.#log;
    if (usedBytes < LOG_BYTES) this.#mergeAt = LOG_BYTES;
    if (usedBytes < this.#mergeAt) return;
    this.#checkpoint("PASSIVE");
    this.#mergeAt = usedBytes + LOG_BYTES;
  }

  /** The disk is nearly full. */
  #spare(): void {
    if (this.#undurable) return;
    this.#punch();
    if (walBytes(this.#directory) > LOG_BYTES) this.#checkpoint("TRUNCATE");
  }

  [Symbol.dispose](): void {
    try {
      if (!this.#undurable) this.#checkpoint("TRUNCATE");
    } catch (error) {
      this.#logger.log("warn", "the layer's log could not be merged", { reason: `${error}` });
    }
    this.#log[Symbol.dispose]();
    this.#database.close();
    closeSync(this.#fd);
  }

  #writeContents(writes: Float64Array): void {
    for (let at = 0; at < writes.length; at += 3) {
      let offset = writes[at]!;
      let position = writes[at + 2]!;
      for (const end = offset + writes[at + 1]!; offset < end; ) {
        const written = writeSync(this.#fd, this.#memory, offset, end - offset, position);
        offset += written;
        position += written;
      }
      this.#unsynced = true;
    }
  }

  #mayRide(batch: LayerBatch): boolean {
    const runs = batch.writes.length / 3;
    return this.#overwritesInPlace && hasRows(batch) && runs <= RIDING_RUNS_MAX;
  }

  /**
   * The disk takes what was overwritten in place, as far as its own cache: the sync of the log that
   * follows flushes that, too, so that an fsync(2) of the guest costs one flush instead of two.
   */
  #pushContents(writes: Float64Array, wait: boolean): void {
    for (let at = 0; at < writes.length; at += 3) {
      if (!syncRange(this.#fd, writes[at + 2]!, writes[at + 1]!, wait)) this.#syncContents();
    }
    if (wait) this.#unsynced = false;
  }

  #syncContents(): void {
    if (!this.#unsynced) return;
    fdatasyncSync(this.#fd);
    this.#unsynced = false;
  }

  /**
   * A durable transaction has all before it durable, too; without rows there may be no need of it.
   * With `rides` it has the contents of the batch durable besides.
   */
  #commit(batch: LayerBatch, rides: boolean): void {
    if (!hasRows(batch) && !(batch.durable && this.#undurable)) return;
    this.#rows.apply(batch);
    if (rides) this.#pushContents(batch.writes, true);
    if (batch.durable) this.#log.sync();
    this.#undurable = !batch.durable;
  }

  #remember(freed: Float64Array): void {
    if (freed.length === 0) return;
    this.#freedRanges += freed.length / 2;
    // What is forgotten stays allocated on the disk until its position is written again.
    if (this.#freedRanges <= FREED_RANGES_MAX) this.#freed.push(freed);
  }

  #punch(): void {
    const freed = this.#freed;
    this.#freed = [];
    this.#freedRanges = 0;
    for (const ranges of freed) {
      for (let at = 0; at < ranges.length; at += 2) {
        const status = punchHole(this.#fd, ranges[at]!, ranges[at + 1]!);
        // A file system without holes: positions are used again all the same.
        if (status < 0) return;
      }
    }
  }

  /** A command that reads an old state, which may take minutes, is not waited for. */
  #checkpoint(mode: "PASSIVE" | "TRUNCATE"): void {
    const wait = (milliseconds: number) => `PRAGMA busy_timeout = ${milliseconds}`;
    this.#database.exec(`${wait(0)}; PRAGMA wal_checkpoint(${mode}); ${wait(BUSY_MILLISECONDS)}`);
  }

  #fail(error: unknown): void {
    this.failed = layerErrno(error);
    const fields = { layer: this.#directory, reason: `${error}` };
    this.#logger.log("error", "the layer cannot be written any more", fields);
  }
}

/** Ids of inodes are given out for rows only. */
function hasRows(batch: LayerBatch): boolean {
  const { inodes, removedInodes, entries, removedEntries, xattrs, pieces } = batch;
  return [inodes, removedInodes, entries, removedEntries, xattrs, pieces].some(
    (rows) => rows.length > 0,
  );
}

/**
 * Open blobs: making a reader costs a look into the store's index, so each file inode that is being
 * read keeps its own, as long as it is among the last `capacity` that were.
 */
import type { NodeId } from "../base/brands.ts";
import { EIO } from "../base/errno.ts";
import type { Logger } from "../base/logger.ts";
import { digestText } from "../castore/digest.ts";
import type { BlobReader, LocalReader } from "../store/local-reader.ts";
import type { InodeTable } from "./inode-table.ts";
import { LruList } from "./lru-list.ts";

/** Readers kept by default. */
export const BLOB_READERS = 8192;

export class BlobReaders {
  readonly #reader: LocalReader;
  readonly #table: InodeTable;
  readonly #logger: Logger;
  readonly #capacity: number;
  /** By cell, from 1 on: a reader, and the nodeid it was made for, which no other inode ever has. */
  readonly #readers: BlobReader[] = [];
  readonly #owners: NodeId[] = [];
  readonly #order = new LruList();
  #cells = 0;

  constructor(reader: LocalReader, table: InodeTable, logger: Logger, capacity: number) {
    this.#reader = reader;
    this.#table = table;
    this.#logger = logger;
    this.#capacity = capacity;
  }

  /** Readers held. */
  get count(): number {
    return this.#cells;
  }

  /**
   * The blob of the file in `slot`, or a status: -EIO, absent, unreadable or not as its parent says,
   * which has been logged; or MISSING.
   */
  get(slot: number): BlobReader | number {
    const cell = this.#table.cacheCell(slot);
    const node = this.#table.nodeOf(slot);
    if (cell !== 0 && this.#owners[cell] === node) {
      this.#order.touch(cell);
      return this.#readers[cell] as BlobReader;
    }
    return this.#open(slot, node);
  }

  /** Forgets all: nodeids begin anew. */
  clear(): void {
    this.#readers.length = 0;
    this.#owners.length = 0;
    this.#order.clear();
    this.#cells = 0;
  }

  #open(slot: number, node: NodeId): BlobReader | number {
    const reader = this.#find(slot);
    if (typeof reader === "number") return reader;
    const cell = this.#takeCell();
    this.#readers[cell] = reader;
    this.#owners[cell] = node;
    this.#order.add(cell);
    this.#table.setCacheCell(slot, cell);
    return reader;
  }

  #find(slot: number): BlobReader | number {
    const { bytes } = this.#table;
    const start = this.#table.digestStart(slot);
    try {
      const reader = this.#reader.blob(bytes, start, this.#table.size(slot));
      if (typeof reader === "number") return reader;
      if (reader?.size === this.#table.size(slot)) return reader;
      const message = reader === undefined ? "blob is missing" : "blob is not as long as stated";
      this.#logger.log("error", message, { digest: digestText(bytes, start) });
    } catch (error) {
      const digest = digestText(bytes, start);
      this.#logger.log("error", "blob is unreadable", { digest, reason: String(error) });
    }
    return -EIO;
  }

  /** A new cell, or the one used longest ago: its owner will notice that it is another's. */
  #takeCell(): number {
    if (this.#cells < this.#capacity) return ++this.#cells;
    const oldest = this.#order.oldest;
    this.#order.remove(oldest);
    return oldest;
  }
}

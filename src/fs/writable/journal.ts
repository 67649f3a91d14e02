/**
 * When changes go to the layer thread, and what waits for that. Everything that has changed goes at
 * once, so that the layer always is as the share was between two requests: after a second at the
 * latest, when memory gets short, and when fsync(2) or a commit asks for it.
 */
import { assert } from "../../base/assert.ts";
import type { Logger } from "../../base/logger.ts";
import { SYNCING, type SyncTicket } from "../../base/waiting.ts";
import type { LayerEvents, LayerPort } from "../../layer/layer-port.ts";
import type { Changes } from "./changes.ts";
import type { Edits } from "./edits.ts";
import type { Inode } from "./inode.ts";
import type { LayerContents } from "./layer-contents.ts";
import type { Tree } from "./tree.ts";

/** How long a change may stay in memory alone. */
const AGE_MILLISECONDS = 1000;

/** So many changed rows are written at once, whatever their age. */
export const ROWS_TO_WRITE = 8192;

/** And rows with so many bytes of long values. */
const ROW_BYTES_TO_WRITE = 4 * 1024 * 1024;

/** With so many, what makes more of them waits. */
export const ROWS_MAX = 65536;
const ROW_BYTES_MAX = 64 * 1024 * 1024;

/** Batches under way at a time: one is being written while the next waits its turn. */
const BATCHES_MAX = 2;

const NOTHING = new Float64Array(0);
const NO_ROWS = {
  inodes: [],
  removedInodes: [],
  entries: [],
  removedEntries: [],
  xattrs: [],
  pieces: [],
};

interface Batch {
  readonly id: number;
  readonly touched: Inode[];
}

export interface JournalOptions {
  readonly port: LayerPort;
  readonly contents: LayerContents;
  readonly changes: Changes;
  readonly edits: Edits;
  readonly tree: Tree;
  readonly logger: Logger;
}

export class Journal implements LayerEvents {
  readonly ticket: SyncTicket = { last: 0 };
  onProgress: ((settledTicket: number, errno: number) => void) | undefined;
  readonly #port: LayerPort;
  readonly #contents: LayerContents;
  readonly #changes: Changes;
  readonly #edits: Edits;
  readonly #tree: Tree;
  readonly #logger: Logger;
  /** Batches under way, in order. */
  readonly #batches: Batch[] = [];
  #submitted = 0;
  #submittedDurably = 0;
  #durable = 0;
  /** The batch of this number shall be durable: somebody waits for it. */
  #wanted = 0;
  /** A commit is about to pin its snapshot. */
  #held = false;
  #failed = 0;
  /** When the oldest change was first seen by `tick`; -1: there is none. */
  #dirtySince = -1;

  constructor(options: JournalOptions) {
    this.#port = options.port;
    this.#contents = options.contents;
    this.#changes = options.changes;
    this.#edits = options.edits;
    this.#tree = options.tree;
    this.#logger = options.logger;
  }

  /** The errno by which the layer failed: nothing can be changed any more; or 0. */
  get failed(): number {
    return this.#failed;
  }

  get #isDirty(): boolean {
    return !this.#changes.isEmpty || this.#contents.isDirty;
  }

  /** So much waits to be written that nothing should be added. */
  get isFull(): boolean {
    return this.#changes.count >= ROWS_MAX || this.#changes.bytes >= ROW_BYTES_MAX;
  }

  /** Bytes that rows take, those that are not written yet included. */
  get metadataBytes(): number {
    return this.#port.metadataBytes + this.#changes.bytes;
  }

  /** Writes what should not wait for its age. To be called after every change. */
  relieve(): void {
    if (this.#contents.mustFlushDurably) this.#press(true);
    else if (this.#areRowsDue) this.#press(false);
    else if (this.#contents.mustFlush) this.#pressBytes();
  }

  get #areRowsDue(): boolean {
    const { count, bytes } = this.#changes;
    return count >= ROWS_TO_WRITE || bytes >= ROW_BYTES_TO_WRITE;
  }

  #press(durable: boolean): void {
    if (this.#mayPress) this.#submit(durable || this.#wanted > this.#submitted);
  }

  /** Gives memory back, and leaves the layer's rows as they are. */
  #pressBytes(): void {
    if (!this.#mayPress) return;
    const id = ++this.#submitted;
    const writes = this.#contents.collectBlocks(id);
    this.#batches.push({ id, touched: [] });
    const nextInode = this.#edits.nextInode;
    this.#port.submit({ id, durable: false, writes, freed: NOTHING, ...NO_ROWS, nextInode });
  }

  get #mayPress(): boolean {
    return !this.#held && this.#failed === 0 && this.#batches.length < BATCHES_MAX;
  }

  /** fsync(2) of one inode: 0 or SYNCING, or a negated errno when the layer has failed. */
  sync(inode: Inode): number {
    if (this.#failed !== 0) return -this.#failed;
    if (inode.dirty || inode.contents?.isDirty === true) return this.syncAll();
    return this.#waitFor(inode.changedIn);
  }

  /** syncfs(2), in the same way. */
  syncAll(): number {
    if (this.#failed !== 0) return -this.#failed;
    return this.#waitFor(this.#isDirty ? this.#submitted + 1 : this.#submitted);
  }

  #waitFor(id: number): number {
    if (id <= this.#durable) return 0;
    if (id <= this.#submittedDurably) {
      this.ticket.last = this.#submittedDurably;
      return SYNCING;
    }
    this.#wanted = this.#submitted + 1;
    this.ticket.last = this.#wanted;
    this.#pump();
    return SYNCING;
  }

  /** See Modifications.tick. */
  tick(now: number): number {
    const waits = this.#isDirty || this.#submittedDurably < this.#submitted;
    if (!waits || this.#failed !== 0) {
      this.#dirtySince = -1;
      return -1;
    }
    if (this.#dirtySince < 0) this.#dirtySince = now;
    const left = this.#dirtySince + AGE_MILLISECONDS - now;
    if (left > 0) return left;
    this.#dirtySince = now;
    this.#wanted = this.#submitted + 1;
    this.#pump();
    return AGE_MILLISECONDS;
  }

  /** Hands on what came from the layer thread. */
  take(): void {
    this.#port.take(this);
  }

  settled(id: number, durable: boolean, errno: number): void {
    const batch = this.#batches[0];
    if (batch?.id !== id) {
      // The batch before "held", once more: the snapshot is pinned.
      this.#held = false;
      this.#pump();
      return;
    }
    this.#batches.shift();
    if (errno !== 0 && this.#failed === 0) this.#fail(errno);
    if (durable && errno === 0) this.#durable = id;
    // What a failed layer has not taken stays in memory: it can be read there still.
    if (this.#failed === 0) this.#tree.settled = id;
    this.#contents.settled(id, durable, errno);
    for (const inode of batch.touched) this.#settle(inode);
    this.#tree.relieve();
    this.#pump();
    this.relieve();
    this.onProgress?.(errno === 0 ? this.#durable : this.#submitted + 1, errno);
  }

  /** What the layer has of an inode now need not be in memory. */
  #settle(inode: Inode): void {
    if (!inode.dirty && inode.changedIn <= this.#tree.settled) inode.target = undefined;
    this.#tree.dropUnused(inode);
  }

  #fail(errno: number): void {
    this.#failed = errno;
    this.#logger.log("error", "the layer cannot be written: nothing can be changed any more", {
      errno,
    });
  }

  hold(): void {
    if (this.#failed === 0 && !this.#held) {
      if (this.#isDirty) this.#submit(true);
      this.#contents.hold();
    }
    this.#held = true;
    this.#port.held();
  }

  release(): void {
    this.#contents.release();
    this.#held = false;
    this.#pump();
    this.relieve();
  }

  /** Submits the batch that is wanted, if one is, and it may be now. */
  #pump(): void {
    if (this.#held || this.#failed !== 0) return;
    if (this.#wanted > this.#submitted && this.#batches.length === 0) this.#submit(true);
  }

  #submit(durable: boolean): void {
    const id = ++this.#submitted;
    if (durable) this.#submittedDurably = id;
    this.#dirtySince = -1;
    const touched: Inode[] = [];
    const { writes, freed, pieces } = this.#contents.collect(id);
    const rows = this.#changes.take(id, touched);
    this.#batches.push({ id, touched });
    assert(this.#edits.nextInode > 1, "the root's id is never given out");
    const nextInode = this.#edits.nextInode;
    this.#port.submit({ id, durable, writes, freed, pieces, nextInode, ...rows });
  }
}

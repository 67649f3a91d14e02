/**
 * The contents of all files of a layer: blocks of memory that were written, over extents of the data
 * file and of the base. `collect` makes a step of all that has changed, for a batch; when it is settled
 * the memory is free again.
 */

import type { Base } from "../../layer/extent-code.ts";
import {
  BASE,
  CorruptExtents,
  ExtentReader,
  eachExtent,
  LAYER,
  ZERO,
} from "../../layer/extent-code.ts";
import type { LayerPort } from "../../layer/layer-port.ts";
import type { PieceRow } from "../../layer/rows.ts";
import { ContentsParts } from "./contents-parts.ts";
import { BLOCK_BYTES } from "./data-space.ts";
import { FileBody } from "./file-body.ts";
import { FileCollector } from "./file-collector.ts";
import { FileContents } from "./file-contents.ts";
import { FileCopier } from "./file-copier.ts";
import { FileWriter } from "./file-writer.ts";
import type { OpenBase } from "./referred-blobs.ts";

/**
 * Share of the memory that may wait before it is to be written back. What is written over and over
 * stays in it for a second; as much again may be on its way to the disk meanwhile.
 */
const FLUSH_SHARE = 3 / 8;
/** Blocks of a batch that memory pressure makes: requests stand still while it is put together. */
const BATCH_BLOCKS = 4096;
/** Batches under way beyond which memory pressure makes no more of them. */
const BATCHES_MAX = 2;

/** What a file's contents begin with: a row's, or those of a new or just materialised inode. */
export interface FileState {
  readonly id: number;
  readonly size: number;
  /** A row's `Origin` will do. */
  readonly origin: Base | undefined;
  readonly pieces: readonly PieceRow[];
}

/** For a LayerBatch. */
export interface CollectedContents {
  readonly writes: Float64Array;
  readonly freed: Float64Array;
  readonly pieces: PieceRow[];
}

/** What a batch under way has of the memory and of the disk. */
interface Flight {
  readonly id: number;
  readonly slots: readonly number[];
  readonly grownBytes: number;
}

export class LayerContents {
  readonly #parts: ContentsParts;
  readonly #writer: FileWriter;
  readonly #copier: FileCopier;
  readonly #collector: FileCollector;
  readonly #flushBytes: number;
  #flights: Flight[] = [];

  /** @throws CorruptExtents when the layer's rows contradict each other. */
  constructor(port: LayerPort, openBase: OpenBase) {
    this.#parts = new ContentsParts(port, openBase);
    this.#writer = new FileWriter(this.#parts);
    this.#copier = new FileCopier(this.#parts, this.#writer);
    this.#collector = new FileCollector(this.#parts);
    this.#flushBytes = port.memory.bytes.length * FLUSH_SHARE;
    for (const row of port.reader.allPieces()) this.#claim(row);
  }

  /** Bytes of memory that wait to be collected. */
  get dirtyBytes(): number {
    return this.#parts.cache.dirty * BLOCK_BYTES;
  }

  /** Something waits to be collected: bytes, rows of pieces, or freed room. */
  get isDirty(): boolean {
    return this.#parts.changed.size > 0 || this.#parts.room.hasFreed;
  }

  /** Memory gets short: a batch should be submitted now. */
  get mustFlush(): boolean {
    const { dirtyBytes } = this;
    if (this.#flights.length >= BATCHES_MAX) return false;
    return dirtyBytes >= this.#flushBytes || (this.#parts.lacksMemory && dirtyBytes > 0);
  }

  /** Somebody waits for room in the data file, which only a durable batch gives back. */
  get mustFlushDurably(): boolean {
    return this.#parts.lacksRoom && this.#flights.length === 0;
  }

  /** Bytes of the data file that are taken or promised: see `LayerLimits.layerBytes`. */
  get usedBytes(): number {
    return this.#parts.room.usedBytes;
  }

  /** Bytes that may be taken besides, by the layer's limit and by the disk. */
  get roomBytes(): number {
    return this.#parts.room.roomBytes;
  }

  /** Bytes that the layer's rows take, which count into its limit: kept by whoever knows. */
  get metadataBytes(): number {
    return this.#parts.room.metadataBytes;
  }

  set metadataBytes(bytes: number) {
    this.#parts.room.metadataBytes = bytes;
  }

  /** The errno by which the layer failed, or 0: nothing can be changed any more. */
  get failed(): number {
    return this.#parts.failed;
  }

  /** @throws CorruptExtents */
  file(state: FileState): FileContents {
    const { id, size, origin, pieces } = state;
    const body = new FileBody(this.#parts, id, size, origin?.size ?? 0);
    const { bases } = this.#parts;
    eachExtent(size, origin, pieces, (offset, length, kind, source, base) => {
      const tag = base === undefined ? kind : BASE + bases.number(base);
      body.map.put(offset, offset + length, tag, source, body);
    });
    return new FileContents(body, this.#writer, this.#copier);
  }

  /** Hands out all that has changed since the last time, for the batch `id`. */
  collect(id: number): CollectedContents {
    const { changed, room } = this.#parts;
    const writes = this.collectBlocks(id, Number.POSITIVE_INFINITY);
    for (const body of changed) {
      this.#collector.addPieces(body);
      body.lastBatch = id;
    }
    changed.clear();
    this.#parts.lacksRoom = false;
    return { writes, freed: room.tell(id), pieces: this.#collector.pieces };
  }

  /**
   * Hands out only bytes that wait in memory, `most` blocks of them, for a batch that has nothing else:
   * that gives memory back, and leaves the layer's rows as they were. What has changed still waits to
   * be collected.
   */
  collectBlocks(id: number, most = BATCH_BLOCKS): Float64Array {
    const { changed, room } = this.#parts;
    const collector = this.#collector;
    collector.begin();
    for (const body of changed) {
      const left = most - collector.slots.length;
      if (left === 0) break;
      collector.addBlocks(body, left);
    }
    const { slots, grownBytes, runs } = collector;
    room.fly(grownBytes);
    this.#flights.push({ id, slots, grownBytes });
    this.#parts.lacksMemory = false;
    return runs;
  }

  /**
   * A batch settled; they settle in order. One that failed leaves its blocks in memory, where they can
   * still be read.
   */
  settled(id: number, durable: boolean, errno: number): void {
    const parts = this.#parts;
    if (errno !== 0) parts.failed = errno;
    if (parts.failed !== 0) return;
    while (this.#flights.length > 0 && this.#flights[0]!.id <= id)
      this.#land(this.#flights.shift()!);
    parts.settledBatch = id;
    parts.room.settled(id, durable);
  }

  /**
   * From now on what collected batches put into the data file stays as it is. Call it after collecting
   * the batch that a snapshot is to have, before anything else is collected.
   */
  hold(): void {
    this.#parts.space.hold();
  }

  release(): void {
    this.#parts.space.release();
    this.#parts.room.release();
  }

  /** Blob readers are void (the store gave something up): they are opened anew. */
  reopenBases(): void {
    this.#parts.bases.reopen();
  }

  #land(flight: Flight): void {
    const { cache, cached, room } = this.#parts;
    for (const slot of flight.slots) {
      const file = cache.land(slot);
      if (file !== 0 && cache.count(file) === 0) cached[file]!.leaveCache();
    }
    room.landed(flight.grownBytes);
  }

  #claim(row: PieceRow): void {
    if (row.extents === undefined) return;
    const { space, room } = this.#parts;
    const reader = new ExtentReader(row.extents);
    while (reader.next()) {
      if (reader.kind === ZERO) room.zeroBytes += reader.length;
      if (reader.kind !== LAYER || space.claim(reader.source, reader.length)) continue;
      throw new CorruptExtents("two extents of the layer have the same place");
    }
  }
}

/**
 * What is known of one file's bytes: its extents, over which lie the blocks that the cache has of it.
 *
 * What always holds: extents begin at multiples of BLOCK_BYTES, and end at such or where the file once
 * ended; none but ZERO goes beyond the file's end. In a block of the cache, what lies beyond the
 * file's end is zero. A block of the data file belongs to one extent.
 */
import { BASE, HOLE, LAYER, ZERO } from "../../layer/extent-code.ts";
import { PIECE_BYTES } from "../../layer/rows.ts";
import { BARE } from "./block-cache.ts";
import type { ContentsParts } from "./contents-parts.ts";
import { BLOCK_BYTES } from "./data-space.ts";
import { type CutListener, ExtentMap } from "./extent-map.ts";

export class FileBody implements CutListener {
  readonly id: number;
  readonly parts: ContentsParts;
  readonly map = new ExtentMap();
  /** As far as the origin goes: pieces below it need a row to be anything else. */
  readonly originBytes: number;
  size: number;
  /** Its number in the cache while it has blocks there, or 0. */
  cell = 0;
  /** Dirty blocks that lie over a hole. */
  bareBlocks = 0;
  /** The last batch that had something of it. */
  lastBatch = 0;
  /** Pieces whose rows are to be written; the last one that was found changed. */
  readonly #changedPieces = new Set<number>();
  #changedLast = -1;

  constructor(parts: ContentsParts, id: number, size: number, originBytes: number) {
    this.parts = parts;
    this.id = id;
    this.size = size;
    this.originBytes = originBytes;
  }

  /** Blocks of it that are in memory. */
  get cachedBlocks(): number {
    return this.cell === 0 ? 0 : this.parts.cache.count(this.cell);
  }

  /** Where a block is in memory, or -1. */
  slot(block: number): number {
    return this.cell === 0 ? -1 : this.parts.cache.find(this.cell, block);
  }

  /** Makes [start, end) an extent, or a hole. */
  put(start: number, end: number, tag: number, source: number): void {
    const zero = this.map.zeroBytes;
    this.map.put(start, end, tag, source, this);
    this.parts.room.zeroBytes += this.map.zeroBytes - zero;
    if (tag !== HOLE) this.#mark(start, end);
  }

  cut(start: number, end: number, tag: number, source: number): void {
    this.#mark(start, end);
    if (tag !== LAYER) return;
    const first = Math.ceil(source / BLOCK_BYTES);
    const stop = Math.ceil((source + end - start) / BLOCK_BYTES);
    if (stop > first) this.parts.room.give(first * BLOCK_BYTES, stop - first);
  }

  /** Puts a taken block of memory to the file, in the place of the one it may have. */
  insert(slot: number, block: number, flags: number): void {
    const { cache, cached, changed } = this.parts;
    const old = this.slot(block);
    if (old >= 0) cache.remove(old);
    if (this.cell === 0) {
      this.cell = cache.enter();
      cached[this.cell] = this;
    }
    cache.insert(slot, this.cell, block, flags);
    if ((flags & BARE) !== 0) this.bareBlocks += 1;
    changed.add(this);
  }

  /** Removes the cached blocks [first, end). */
  dropBlocks(first: number, end: number): void {
    if (this.cell === 0 || first >= end) return;
    const { cache } = this.parts;
    if (end - first < cache.count(this.cell)) {
      for (let block = first; block < end; block += 1) {
        const slot = cache.find(this.cell, block);
        if (slot >= 0) this.#drop(slot);
      }
    } else {
      for (let slot = cache.first(this.cell); slot >= 0; ) {
        const after = cache.after(slot);
        const block = cache.blocks[slot]!;
        if (block >= first && block < end) this.#drop(slot);
        slot = after;
      }
    }
    this.leaveCache();
  }

  /** Extents that keep room were put below dirty blocks of [first, end). */
  backBlocks(first: number, end: number): void {
    if (this.cell === 0) return;
    const { cache } = this.parts;
    for (let slot = cache.first(this.cell); slot >= 0; slot = cache.after(slot)) {
      const block = cache.blocks[slot]!;
      if (block < first || block >= end || cache.flags[slot] === 0) continue;
      this.map.seek(block * BLOCK_BYTES);
      if (this.map.start > block * BLOCK_BYTES || !hasRoom(this.map.tag)) continue;
      if ((cache.flags[slot]! & BARE) !== 0) this.bareBlocks -= 1;
      cache.setFlags(slot, 0);
    }
  }

  /** Of the dirty blocks [first, end) those that have `flag`. */
  countBlocks(first: number, end: number, flag: number): number {
    if (this.cell === 0) return 0;
    const { cache } = this.parts;
    let count = 0;
    for (let slot = cache.first(this.cell); slot >= 0; slot = cache.after(slot)) {
      const block = cache.blocks[slot]!;
      if (block >= first && block < end && (cache.flags[slot]! & flag) !== 0) count += 1;
    }
    return count;
  }

  /** Lets go of its number when the cache has nothing of it any more. */
  leaveCache(): void {
    if (this.cell === 0 || this.parts.cache.count(this.cell) > 0) return;
    this.parts.cache.leave(this.cell);
    this.cell = 0;
  }

  /** The file is at least so long. What is new reads as zeros, also where the origin had bytes. */
  grow(size: number): void {
    if (size <= this.size) return;
    const stop = Math.min(size, this.originBytes);
    if (stop > this.size) this.#mark(this.size, stop);
    this.size = size;
    this.parts.changed.add(this);
  }

  get changedPieces(): Iterable<number> {
    return this.#changedPieces;
  }

  /** Their rows are written, or nobody wants them. */
  forgetChanges(): void {
    this.#changedPieces.clear();
    this.#changedLast = -1;
  }

  #drop(slot: number): void {
    const { cache } = this.parts;
    if ((cache.flags[slot]! & BARE) !== 0) this.bareBlocks -= 1;
    cache.remove(slot);
  }

  #mark(start: number, end: number): void {
    const last = Math.floor((end - 1) / PIECE_BYTES);
    const first = Math.floor(start / PIECE_BYTES);
    if (first === last && first === this.#changedLast) return;
    for (let piece = first; piece <= last; piece += 1) this.#changedPieces.add(piece);
    this.#changedLast = last;
    this.parts.changed.add(this);
  }
}

/** Whether an extent of this tag holds data, as lseek(2) has it. */
export function isData(tag: number): boolean {
  return tag >= BASE || tag === LAYER;
}

/** Whether a block over an extent of this tag has its room in the data file. */
export function hasRoom(tag: number): boolean {
  return tag === LAYER || tag === ZERO;
}

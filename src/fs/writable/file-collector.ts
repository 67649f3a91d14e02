/**
 * Writing back: gives the dirty blocks of a file their places in the data file, in order and as runs,
 * and encodes the pieces of it that changed.
 *
 * A block that has a place keeps it, unless the layer is held and the place is older. Others go where
 * they continue the extents around them, or into a window of their own (data-space.ts).
 */
import { BASE, ExtentWriter, HOLE, LAYER } from "../../layer/extent-code.ts";
import { PIECE_BYTES, type PieceRow } from "../../layer/rows.ts";
import { BARE, DIRTY } from "./block-cache.ts";
import type { ContentsParts } from "./contents-parts.ts";
import { BLOCK_BYTES, WINDOW_BLOCKS_MAX } from "./data-space.ts";
import type { FileBody } from "./file-body.ts";

/** A run that the layer thread writes at once: see LayerBatch.writes. */
const RUN_BYTES_MAX = 1024 * 1024;
/** Numbers of one run: offset in memory, bytes, position. */
const RUN = 3;
/** How many extents away a place may be that a block's own is derived from. */
const NEIGHBOURS_MAX = 4;

export class FileCollector {
  /** Blocks of memory that were given to the batch. */
  slots: number[] = [];
  /** Bytes of the disk that the batch will take. */
  grownBytes = 0;
  pieces: PieceRow[] = [];
  readonly #parts: ContentsParts;
  readonly #encoder = new ExtentWriter();
  #runs = new Float64Array(64 * RUN);
  #runCount = 0;
  /** Dirty blocks of a file, ascending, up to the end of the array. */
  readonly #blocks: Float64Array;

  constructor(parts: ContentsParts) {
    this.#parts = parts;
    this.#blocks = new Float64Array(parts.cache.capacity);
  }

  begin(): void {
    this.slots = [];
    this.pieces = [];
    this.grownBytes = 0;
    this.#runCount = 0;
  }

  /** A copy of the runs since `begin`. */
  get runs(): Float64Array {
    return this.#runs.slice(0, this.#runCount * RUN);
  }

  /** Lists up to `most` dirty blocks of a file, those that came last. */
  addBlocks(body: FileBody, most: number): void {
    const blocks = this.#blocks;
    for (let at = this.#gather(body, most); at < blocks.length; ) {
      const first = blocks[at]!;
      let end = at + 1;
      while (end < blocks.length && blocks[end] === first + (end - at)) end += 1;
      this.#place(body, first, first + (end - at));
      at = end;
    }
  }

  /** Encodes a file's changed pieces. */
  addPieces(body: FileBody): void {
    for (const piece of body.changedPieces) this.#encode(body, piece);
    body.forgetChanges();
  }

  /** Puts the dirty blocks' numbers, ascending, to the end of the scratch; gives the first's index. */
  #gather(body: FileBody, most: number): number {
    const blocks = this.#blocks;
    let at = blocks.length;
    const end = Math.max(0, at - most);
    if (body.cell === 0) return at;
    const { cache } = this.#parts;
    let sorted = true;
    // The last to come is the first of the list: what is written in order is in order here.
    for (let slot = cache.first(body.cell); slot >= 0 && at > end; slot = cache.after(slot)) {
      if (cache.states[slot] !== DIRTY) continue;
      const block = cache.blocks[slot]!;
      if (at < blocks.length && block > blocks[at]!) sorted = false;
      blocks[--at] = block;
    }
    if (!sorted) blocks.subarray(at).sort();
    return at;
  }

  #place(body: FileBody, first: number, end: number): void {
    for (let block = first; block < end; ) {
      const kept = this.#keep(body, block, end);
      block += kept > 0 ? kept : this.#move(body, block, end);
    }
  }

  /** Leaves blocks from `block` on where they have a place already. Returns how many, maybe 0. */
  #keep(body: FileBody, block: number, end: number): number {
    const { map } = body;
    const { space } = this.#parts;
    const offset = block * BLOCK_BYTES;
    map.seek(offset);
    if (map.start > offset || map.tag !== LAYER) return 0;
    const position = map.source + (offset - map.start);
    let blocks = Math.min(end, Math.ceil(map.end / BLOCK_BYTES)) - block;
    if (space.isHolding) {
      let young = 0;
      while (young < blocks && space.mayChange(position + young * BLOCK_BYTES)) young += 1;
      blocks = young;
    }
    const stop = Math.min((block + blocks) * BLOCK_BYTES, body.size);
    const { end: covered } = map;
    // The file has grown within its last block.
    if (blocks > 0 && covered < stop) {
      body.put(covered, stop, LAYER, position + (covered - offset));
    }
    this.#write(body, block, blocks, position);
    return blocks;
  }

  /** Gives blocks from `block` on a new place. Returns how many, at least 1. */
  #move(body: FileBody, block: number, end: number): number {
    const { space } = this.#parts;
    const { map } = body;
    map.seek(block * BLOCK_BYTES);
    map.mark();
    const wanted = this.#homeless(body, block, end);
    map.back();
    let position = this.#near(body, block);
    if (position >= 0) space.take(position, wanted);
    if (position < 0 || space.got === 0) {
      const window = windowBlocks(body.size);
      const phase = block % window;
      position = space.place(window, phase, Math.min(wanted, window - phase));
    }
    const blocks = space.got;
    const offset = block * BLOCK_BYTES;
    const stop = offset + blocks * BLOCK_BYTES;
    // What was kept of the last block is used now, though the file ends in it.
    if (stop > body.size) body.put(offset, stop, HOLE, 0);
    body.put(offset, Math.min(stop, body.size), LAYER, position);
    this.grownBytes += blocks * BLOCK_BYTES;
    this.#write(body, block, blocks, position);
    return blocks;
  }

  /** How many blocks from `block` on have no place that they would keep: the map is there. */
  #homeless(body: FileBody, block: number, end: number): number {
    const { map } = body;
    const { space } = this.#parts;
    const offset = block * BLOCK_BYTES;
    while (map.start < end * BLOCK_BYTES) {
      if (map.tag === LAYER && map.start > offset && space.mayChange(map.source)) {
        return map.start / BLOCK_BYTES - block;
      }
      if (map.tag === LAYER && map.start <= offset) {
        // Held: the first block's place is old, and so may be those of its neighbours, or not.
        return 1;
      }
      map.next();
    }
    return end - block;
  }

  /** The position that goes with those of the extents around, or -1: the map is there, marked. */
  #near(body: FileBody, block: number): number {
    const { map } = body;
    const offset = block * BLOCK_BYTES;
    const window = Math.floor(block / WINDOW_BLOCKS_MAX) * WINDOW_BLOCKS_MAX * BLOCK_BYTES;
    for (let i = 0; i < NEIGHBOURS_MAX && map.previous(); i += 1) {
      if (map.end < window) break;
      if (map.tag === LAYER) return map.source + (offset - map.start);
    }
    map.back();
    for (let i = 0; i < NEIGHBOURS_MAX; i += 1, map.next()) {
      if (map.start >= window + WINDOW_BLOCKS_MAX * BLOCK_BYTES) break;
      if (map.tag === LAYER && map.start > offset) return map.source - (map.start - offset);
    }
    return -1;
  }

  /** Lists the blocks from `block` on to be written from `position` on. */
  #write(body: FileBody, block: number, blocks: number, position: number): void {
    const { cache } = this.#parts;
    let slot = -1;
    for (let i = 0; i < blocks; i += 1) {
      // What was written together mostly lies together.
      slot += 1;
      if (!cache.isDirtyAt(slot, body.cell, block + i)) slot = cache.find(body.cell, block + i);
      if ((cache.flags[slot]! & BARE) !== 0) body.bareBlocks -= 1;
      cache.fly(slot);
      this.slots.push(slot);
      this.#run(slot * BLOCK_BYTES, position + i * BLOCK_BYTES);
    }
  }

  #run(from: number, position: number): void {
    const last = (this.#runCount - 1) * RUN;
    const runs = this.#runs;
    if (last >= 0) {
      const bytes = runs[last + 1]!;
      const goesOn = runs[last]! + bytes === from && runs[last + 2]! + bytes === position;
      if (goesOn && bytes < RUN_BYTES_MAX) {
        runs[last + 1] = bytes + BLOCK_BYTES;
        return;
      }
    }
    if (last + 2 * RUN > runs.length) {
      this.#runs = new Float64Array(runs.length * 2);
      this.#runs.set(runs);
    }
    const at = last + RUN;
    this.#runs[at] = from;
    this.#runs[at + 1] = BLOCK_BYTES;
    this.#runs[at + 2] = position;
    this.#runCount += 1;
  }

  #encode(body: FileBody, piece: number): void {
    const { map } = body;
    const start = piece * PIECE_BYTES;
    const end = start + PIECE_BYTES;
    const encoder = this.#encoder;
    encoder.begin();
    map.seek(start);
    const isEmpty = map.start >= end;
    for (; map.start < end; map.next()) {
      const from = Math.max(map.start, start);
      const length = Math.min(map.end, end) - from;
      const kind = Math.min(map.tag, BASE);
      const base = kind === BASE ? this.#parts.bases.base(map.tag - BASE) : undefined;
      const source = kind >= LAYER ? map.source + (from - map.start) : 0;
      encoder.add(from - start, length, kind, source, base);
    }
    // Only where the origin would show does it take a row to say that there is nothing.
    const extents = isEmpty && start >= body.originBytes ? undefined : encoder.finish();
    this.pieces.push({ inode: body.id, piece, extents });
  }
}

/** How many blocks go together in the data file: of a short file as many as it has, or some more. */
function windowBlocks(size: number): number {
  const blocks = Math.ceil(size / BLOCK_BYTES);
  return blocks >= WINDOW_BLOCKS_MAX ? WINDOW_BLOCKS_MAX : 2 ** Math.ceil(Math.log2(blocks));
}

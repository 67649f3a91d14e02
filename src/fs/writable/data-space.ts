/**
 * Which blocks of the data file are taken: a bit for each. The file is sparse, so its positions
 * cost nothing: a file's first block gets a whole window of them, and blocks that follow or lie
 * between find theirs free, which makes them one extent.
 */
import { assert } from "../../base/assert.ts";

/** Contents are kept in blocks of so many bytes, in memory and in the data file. */
export const BLOCK_BYTES = 4096;
/** No extent of the data file crosses a multiple of it: see LayerData.address. */
export const REGION_BYTES = 2 ** 30;
/** Positions given out are below: no file system allows much longer files. */
export const DATA_BYTES_MAX = 2 ** 43;
/** The widest window: 1 MiB. */
export const WINDOW_BLOCKS_MAX = 256;

const REGION_BLOCKS = REGION_BYTES / BLOCK_BYTES;
const REGION_WINDOWS = REGION_BLOCKS / WINDOW_BLOCKS_MAX;
const REGIONS_MAX = DATA_BYTES_MAX / REGION_BYTES;
const WORD_BITS = 32;
const WINDOW_WORDS = WINDOW_BLOCKS_MAX / WORD_BITS;
/** So many blocks freed are worth looking for windows in old regions again. */
const FREED_TO_LOOK_AGAIN = REGION_BLOCKS / 4;

class Region {
  readonly taken = new Uint32Array(REGION_BLOCKS / WORD_BITS);
  /** Taken since the hold began; undefined: none. */
  young: Uint32Array | undefined;
}

export class DataSpace {
  /** Blocks taken. */
  taken = 0;
  /** How many blocks the last `place` or `take` took. */
  got = 0;
  readonly #regions: (Region | undefined)[] = [];
  /** Of all windows, the next to look at. */
  #window = 0;
  #freed = 0;
  #holding = false;
  /** By the logarithm of a window's blocks: where in a widest window the next one is cut off. */
  readonly #next = new Float64Array(Math.log2(WINDOW_BLOCKS_MAX) + 1);

  /** Takes a range that a row names. False: some of it is taken already, or beyond all bounds. */
  claim(position: number, bytes: number): boolean {
    const block = position / BLOCK_BYTES;
    const blocks = Math.ceil(bytes / BLOCK_BYTES);
    if (!Number.isInteger(block) || position + bytes > DATA_BYTES_MAX) return false;
    let done = 0;
    while (done < blocks) {
      this.take((block + done) * BLOCK_BYTES, blocks - done);
      if (this.got === 0) return false;
      done += this.got;
    }
    return true;
  }

  /** Takes up to `blocks` free blocks from `position` on; `got` says how many, maybe none. */
  take(position: number, blocks: number): void {
    const block = position / BLOCK_BYTES;
    this.got = 0;
    if (position < 0 || position >= DATA_BYTES_MAX) return;
    const region = this.#region(Math.floor(block / REGION_BLOCKS));
    const first = block % REGION_BLOCKS;
    const end = Math.min(first + blocks, REGION_BLOCKS);
    let at = first;
    while (at < end && !has(region.taken, at)) this.#set(region, at++);
    this.got = at - first;
    this.taken += this.got;
  }

  /**
   * Takes `blocks` from `phase` on in a free window of `window` blocks, a power of 2 that holds
   * them. Returns the position; `got` says how many they are: fewer only when no window is left.
   */
  place(window: number, phase: number, blocks: number): number {
    const position = this.#freeWindow(window);
    if (position < 0) return this.#anywhere(blocks);
    const start = position + phase * BLOCK_BYTES;
    this.take(start, blocks);
    return start;
  }

  /** Gives blocks back. */
  free(position: number, blocks: number): void {
    for (let block = position / BLOCK_BYTES, end = block + blocks; block < end; block += 1) {
      const region = this.#region(Math.floor(block / REGION_BLOCKS));
      const at = block % REGION_BLOCKS;
      assert(has(region.taken, at), "a block is freed that was taken");
      region.taken[at >>> 5]! &= ~(1 << (at & 31));
      if (region.young !== undefined) region.young[at >>> 5]! &= ~(1 << (at & 31));
    }
    this.taken -= blocks;
    this.#freed += blocks;
  }

  /** From now on what is taken already may not be written to, until `release`. */
  hold(): void {
    this.release();
    this.#holding = true;
  }

  release(): void {
    this.#holding = false;
    for (const region of this.#regions) if (region !== undefined) region.young = undefined;
  }

  get isHolding(): boolean {
    return this.#holding;
  }

  /** Whether the block at `position`, which is taken, may be written to or punched out. */
  mayChange(position: number): boolean {
    if (!this.#holding) return true;
    const block = Math.floor(position / BLOCK_BYTES);
    const young = this.#regions[Math.floor(block / REGION_BLOCKS)]?.young;
    return young !== undefined && has(young, block % REGION_BLOCKS);
  }

  #set(region: Region, at: number): void {
    region.taken[at >>> 5]! |= 1 << (at & 31);
    if (!this.#holding) return;
    region.young ??= new Uint32Array(REGION_BLOCKS / WORD_BITS);
    region.young[at >>> 5]! |= 1 << (at & 31);
  }

  #region(index: number): Region {
    const region = this.#regions[index];
    if (region !== undefined) return region;
    const made = new Region();
    this.#regions[index] = made;
    return made;
  }

  /** The position of a free window, or -1. */
  #freeWindow(blocks: number): number {
    if (blocks >= WINDOW_BLOCKS_MAX) return this.#widest();
    const kind = Math.log2(blocks);
    for (;;) {
      const next = this.#next[kind]!;
      if (next % WINDOW_BLOCKS_MAX === 0) {
        const position = this.#widest();
        if (position < 0) return position;
        this.#next[kind] = position / BLOCK_BYTES + blocks;
        return position;
      }
      this.#next[kind] = next + blocks;
      if (this.#isClear(next, blocks)) return next * BLOCK_BYTES;
    }
  }

  #isClear(block: number, blocks: number): boolean {
    const { taken } = this.#region(Math.floor(block / REGION_BLOCKS));
    const first = block % REGION_BLOCKS;
    for (let at = first; at < first + blocks; at += 1) if (has(taken, at)) return false;
    return true;
  }

  /** The position of a free window of the widest kind, which nobody is offered again; or -1. */
  #widest(): number {
    for (;;) {
      const index = Math.floor(this.#window / REGION_WINDOWS);
      if (index >= this.#regions.length && this.#freed >= FREED_TO_LOOK_AGAIN) {
        this.#freed = 0;
        this.#window = 0;
        continue;
      }
      if (index >= REGIONS_MAX) return -1;
      const { taken } = this.#region(index);
      const window = this.#window++;
      const word = (window % REGION_WINDOWS) * WINDOW_WORDS;
      let any = 0;
      for (let at = word; at < word + WINDOW_WORDS; at += 1) any |= taken[at]!;
      if (any === 0) return window * WINDOW_BLOCKS_MAX * BLOCK_BYTES;
    }
  }

  /** Up to `blocks` anywhere: no window is free any more. */
  #anywhere(blocks: number): number {
    for (let index = 0; index < this.#regions.length; index += 1) {
      const { taken } = this.#region(index);
      const word = taken.findIndex((bits) => bits !== 0xffff_ffff);
      if (word < 0) continue;
      let at = word * WORD_BITS;
      while (has(taken, at)) at += 1;
      const position = (index * REGION_BLOCKS + at) * BLOCK_BYTES;
      this.take(position, blocks);
      return position;
    }
    this.got = 0;
    return -1;
  }
}

function has(bits: Uint32Array, at: number): boolean {
  return (bits[at >>> 5]! & (1 << (at & 31))) !== 0;
}

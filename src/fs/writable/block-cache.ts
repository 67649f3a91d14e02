/**
 * The write-back cache: blocks of the layer's memory that hold what is not in the data file yet,
 * found by file and block. A block is DIRTY until it is collected, then FLYING: it belongs to the
 * layer thread until its batch is settled, which is a lock on its bytes. Who changes it meanwhile
 * takes another block in its place, and the one that flies is nobody's (STRAY) until it lands.
 *
 * All tables are typed arrays of a fixed size: nothing is allocated for a block.
 */
import { assert } from "../../base/assert.ts";
import { BLOCK_BYTES } from "./data-space.ts";

export const FREE = 0;
export const DIRTY = 1;
export const FLYING = 2;
export const STRAY = 3;
/** Taken, and not put to a file yet. */
export const TAKEN = 4;

/** Flags of a dirty block. It will need room in the data file that none of its file's extents has. */
export const GROWS = 1;
/** It lies over a hole: of no extent yet, it counts for itself. */
export const BARE = 2;

/** Blocks of which neighbours lie together in the table. */
const NEIGHBOUR_BITS = 4;
const NEIGHBOURS = 1 << NEIGHBOUR_BITS;

export class BlockCache {
  readonly capacity: number;
  /** Blocks of memory that hold nothing. */
  free: number;
  /** Blocks that are DIRTY. */
  dirty = 0;
  /** Dirty blocks that will need room. */
  growing = 0;
  /** How many blocks the last `take` took. */
  took = 0;
  readonly states: Uint8Array;
  readonly flags: Uint8Array;
  /** Of each block in memory: its number in its file, and the file's number here. */
  readonly blocks: Float64Array;
  readonly #files: Uint32Array;
  /** The others of the same file: doubly linked, -1 at the ends. */
  readonly #after: Int32Array;
  readonly #before: Int32Array;
  /** By file: the first of its list, and how many. */
  readonly #heads: number[] = [-1];
  readonly #counts: number[] = [0];
  readonly #unused: number[] = [];
  /** Open addressing: a block of memory + 1, or 0. */
  readonly #table: Int32Array;
  readonly #mask: number;
  #cursor = 0;

  constructor(bytes: number) {
    this.capacity = Math.floor(bytes / BLOCK_BYTES);
    this.free = this.capacity;
    this.states = new Uint8Array(this.capacity);
    this.flags = new Uint8Array(this.capacity);
    this.blocks = new Float64Array(this.capacity);
    this.#files = new Uint32Array(this.capacity);
    this.#after = new Int32Array(this.capacity);
    this.#before = new Int32Array(this.capacity);
    const size = 2 ** Math.ceil(Math.log2(this.capacity * 2));
    this.#table = new Int32Array(size);
    this.#mask = size - 1;
  }

  /** A number for a file that is about to have blocks here. */
  enter(): number {
    const file = this.#unused.pop() ?? this.#heads.length;
    this.#heads[file] = -1;
    this.#counts[file] = 0;
    return file;
  }

  /** A file without blocks leaves. */
  leave(file: number): void {
    assert(this.#counts[file] === 0, "a file leaves the cache without blocks");
    this.#unused.push(file);
  }

  /** Blocks of a file. */
  count(file: number): number {
    return this.#counts[file]!;
  }

  /** A file's blocks one after another, in no order: the first, and the one after; -1: no more. */
  first(file: number): number {
    return this.#heads[file]!;
  }

  after(slot: number): number {
    return this.#after[slot]!;
  }

  /** Where block `block` of `file` is in memory, or -1. */
  find(file: number, block: number): number {
    const table = this.#table;
    for (let at = this.#home(file, block); ; at = (at + 1) & this.#mask) {
      const slot = table[at]! - 1;
      if (slot < 0) return -1;
      if (this.blocks[slot] === block && this.#files[slot] === file) return slot;
    }
  }

  /** Whether `slot`, which may be any number, is a dirty block that is block `block` of `file`. */
  isDirtyAt(slot: number, file: number, block: number): boolean {
    return this.blocks[slot] === block && this.states[slot] === DIRTY && this.#files[slot] === file;
  }

  /**
   * Takes up to `most` blocks of memory that lie together, at least one: the caller knows that one is
   * free. Gives the first; `took` says how many they are.
   */
  take(most: number): number {
    const { states } = this;
    let first = states.indexOf(FREE, this.#cursor);
    if (first < 0) first = states.indexOf(FREE);
    assert(first >= 0, "a block of memory is free");
    let end = first;
    const limit = Math.min(first + most, this.capacity);
    while (end < limit && states[end] === FREE) states[end++] = TAKEN;
    this.took = end - first;
    this.free -= this.took;
    this.#cursor = end === this.capacity ? 0 : end;
    return first;
  }

  /** Gives back a block that is in no file's list. */
  drop(slot: number): void {
    this.states[slot] = FREE;
    this.free += 1;
  }

  /** Puts a taken block to a file, as dirty. The file has no such block here. */
  insert(slot: number, file: number, block: number, flags: number): void {
    this.states[slot] = DIRTY;
    this.flags[slot] = flags;
    this.blocks[slot] = block;
    this.#files[slot] = file;
    this.dirty += 1;
    if ((flags & GROWS) !== 0) this.growing += 1;
    const head = this.#heads[file]!;
    this.#after[slot] = head;
    this.#before[slot] = -1;
    if (head >= 0) this.#before[head] = slot;
    this.#heads[file] = slot;
    this.#counts[file]! += 1;
    let at = this.#home(file, block);
    while (this.#table[at] !== 0) at = (at + 1) & this.#mask;
    this.#table[at] = slot + 1;
  }

  /** Changes the flags of a dirty block. */
  setFlags(slot: number, flags: number): void {
    this.growing += (flags & GROWS) - (this.flags[slot]! & GROWS);
    this.flags[slot] = flags;
  }

  /** A dirty block is handed to the layer thread, together with the room it needs. */
  fly(slot: number): void {
    this.setFlags(slot, 0);
    this.states[slot] = FLYING;
    this.dirty -= 1;
  }

  /** Takes a block from its file: it is free, or STRAY while it flies. */
  remove(slot: number): void {
    this.#unlink(slot);
    if (this.states[slot] === FLYING) {
      this.states[slot] = STRAY;
      return;
    }
    this.setFlags(slot, 0);
    this.dirty -= 1;
    this.drop(slot);
  }

  /** A block has landed: it is free. Gives the file that had it, or 0. */
  land(slot: number): number {
    // Memory that was used is used again first: it may be in the processor's caches.
    if (slot < this.#cursor) this.#cursor = slot;
    const file = this.states[slot] === FLYING ? this.#files[slot]! : 0;
    if (file !== 0) this.#unlink(slot);
    this.drop(slot);
    return file;
  }

  #unlink(slot: number): void {
    const file = this.#files[slot]!;
    const after = this.#after[slot]!;
    const before = this.#before[slot]!;
    if (before >= 0) this.#after[before] = after;
    else this.#heads[file] = after;
    if (after >= 0) this.#before[after] = before;
    this.#counts[file]! -= 1;
    this.#forget(slot);
  }

  /** Takes a block out of the table, and moves up what had to stand behind it. */
  #forget(slot: number): void {
    const table = this.#table;
    const mask = this.#mask;
    let hole = this.#home(this.#files[slot]!, this.blocks[slot]!);
    while (table[hole] !== slot + 1) hole = (hole + 1) & mask;
    for (let at = (hole + 1) & mask; table[at] !== 0; at = (at + 1) & mask) {
      const other = table[at]! - 1;
      const home = this.#home(this.#files[other]!, this.blocks[other]!);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      table[hole] = other + 1;
      hole = at;
    }
    table[hole] = 0;
  }

  #home(file: number, block: number): number {
    const near = block % NEIGHBOURS;
    const mixed =
      Math.imul((block - near) / NEIGHBOURS, 0x9e37_79b1) ^ Math.imul(file, 0x85eb_ca6b);
    return (((mixed ^ (mixed >>> 15)) << NEIGHBOUR_BITS) + near) & this.#mask;
  }
}

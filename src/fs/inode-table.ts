/**
 * All inodes that the kernel knows, as fixed-size records in one buffer that grows by doubling; no
 * object per inode. A record (96 bytes, in 32-bit words):
 *
 *      0  generation          8–15  digest (files, directories)
 *      1  kind               16     parent's slot (directories) | next free slot
 *    2–3  lookups (f64)      17     parent's generation
 *    4–5  size (f64)         18     entry index in the parent, or BY_NAME
 *    6–7  st_ino             19     text's offset in the arena   20  text's length
 *                            21     st_nlink
 *                            22     cache cell: a hint, checked by who uses it   23  –
 *
 * A nodeid is slot + generation × 2^32. A slot's generation rises each time the slot is freed, so a
 * nodeid of an earlier inode in the slot is recognised and refused. Generations end at 2^21 - 1 (a
 * nodeid stays below 2^53); a slot that has used all of its own is never used again.
 */
import { assert } from "../base/assert.ts";
import type { NodeId } from "../base/brands.ts";
import { DIGEST_BYTES } from "../castore/digest.ts";
import { equalDigests } from "./byte-range.ts";
import { FREE } from "./inode-kind.ts";
import { ROOT_INO_HIGH, ROOT_INO_LOW } from "./inode-number.ts";

/** The slot of the share's root. Its generation is 0: FUSE fixes its nodeid at 1. */
export const ROOT_SLOT = 1;

/** Inodes known to the kernel at one time, by default: about 500 MB of table at the very end. */
export const MAX_INODES = 1 << 22;

/** The last generation of a slot. */
export const MAX_GENERATION = 2 ** 21 - 1;

const GENERATION_UNIT = 2 ** 32;
const INITIAL_SLOTS = 256;

const RECORD_WORDS = 24;
const GENERATION = 0;
const KIND = 1;
const LOOKUPS = 2;
const SIZE = 4;
const INO_LOW = 6;
const INO_HIGH = 7;
const DIGEST = 8;
const PARENT_SLOT = 16;
const NEXT_FREE = 16;
const PARENT_GENERATION = 17;
const ENTRY_INDEX = 18;
const TEXT_OFFSET = 19;
const TEXT_LENGTH = 20;
const LINKS = 21;
const CACHE_CELL = 22;

export class InodeTable {
  readonly #maxSlots: number;
  #firstGeneration: number;
  #words: Uint32Array;
  #numbers: Float64Array;
  #bytes: Uint8Array;
  #slots: number;
  #used = ROOT_SLOT;
  #freeHead = 0;
  #live = 1;

  /**
   * `maxInodes` counts the root. New slots start at `firstGeneration` (1 or more, at most
   * MAX_GENERATION): a random one makes nodeids of an earlier session unknown in this one.
   */
  constructor(maxInodes: number, firstGeneration: number) {
    assert(maxInodes >= 1 && maxInodes <= 2 ** 31, "slots are 32-bit numbers");
    this.#maxSlots = maxInodes + 1;
    this.#firstGeneration = firstGeneration;
    this.#slots = Math.min(INITIAL_SLOTS, this.#maxSlots);
    const buffer = new ArrayBuffer(this.#slots * RECORD_WORDS * 4);
    this.#words = new Uint32Array(buffer);
    this.#numbers = new Float64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** Inodes in the table, the root among them. */
  get live(): number {
    return this.#live;
  }

  /** Bytes taken. */
  get byteLength(): number {
    return this.#bytes.length;
  }

  /** Slots ever used: every live slot is at most this. */
  get lastSlot(): number {
    return this.#used;
  }

  /** The digests' bytes: a slot's begin at `digestStart(slot)`. Another array after `allocate`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The slot of a nodeid; 0 when no inode has this nodeid (any more). Bears every number. */
  slotOf(node: NodeId): number {
    const slot = node >>> 0;
    if (slot < ROOT_SLOT || slot > this.#used) return 0;
    const at = slot * RECORD_WORDS;
    if (this.#words[at + KIND] === FREE) return 0;
    return this.#words[at + GENERATION] === (node - slot) / GENERATION_UNIT ? slot : 0;
  }

  nodeOf(slot: number): NodeId {
    return (slot + this.generation(slot) * GENERATION_UNIT) as NodeId;
  }

  /** Puts the nodeid of a slot to the start of `target`. */
  copyNode(slot: number, target: Float64Array): void {
    target[0] = slot + this.generation(slot) * GENERATION_UNIT;
  }

  /** Sets what the share's root is; its number is 1 and nobody looks it up. */
  setRoot(kind: number, size: number, links: number): void {
    this.#words[ROOT_SLOT * RECORD_WORDS + KIND] = kind;
    this.setSize(ROOT_SLOT, size);
    this.setLinks(ROOT_SLOT, links);
    this.setIno(ROOT_SLOT, ROOT_INO_LOW, ROOT_INO_HIGH);
  }

  /** A cleared record of the given kind, or 0 when the table is full. */
  allocate(kind: number): number {
    const slot = this.#freeHead === 0 ? this.#extend() : this.#reuse();
    if (slot === 0) return 0;
    this.#words[slot * RECORD_WORDS + KIND] = kind;
    this.#live += 1;
    return slot;
  }

  /** Frees a slot; its next inode has another generation. */
  free(slot: number): void {
    const at = slot * RECORD_WORDS;
    const generation = this.generation(slot);
    this.#words.fill(0, at, at + RECORD_WORDS);
    this.#live -= 1;
    if (generation === MAX_GENERATION) return;
    this.#words[at + GENERATION] = generation + 1;
    this.#words[at + NEXT_FREE] = this.#freeHead;
    this.#freeHead = slot;
  }

  /** Frees all but the root, which keeps its record but for the cache cell, and gives memory back. */
  clear(firstGeneration: number): void {
    const root = this.#words.slice(ROOT_SLOT * RECORD_WORDS, (ROOT_SLOT + 1) * RECORD_WORDS);
    root[CACHE_CELL] = 0;
    this.#slots = Math.min(INITIAL_SLOTS, this.#maxSlots);
    this.#adopt(new ArrayBuffer(this.#slots * RECORD_WORDS * 4));
    this.#words.set(root, ROOT_SLOT * RECORD_WORDS);
    this.#used = ROOT_SLOT;
    this.#freeHead = 0;
    this.#live = 1;
    this.#firstGeneration = firstGeneration;
  }

  generation(slot: number): number {
    return this.#words[slot * RECORD_WORDS + GENERATION] as number;
  }

  kind(slot: number): number {
    return this.#words[slot * RECORD_WORDS + KIND] as number;
  }

  lookups(slot: number): number {
    return this.#numbers[(slot * RECORD_WORDS + LOOKUPS) / 2] as number;
  }

  setLookups(slot: number, lookups: number): void {
    this.#numbers[(slot * RECORD_WORDS + LOOKUPS) / 2] = lookups;
  }

  size(slot: number): number {
    return this.#numbers[(slot * RECORD_WORDS + SIZE) / 2] as number;
  }

  setSize(slot: number, size: number): void {
    this.#numbers[(slot * RECORD_WORDS + SIZE) / 2] = size;
  }

  /** Signed, as in `Child`. */
  inoLow(slot: number): number {
    return (this.#words[slot * RECORD_WORDS + INO_LOW] as number) | 0;
  }

  inoHigh(slot: number): number {
    return (this.#words[slot * RECORD_WORDS + INO_HIGH] as number) | 0;
  }

  setIno(slot: number, low: number, high: number): void {
    this.#words[slot * RECORD_WORDS + INO_LOW] = low;
    this.#words[slot * RECORD_WORDS + INO_HIGH] = high;
  }

  /** Where the digest of a slot begins in `bytes`. */
  digestStart(slot: number): number {
    return (slot * RECORD_WORDS + DIGEST) * 4;
  }

  /** Whether the digest of a slot is the one at `bytes[start, start + 32)`. */
  hasDigest(slot: number, bytes: Uint8Array, start: number): boolean {
    return equalDigests(this.#words, slot * RECORD_WORDS + DIGEST, bytes, start);
  }

  setDigest(slot: number, source: Uint8Array, start: number): void {
    const target = this.digestStart(slot);
    for (let at = 0; at < DIGEST_BYTES; at++) {
      this.#bytes[target + at] = source[start + at] as number;
    }
  }

  /** The parent of a directory; 0 when that inode is gone. */
  parent(slot: number): number {
    const at = slot * RECORD_WORDS;
    const parent = this.#words[at + PARENT_SLOT] as number;
    return this.#words[at + PARENT_GENERATION] === this.generation(parent) ? parent : 0;
  }

  setParent(slot: number, parent: number): void {
    this.#words[slot * RECORD_WORDS + PARENT_SLOT] = parent;
    this.#words[slot * RECORD_WORDS + PARENT_GENERATION] = this.generation(parent);
  }

  entryIndex(slot: number): number {
    return this.#words[slot * RECORD_WORDS + ENTRY_INDEX] as number;
  }

  setEntryIndex(slot: number, index: number): void {
    this.#words[slot * RECORD_WORDS + ENTRY_INDEX] = index;
  }

  /** Where the text of a slot begins in the arena; 0: it has none. */
  textOffset(slot: number): number {
    return this.#words[slot * RECORD_WORDS + TEXT_OFFSET] as number;
  }

  textLength(slot: number): number {
    return this.#words[slot * RECORD_WORDS + TEXT_LENGTH] as number;
  }

  setText(slot: number, offset: number, length: number): void {
    this.#words[slot * RECORD_WORDS + TEXT_OFFSET] = offset;
    this.#words[slot * RECORD_WORDS + TEXT_LENGTH] = length;
  }

  links(slot: number): number {
    return this.#words[slot * RECORD_WORDS + LINKS] as number;
  }

  setLinks(slot: number, links: number): void {
    this.#words[slot * RECORD_WORDS + LINKS] = links;
  }

  /** The cell of the directory or reader cache that last served this slot: may be out of date. */
  cacheCell(slot: number): number {
    return this.#words[slot * RECORD_WORDS + CACHE_CELL] as number;
  }

  setCacheCell(slot: number, cell: number): void {
    this.#words[slot * RECORD_WORDS + CACHE_CELL] = cell;
  }

  #reuse(): number {
    const slot = this.#freeHead;
    this.#freeHead = this.#words[slot * RECORD_WORDS + NEXT_FREE] as number;
    this.#words[slot * RECORD_WORDS + NEXT_FREE] = 0;
    return slot;
  }

  #extend(): number {
    const slot = this.#used + 1;
    if (slot >= this.#maxSlots) return 0;
    if (slot >= this.#slots) this.#grow();
    this.#used = slot;
    this.#words[slot * RECORD_WORDS + GENERATION] = this.#firstGeneration;
    return slot;
  }

  #grow(): void {
    this.#slots = Math.min(this.#slots * 2, this.#maxSlots);
    const old = this.#words;
    this.#adopt(new ArrayBuffer(this.#slots * RECORD_WORDS * 4));
    this.#words.set(old);
  }

  #adopt(buffer: ArrayBuffer): void {
    this.#words = new Uint32Array(buffer);
    this.#numbers = new Float64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }
}

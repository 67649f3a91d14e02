/**
 * Which inodes the kernel knows, and how often each was looked up.
 *
 * What makes two children the same inode:
 * - files: digest, executable or not, and size (a parent that lies about the size spoils nobody
 *   else's inode). Shared wherever they appear, so that the guest caches equal content once.
 * - symlinks: the target. Shared likewise.
 * - directories: the parent inode and the entry in it, for root nodes their name and digest. NOT
 *   shared by digest: Linux lets a directory have one place only. Handed the same nodeid at a second
 *   path, d_splice_alias moves the directory there, and getcwd(2) and `..` at the first one go wrong.
 *
 * The hash of an inode is its inode number, scrambled with a seed that an author of file trees
 * cannot know; equal hashes are told apart by the whole key.
 */
import { assert } from "../base/assert.ts";
import type { NodeId } from "../base/brands.ts";
import { equalRanges, scramble } from "./byte-range.ts";
import { BY_NAME, type Child } from "./child.ts";
import { HashIndex } from "./hash-index.ts";
import { DIRECTORY, SYMLINK } from "./inode-kind.ts";
import { type InodeTable, ROOT_SLOT } from "./inode-table.ts";
import type { TextArena } from "./text-arena.ts";

export class InodeTracker {
  readonly table: InodeTable;
  readonly texts: TextArena;
  readonly #index = new HashIndex();
  readonly #seed: number;

  /** `seed`: 32 random bits. */
  constructor(table: InodeTable, texts: TextArena, seed: number) {
    this.table = table;
    this.texts = texts;
    this.#seed = seed;
  }

  /** Bytes of all typed arrays. */
  get byteLength(): number {
    return this.table.byteLength + this.texts.bytes.length + this.#index.bytes;
  }

  /** The slot of a numbered child of the directory in slot `parent`, or 0: not known yet. */
  find(parent: number, child: Child): number {
    const hash = this.#hash(child.inoLow, child.inoHigh);
    for (let at = this.#index.first(hash); at >= 0; at = this.#index.next(at, hash)) {
      const slot = this.#index.valueAt(at);
      if (this.#matches(slot, parent, child)) return slot;
    }
    return 0;
  }

  /**
   * Makes an inode for a numbered child that `find` did not find: its slot, looked up zero times
   * yet, or 0: the table is full. `links` is its `st_nlink`.
   */
  add(parent: number, child: Child, links: number): number {
    const { table } = this;
    const slot = table.allocate(child.kind);
    if (slot === 0) return 0;
    if (!this.#setText(slot, child)) {
      table.free(slot);
      return 0;
    }
    table.setSize(slot, child.size);
    table.setIno(slot, child.inoLow, child.inoHigh);
    table.setLinks(slot, links);
    if (child.kind !== SYMLINK) table.setDigest(slot, child.digestBytes, child.digestStart);
    if (child.kind === DIRECTORY) {
      table.setParent(slot, parent);
      table.setEntryIndex(slot, child.index);
    }
    this.#index.add(this.#hash(child.inoLow, child.inoHigh), slot);
    return slot;
  }

  /** The kernel has been told of this inode once more. */
  remember(slot: number): void {
    this.table.setLookups(slot, this.table.lookups(slot) + 1);
  }

  /**
   * The kernel takes back `count` lookups. Counts higher than there were end at none; the root and
   * unknown nodeids are left alone.
   */
  forget(node: NodeId, count: number): void {
    const slot = this.table.slotOf(node);
    if (slot === 0 || slot === ROOT_SLOT || !(count > 0)) return;
    const left = this.table.lookups(slot) - count;
    if (left > 0) this.table.setLookups(slot, left);
    else this.#drop(slot);
  }

  /** Drops all inodes but the root. `firstGeneration` as for the table. */
  reset(firstGeneration: number): void {
    this.table.clear(firstGeneration);
    this.texts.clear();
    this.#index.clear();
  }

  #drop(slot: number): void {
    const { table } = this;
    assert(this.#index.count > 0, "every inode but the root is in the index");
    this.#index.remove(this.#hash(table.inoLow(slot), table.inoHigh(slot)), slot);
    if (table.textOffset(slot) !== 0) {
      this.texts.release(table.textOffset(slot), table.textLength(slot));
    }
    table.free(slot);
  }

  #hash(inoLow: number, inoHigh: number): number {
    return scramble(inoLow ^ scramble(inoHigh ^ this.#seed));
  }

  #matches(slot: number, parent: number, child: Child): boolean {
    const { table } = this;
    if (table.kind(slot) !== child.kind) return false;
    switch (child.kind) {
      case SYMLINK:
        return this.#hasText(slot, child.targetBytes, child.targetStart, child.targetEnd);
      case DIRECTORY:
        return (
          table.parent(slot) === parent &&
          table.entryIndex(slot) === child.index &&
          table.hasDigest(slot, child.digestBytes, child.digestStart) &&
          (child.index !== BY_NAME ||
            this.#hasText(slot, child.nameBytes, child.nameStart, child.nameEnd))
        );
      default:
        return (
          table.size(slot) === child.size &&
          table.hasDigest(slot, child.digestBytes, child.digestStart)
        );
    }
  }

  #hasText(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { table, texts } = this;
    const length = table.textLength(slot);
    if (length !== end - start) return false;
    return equalRanges(texts.bytes, table.textOffset(slot), bytes, start, length);
  }

  /** Keeps a symlink's target, a root directory's name. False: no room. */
  #setText(slot: number, child: Child): boolean {
    if (child.kind === SYMLINK) {
      return this.#keepText(slot, child.targetBytes, child.targetStart, child.targetEnd);
    }
    if (child.kind === DIRECTORY && child.index === BY_NAME) {
      return this.#keepText(slot, child.nameBytes, child.nameStart, child.nameEnd);
    }
    return true;
  }

  #keepText(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    const offset = this.texts.add(bytes, start, end);
    if (offset !== 0) this.table.setText(slot, offset, end - start);
    return offset !== 0;
  }
}

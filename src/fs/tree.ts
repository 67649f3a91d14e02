/**
 * Names to inodes: where the inode tracker, the directories and the root nodes meet. A child is
 * found (what does its parent say of it?), then entered (which inode is it?).
 */
import { ENFILE, ENOENT } from "../base/errno.ts";
import type { NameBytes } from "../fuse/file-system.ts";
import type { Child } from "./child.ts";
import type { DirectoryCache } from "./directory-cache.ts";
import type { DirectoryContents } from "./directory-contents.ts";
import { DIRECTORY, ROOTS } from "./inode-kind.ts";
import { numberChild } from "./inode-number.ts";
import type { InodeTracker } from "./inode-tracker.ts";
import type { RootNodes } from "./root-nodes.ts";

export class Tree {
  readonly tracker: InodeTracker;
  readonly #directories: DirectoryCache;
  readonly #roots: RootNodes;

  constructor(tracker: InodeTracker, directories: DirectoryCache, roots: RootNodes) {
    this.tracker = tracker;
    this.#directories = directories;
    this.#roots = roots;
  }

  /** The contents of a slot of kind DIRECTORY, or -EIO, which was logged, or MISSING. */
  contentsOf(slot: number): DirectoryContents | number {
    const { table } = this.tracker;
    const hinted = this.#directories.peek(table.cacheCell(slot));
    if (hinted !== undefined && table.hasDigest(slot, hinted.digest.bytes, 0)) return hinted;
    const contents = this.#directories.get(table.bytes, table.digestStart(slot));
    if (typeof contents !== "number") table.setCacheCell(slot, contents.cell);
    return contents;
  }

  /** Fills in `child` from the name in the directory `parent`. 0, -ENOENT, -EIO or MISSING. */
  find(parent: number, name: NameBytes, child: Child): number {
    if (this.tracker.table.kind(parent) === ROOTS) {
      return this.describeRoot(parent, copyOf(name), child);
    }
    const contents = this.contentsOf(parent);
    if (typeof contents === "number") return contents;
    const index = contents.find(name.bytes, name.start, name.end);
    if (index < 0) return -ENOENT;
    this.describe(parent, contents, index, child);
    return 0;
  }

  /** Fills in `child` from an entry of the directory `parent`, whose contents these are. */
  describe(parent: number, contents: DirectoryContents, index: number, child: Child): void {
    contents.describe(index, child);
    this.#number(parent, child);
  }

  /** Fills in `child` from the root node `name`, which it keeps. 0, -ENOENT or -EIO. */
  describeRoot(parent: number, name: Uint8Array, child: Child): number {
    const status = this.#roots.describe(name, child);
    this.#number(parent, child);
    return status;
  }

  /**
   * The slot of a child that was found in `parent`, with one lookup more; or -ENFILE: as many inodes
   * as may be; or, of a directory whose contents (its link count is in there) are not to be had,
   * -EIO or MISSING.
   */
  enter(parent: number, child: Child): number {
    let slot = this.tracker.find(parent, child);
    if (slot === 0) {
      slot =
        child.kind === DIRECTORY ? this.#addDirectory(parent, child) : this.#add(parent, child);
      if (slot < 0) return slot;
    }
    this.tracker.remember(slot);
    return slot;
  }

  #add(parent: number, child: Child): number {
    const slot = this.tracker.add(parent, child, 1);
    return slot === 0 ? -ENFILE : slot;
  }

  #addDirectory(parent: number, child: Child): number {
    const contents = this.#directories.get(child.digestBytes, child.digestStart);
    if (typeof contents === "number") return contents;
    // What the node says may follow an older rule; what is in the directory decides.
    child.size = contents.size;
    const slot = this.tracker.add(parent, child, contents.links);
    if (slot === 0) return -ENFILE;
    this.tracker.table.setCacheCell(slot, contents.cell);
    return slot;
  }

  #number(parent: number, child: Child): void {
    const { table } = this.tracker;
    numberChild(child, table.inoLow(parent), table.inoHigh(parent));
  }
}

/** `slice` would not do: of a Buffer it is no copy. */
function copyOf({ bytes, start, end }: NameBytes): Uint8Array {
  return Uint8Array.from(bytes.subarray(start, end));
}

/**
 * READDIR and READDIRPLUS. Offsets: 0 begins with `.`, 1 with `..`, 2 + n with what is numbered n:
 * an entry's index, or a root node's number. Each stays right however often it is resumed at.
 */
import { EINVAL, EIO } from "../base/errno.ts";
import type { DirectoryPlusSink, DirectorySink } from "../fuse/file-system.ts";
import { FOREVER, newEntry } from "../fuse/file-system.ts";
import type { LocalReader } from "../store/local-reader.ts";
import { describeInode, describeUnknown } from "./attributes.ts";
import { Child } from "./child.ts";
import { directoryTypeOf, FREE, ROOTS } from "./inode-kind.ts";
import { ROOT_SLOT } from "./inode-table.ts";
import { RootNames } from "./root-names.ts";
import { ROOT_VALID_SECONDS } from "./root-nodes.ts";
import type { Tree } from "./tree.ts";

const DOTS = Buffer.from("..");
/**
 * Entries in one answer to READDIRPLUS, however much room there is: each may have to load a
 * directory. The kernel asks again from where the answer ends.
 */
export const READDIRPLUS_ENTRIES_MAX = 4096;

/** Offsets before the first entry's: `.` and `..`. */
const DOT_ENTRIES = 2;

export class Listing {
  readonly #tree: Tree;
  readonly #reader: LocalReader;
  readonly #rootNames = new RootNames();
  #rootNamesKnown = false;
  readonly #child = new Child();
  readonly #entry = newEntry();

  constructor(tree: Tree, reader: LocalReader) {
    this.#tree = tree;
    this.#reader = reader;
  }

  /** Lists the directory in `slot`. 0, -EINVAL, -EIO or MISSING. */
  readdir(slot: number, offset: number, sink: DirectorySink): number {
    const status = this.#begin(slot, offset);
    if (status < 0) return status;
    for (let dots = offset; dots < DOT_ENTRIES; dots++) {
      if (!this.#writeDots(slot, dots, sink)) return 0;
    }
    const first = Math.max(offset, DOT_ENTRIES) - DOT_ENTRIES;
    return this.#tree.tracker.table.kind(slot) === ROOTS
      ? this.#listRoots(slot, first, sink)
      : this.#listEntries(slot, first, sink);
  }

  /** The same, and looks up what is written. */
  readdirplus(slot: number, offset: number, sink: DirectoryPlusSink): number {
    const status = this.#begin(slot, offset);
    if (status < 0) return status;
    for (let dots = offset; dots < DOT_ENTRIES; dots++) {
      if (!this.#writeDotsPlus(slot, dots, sink)) return 0;
    }
    const first = Math.max(offset, DOT_ENTRIES) - DOT_ENTRIES;
    return this.#tree.tracker.table.kind(slot) === ROOTS
      ? this.#listRootsPlus(slot, first, sink)
      : this.#listEntriesPlus(slot, first, sink);
  }

  #begin(slot: number, offset: number): number {
    if (!Number.isSafeInteger(offset) || offset < 0) return -EINVAL;
    if (this.#tree.tracker.table.kind(slot) !== ROOTS) return 0;
    if (offset > 0 && this.#rootNamesKnown) return 0;
    this.#rootNames.refresh(this.#reader.roots());
    this.#rootNamesKnown = true;
    return 0;
  }

  /** The slot that `.` (`dots` 0) or `..` (1) stands for. The root is its own parent. */
  #dotsSlot(slot: number, dots: number): number {
    if (dots === 0 || slot === ROOT_SLOT) return slot;
    const parent = this.#tree.tracker.table.parent(slot);
    // The kernel never forgets a parent before its child. Who does gets the root for an answer.
    return parent === 0 ? ROOT_SLOT : parent;
  }

  #writeDots(slot: number, dots: number, sink: DirectorySink): boolean {
    const { table } = this.#tree.tracker;
    const of = this.#dotsSlot(slot, dots);
    const type = directoryTypeOf(table.kind(of));
    return sink.entry(table.inoLow(of), table.inoHigh(of), dots + 1, type, DOTS, 0, dots + 1);
  }

  #writeDotsPlus(slot: number, dots: number, sink: DirectoryPlusSink): boolean {
    if (!sink.hasRoom(dots + 1)) return false;
    const entry = this.#entry;
    describeInode(this.#tree.tracker.table, this.#dotsSlot(slot, dots), entry.attributes);
    entry.node[0] = 0;
    entry.validSeconds = 0;
    sink.entry(entry, dots + 1, DOTS, 0, dots + 1);
    return true;
  }

  #listEntries(slot: number, first: number, sink: DirectorySink): number {
    const contents = this.#tree.contentsOf(slot);
    if (typeof contents === "number") return contents;
    for (let index = first; index < contents.count; index++) {
      this.#tree.describe(slot, contents, index, this.#child);
      if (!this.#write(index, sink)) break;
    }
    return 0;
  }

  #listEntriesPlus(slot: number, first: number, sink: DirectoryPlusSink): number {
    const contents = this.#tree.contentsOf(slot);
    if (typeof contents === "number") return contents;
    const end = Math.min(contents.count, first + READDIRPLUS_ENTRIES_MAX);
    for (let index = first; index < end; index++) {
      this.#tree.describe(slot, contents, index, this.#child);
      if (!this.#writePlus(slot, index, FOREVER, sink)) break;
    }
    return 0;
  }

  #listRoots(slot: number, first: number, sink: DirectorySink): number {
    const names = this.#rootNames;
    for (let at = names.positionOf(first); at < names.count; at++) {
      if (!this.#describeRoot(slot, at)) continue;
      if (!this.#write(names.numberAt(at), sink)) break;
    }
    return 0;
  }

  #listRootsPlus(slot: number, first: number, sink: DirectoryPlusSink): number {
    const names = this.#rootNames;
    let left = READDIRPLUS_ENTRIES_MAX;
    for (let at = names.positionOf(first); at < names.count && left > 0; at++) {
      if (!this.#describeRoot(slot, at)) continue;
      if (!this.#writePlus(slot, names.numberAt(at), ROOT_VALID_SECONDS, sink)) break;
      left -= 1;
    }
    return 0;
  }

  /** False: the node has gone since the listing began. An unreadable one is listed, typeless. */
  #describeRoot(slot: number, at: number): boolean {
    const status = this.#tree.describeRoot(slot, this.#rootNames.nameAt(at), this.#child);
    return status === 0 || status === -EIO;
  }

  #write(number: number, sink: DirectorySink): boolean {
    const { kind, inoLow, inoHigh, nameBytes, nameStart, nameEnd } = this.#child;
    const next = number + DOT_ENTRIES + 1;
    const type = directoryTypeOf(kind);
    return sink.entry(inoLow, inoHigh, next, type, nameBytes, nameStart, nameEnd);
  }

  #writePlus(parent: number, number: number, valid: number, sink: DirectoryPlusSink): boolean {
    const child = this.#child;
    const entry = this.#entry;
    if (!sink.hasRoom(child.nameEnd - child.nameStart)) return false;
    const slot = child.kind === FREE ? -EIO : this.#tree.enter(parent, child);
    if (slot < 0) {
      // One unreadable child must not hide its siblings, nor may a listing wait for directories that
      // nobody has asked for yet: the kernel looks up by itself, later, what it wants to know of.
      describeUnknown(child, entry);
    } else {
      const { table } = this.#tree.tracker;
      describeInode(table, slot, entry.attributes);
      table.copyNode(slot, entry.node);
      entry.validSeconds = valid;
    }
    const next = number + DOT_ENTRIES + 1;
    sink.entry(entry, next, child.nameBytes, child.nameStart, child.nameEnd);
    return true;
  }
}

/**
 * READDIR and READDIRPLUS of directories that may change meanwhile. Offsets: 0 begins with `.`, 1 with
 * `..`, 2 + n with the name at position n: first those of the base, or what stands for them, then new
 * ones in the order in which they came. So a listing shows once what is there from its beginning to
 * its end.
 */
import { EINVAL } from "../../base/errno.ts";
import { type DirectoryPlusSink, type DirectorySink, newEntry } from "../../fuse/file-system.ts";
import { Child } from "../child.ts";
import type { DirectoryContents } from "../directory-contents.ts";
import { directoryTypeOf } from "../inode-kind.ts";
import { READDIRPLUS_ENTRIES_MAX } from "../listing.ts";
import { describe, describeEntry } from "./describe.ts";
import type { Inode } from "./inode.ts";
import type { LayerState } from "./layer-state.ts";
import { type NameEntry, WHITEOUT } from "./name-table.ts";
import { numberBase, type Tree } from "./tree.ts";

const DOTS = Buffer.from("..");
const DOT_ENTRIES = 2;
const NAME_BYTES_MAX = 255;
const TYPE_SHIFT = 12;

/** Takes what is at a position: what is in memory of the name, or the base's `child`. */
interface Lister {
  /** False: no room. */
  base(directory: Inode, child: Child): boolean;
  layer(entry: NameEntry): boolean;
}

export class LayerListing {
  readonly #tree: Tree;
  readonly #state: LayerState;
  readonly #child = new Child();
  readonly #entry = newEntry();
  readonly #name = new Uint8Array(NAME_BYTES_MAX);

  constructor(state: LayerState) {
    this.#state = state;
    this.#tree = state.tree;
  }

  /** 0, -EINVAL, -EIO or MISSING. */
  readdir(directory: Inode, offset: number, sink: DirectorySink): number {
    const base = this.#begin(directory, offset);
    if (typeof base === "number") return base;
    for (let dots = offset; dots < DOT_ENTRIES; dots++) {
      const { inoLow, inoHigh, mode } = this.#dots(directory, dots);
      const type = mode >>> TYPE_SHIFT;
      if (!sink.entry(inoLow, inoHigh, dots + 1, type, DOTS, 0, dots + 1)) return 0;
    }
    this.#list(directory, base, offset, {
      base: (_, child) => this.#writeBase(child, sink),
      layer: (entry) => this.#writeLayer(entry, sink),
    });
    return 0;
  }

  readdirplus(directory: Inode, offset: number, sink: DirectoryPlusSink): number {
    const base = this.#begin(directory, offset);
    if (typeof base === "number") return base;
    for (let dots = offset; dots < DOT_ENTRIES; dots++) {
      if (!this.#writeDotsPlus(directory, dots, sink)) return 0;
    }
    let left = READDIRPLUS_ENTRIES_MAX;
    this.#list(directory, base, offset, {
      base: (parent, child) => left-- > 0 && this.#writeBasePlus(parent, child, sink),
      layer: (entry) => left-- > 0 && this.#writeLayerPlus(entry, sink),
    });
    return 0;
  }

  #begin(directory: Inode, offset: number): DirectoryContents | undefined | number {
    if (!Number.isSafeInteger(offset) || offset < 0) return -EINVAL;
    const status = this.#tree.loadNames(directory);
    return status < 0 ? status : this.#tree.baseOf(directory);
  }

  #list(
    directory: Inode,
    base: DirectoryContents | undefined,
    offset: number,
    lister: Lister,
  ): void {
    // What is listed may be dropped again at once, and would take an unused directory with it.
    directory.lookups += 1;
    this.#tree.pinned = directory;
    const first = Math.max(offset, DOT_ENTRIES) - DOT_ENTRIES;
    if (this.#listBase(directory, base, first, lister)) this.#listOwn(directory, first, lister);
    this.#tree.pinned = undefined;
    directory.lookups -= 1;
  }

  #listBase(
    directory: Inode,
    base: DirectoryContents | undefined,
    first: number,
    lister: Lister,
  ): boolean {
    const over = directory.names?.over;
    const child = this.#child;
    for (let position = first; position < (base?.count ?? 0); position++) {
      let entry = over?.get(position);
      if (entry?.id === WHITEOUT) continue;
      if (entry === undefined) {
        base?.describe(position, child);
        const { nameBytes, nameStart, nameEnd } = child;
        entry = this.#tree.names.findRange(directory, nameBytes, nameStart, nameEnd);
        if (entry === undefined) numberBase(child, directory);
      }
      const written = entry === undefined ? lister.base(directory, child) : lister.layer(entry);
      if (!written) return false;
    }
    return true;
  }

  #listOwn(directory: Inode, first: number, lister: Lister): void {
    const { names } = directory;
    if (names === undefined) return;
    const { own } = names;
    for (let at = names.ownFrom(first); at < own.length; at++) {
      const entry = own[at] as NameEntry;
      if (!entry.gone && !lister.layer(entry)) return;
    }
  }

  /** What `.` (`dots` 0) or `..` (1) stands for. The root is its own parent. */
  #dots(directory: Inode, dots: number): Inode {
    if (dots === 0) return directory;
    return directory.entry?.directory ?? this.#tree.inodes.root;
  }

  #writeDotsPlus(directory: Inode, dots: number, sink: DirectoryPlusSink): boolean {
    if (!sink.hasRoom(dots + 1)) return false;
    const entry = this.#entry;
    describe(this.#state, this.#dots(directory, dots), entry.attributes);
    entry.node[0] = 0;
    entry.validSeconds = 0;
    sink.entry(entry, dots + 1, DOTS, 0, dots + 1);
    return true;
  }

  #writeBase(child: Child, sink: DirectorySink): boolean {
    const { nameBytes, nameStart, nameEnd, kind, index } = child;
    const { inoLow, inoHigh } = child;
    const next = index + DOT_ENTRIES + 1;
    const type = directoryTypeOf(kind);
    return sink.entry(inoLow, inoHigh, next, type, nameBytes, nameStart, nameEnd);
  }

  #writeLayer(entry: NameEntry, sink: DirectorySink): boolean {
    const inode = this.#tree.inodeAt(entry);
    const length = this.#putName(entry);
    const next = entry.position + DOT_ENTRIES + 1;
    // An unreadable one must not hide its siblings: it is listed without a type.
    if (typeof inode === "number") return sink.entry(0, 1, next, 0, this.#name, 0, length);
    const type = inode.mode >>> TYPE_SHIFT;
    const { inoLow, inoHigh } = inode;
    const written = sink.entry(inoLow, inoHigh, next, type, this.#name, 0, length);
    this.#tree.dropUnused(inode);
    return written;
  }

  #writeBasePlus(directory: Inode, child: Child, sink: DirectoryPlusSink): boolean {
    const { nameBytes, nameStart, nameEnd, index } = child;
    if (!sink.hasRoom(nameEnd - nameStart)) return false;
    this.#describe(this.#tree.addBase(directory, child), child.kind);
    sink.entry(this.#entry, index + DOT_ENTRIES + 1, nameBytes, nameStart, nameEnd);
    return true;
  }

  #writeLayerPlus(entry: NameEntry, sink: DirectoryPlusSink): boolean {
    if (!sink.hasRoom(entry.name.length)) return false;
    this.#describe(this.#tree.inodeAt(entry), 0);
    const length = this.#putName(entry);
    sink.entry(this.#entry, entry.position + DOT_ENTRIES + 1, this.#name, 0, length);
    return true;
  }

  /** What cannot be had now is listed with nodeid 0: the kernel looks it up when it is wanted. */
  #describe(inode: Inode | number, kind: number): void {
    const entry = this.#entry;
    if (typeof inode === "object") {
      describeEntry(this.#state, inode, entry);
      return;
    }
    entry.node[0] = 0;
    entry.validSeconds = 0;
    entry.attributes.validSeconds = 0;
    entry.attributes.mode = directoryTypeOf(kind) << TYPE_SHIFT;
    entry.attributes.inoLow = this.#child.inoLow;
    entry.attributes.inoHigh = this.#child.inoHigh;
  }

  #putName({ name }: NameEntry): number {
    for (let at = 0; at < name.length; at++) this.#name[at] = name.charCodeAt(at);
    return name.length;
  }
}

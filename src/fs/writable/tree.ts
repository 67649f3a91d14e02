/**
 * Names to inodes of a writable share: where the base's directories, the layer's rows and what is in
 * memory meet. Finding changes nothing but what is in memory.
 */
import { EIO, ENFILE, ENOENT, ENOTDIR } from "../../base/errno.ts";
import type { Logger } from "../../base/logger.ts";
import { digestKey } from "../../castore/digest.ts";
import type { NameBytes } from "../../fuse/file-system.ts";
import type { LayerReader } from "../../layer/layer-port.ts";
import { type InodeRow, LINKS_UNCOUNTED } from "../../layer/rows.ts";
import { hashRange, scramble, secondHashRange } from "../byte-range.ts";
import { Child } from "../child.ts";
import type { DirectoryCache } from "../directory-cache.ts";
import type { DirectoryContents } from "../directory-contents.ts";
import { DIRECTORY, EXECUTABLE, SYMLINK } from "../inode-kind.ts";
import { type Inode, NO_ID, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "./inode.ts";
import type { InodeSet } from "./inode-set.ts";
import { LayerNames } from "./layer-names.ts";
import { type NameEntry, NameTable, OF_BASE, textOf, WHITEOUT } from "./name-table.ts";

/** What castore does not say: the modes of the base's files as long as nobody changes them. */
const DIRECTORY_MODE = S_IFDIR | 0o755;
const FILE_MODE = S_IFREG | 0o644;
const EXECUTABLE_MODE = S_IFREG | 0o755;
const SYMLINK_MODE = S_IFLNK | 0o777;

/** st_ino of the base's inodes: so far above those that a layer counts up. */
const TOP_BIT = 1 << 31;

/** Names in memory at one time, by default; beyond that, those that can be read again go. */
export const NAMES_MAX = 1 << 20;

/** A name that was looked for: filled in again and again. */
export class Found {
  /** What is in memory of the name; undefined: nothing. */
  entry: NameEntry | undefined = undefined;
  /** What the base says of it, when `entry` is undefined and the name was found. */
  readonly child = new Child();
}

export class Tree {
  readonly inodes: InodeSet;
  readonly names = new NameTable();
  readonly #reader: LayerReader;
  readonly #directories: DirectoryCache;
  readonly #logger: Logger;
  readonly #digest = new Uint8Array(32);
  readonly #namesMax: number;
  /** Directories with `names`, those first that have had them longest. */
  readonly #withNames = new Set<Inode>();
  /** A directory whose names are being gone through: they stay. */
  pinned: Inode | undefined = undefined;
  /** Hears of inodes that go from memory. */
  dropped: (inode: Inode) => void = () => {};
  /** Batches up to this one are in the layer's database. */
  settled = 0;

  constructor(
    inodes: InodeSet,
    reader: LayerReader,
    directories: DirectoryCache,
    logger: Logger,
    namesMax: number = NAMES_MAX,
  ) {
    this.inodes = inodes;
    this.#reader = reader;
    this.#directories = directories;
    this.#logger = logger;
    this.#namesMax = namesMax;
  }

  /** What lies beneath a directory; undefined: nothing; or -EIO, which was logged, or MISSING. */
  baseOf(directory: Inode): DirectoryContents | number | undefined {
    const { origin } = directory;
    if (origin === "") return undefined;
    for (let at = 0; at < origin.length; at++) this.#digest[at] = origin.charCodeAt(at);
    const hinted = this.#directories.peek(directory.cell);
    if (hinted?.digest.equalsAt(this.#digest, 0)) return hinted;
    const contents = this.#directories.get(this.#digest, 0);
    if (typeof contents === "number") return contents;
    directory.cell = contents.cell;
    directory.baseCount = contents.count;
    return contents;
  }

  /** Makes sure that the names which the layer has for a directory are in memory. 0 or a status. */
  loadNames(directory: Inode): number {
    if (directory.names !== undefined || directory.id === NO_ID) return 0;
    if (directory.baseCount < 0) {
      const base = this.baseOf(directory);
      if (typeof base === "number") return base;
      directory.baseCount = base?.count ?? 0;
    }
    const names = new LayerNames(directory.baseCount);
    for (const { name, position, inode } of this.#reader.entries(directory.id)) {
      const id = inode ?? WHITEOUT;
      const entry =
        this.names.findRange(directory, name, 0, name.length) ??
        this.names.add(directory, name, 0, name.length, position, id);
      entry.stored = true;
      names.add(entry);
    }
    this.setNames(directory, names);
    this.relieve(directory);
    return 0;
  }

  /** What the layer has for a directory. */
  setNames(directory: Inode, names: LayerNames): void {
    directory.names = names;
    this.#withNames.add(directory);
  }

  /** Looks for a name in a directory. 0, -ENOENT, -ENOTDIR, -EIO or MISSING. */
  find(directory: Inode, name: NameBytes, found: Found): number {
    if (!directory.isDirectory) return -ENOTDIR;
    const status = this.loadNames(directory);
    if (status < 0) return status;
    const entry = this.names.find(directory, name);
    found.entry = entry;
    if (entry !== undefined) return entry.id === WHITEOUT ? -ENOENT : 0;
    const base = this.baseOf(directory);
    if (base === undefined) return -ENOENT;
    if (typeof base === "number") return base;
    const index = base.find(name.bytes, name.start, name.end);
    if (index < 0) return -ENOENT;
    base.describe(index, found.child);
    return 0;
  }

  /**
   * The inode of what was found in `directory`; -ENFILE: too many are in memory; -EIO; or MISSING.
   * It has no lookup more: `dropUnused` it if it gets none.
   */
  enter(directory: Inode, found: Found): Inode | number {
    if (found.entry !== undefined) return this.inodeAt(found.entry);
    return this.addBase(directory, found.child);
  }

  /** The inode that stands at a name in memory that is not a whiteout. */
  inodeAt(entry: NameEntry): Inode | number {
    if (entry.id === OF_BASE) return entry.node as Inode;
    return this.inodes.byId(entry.id) ?? this.#load(entry);
  }

  /** A child of the base that is not in memory yet. */
  addBase(directory: Inode, child: Child): Inode | number {
    const isDirectory = child.kind === DIRECTORY;
    const contents = isDirectory
      ? this.#directories.get(child.digestBytes, child.digestStart)
      : undefined;
    if (typeof contents === "number") return contents;
    const inode = this.inodes.take();
    if (inode === undefined) return -ENFILE;
    if (contents !== undefined) {
      inode.links = contents.links;
      inode.cell = contents.cell;
      inode.baseCount = contents.count;
    }
    const { nameBytes, nameStart, nameEnd, index } = child;
    const { names } = this;
    const entry = names.add(directory, nameBytes, nameStart, nameEnd, index, OF_BASE);
    entry.node = inode;
    describeBase(inode, child);
    numberBase(child, directory);
    inode.inoLow = child.inoLow;
    inode.inoHigh = child.inoHigh;
    this.#stand(inode, entry);
    return inode;
  }

  /** A directory or an inode without an id now stands there. */
  #stand(inode: Inode, entry: NameEntry): void {
    inode.entry = entry;
    entry.directory.children += 1;
  }

  /** The inode stands at another name, or has none that counts (it can be found by its id). */
  moveTo(inode: Inode, entry: NameEntry | undefined): void {
    const from = inode.entry?.directory;
    inode.entry = undefined;
    if (entry !== undefined) this.#stand(inode, entry);
    if (from === undefined) return;
    from.children -= 1;
    this.dropUnused(from);
  }

  #load(entry: NameEntry): Inode | number {
    const row = this.#reader.inode(entry.id);
    if (row === undefined) {
      this.#logger.log("error", "the layer lacks an inode", { inode: entry.id });
      return -EIO;
    }
    const inode = this.inodes.take();
    if (inode === undefined) return -ENFILE;
    setRow(inode, row);
    this.inodes.setId(inode, row.id);
    if (!inode.isDirectory) return inode;
    this.#stand(inode, entry);
    const status = inode.links === LINKS_UNCOUNTED ? this.countLinks(inode) : 0;
    if (status === 0) return inode;
    this.dropUnused(inode);
    return status;
  }

  /** The root as the layer's row has it; false: it has none. */
  loadRoot(): boolean {
    const { root } = this.inodes;
    const row = this.#reader.inode(root.id);
    if (row === undefined) return false;
    setRow(root, row);
    return true;
  }

  /** Sets `links` of a directory whose row leaves it open. 0 or a status. */
  countLinks(directory: Inode): number {
    const status = this.loadNames(directory);
    const base = this.baseOf(directory);
    if (status < 0 || typeof base === "number") return status < 0 ? status : (base as number);
    let links = base?.links ?? 2;
    const child = new Child();
    for (const entry of directory.names?.over.values() ?? []) {
      base?.describe(entry.position, child);
      if (child.kind === DIRECTORY) links -= 1;
      if (this.#isDirectory(entry)) links += 1;
    }
    for (const entry of directory.names?.own ?? []) {
      if (!entry.gone && this.#isDirectory(entry)) links += 1;
    }
    directory.links = links;
    return 0;
  }

  #isDirectory({ id }: NameEntry): boolean {
    if (id === WHITEOUT) return false;
    const inode = this.inodes.byId(id);
    if (inode !== undefined) return inode.isDirectory;
    const row = this.#reader.inode(id);
    return row !== undefined && (row.mode & S_IFMT) === S_IFDIR;
  }

  /** Takes an inode out of memory if nothing needs it there; its directory may follow. */
  dropUnused(inode: Inode): void {
    for (let next: Inode | undefined = inode; next !== undefined && this.#isUnused(next); ) {
      const directory: Inode | undefined = next.entry?.directory;
      if (next.entry?.id === OF_BASE) this.names.remove(next.entry);
      this.#unload(next);
      this.dropped(next);
      next.entry = undefined;
      this.inodes.drop(next);
      if (directory !== undefined) directory.children -= 1;
      next = directory;
    }
  }

  #isUnused(inode: Inode): boolean {
    if (inode.lookups > 0 || inode.children > 0 || inode.dirty) return false;
    if (inode.changedIn > this.settled || inode === this.inodes.root) return false;
    if (inode.contents?.isSettled === false && !inode.gone) return false;
    return this.inodes.get(inode.nodeid) === inode;
  }

  #unload(directory: Inode): void {
    const { names } = directory;
    if (names === undefined) return;
    for (const entry of names.over.values()) this.#release(entry);
    for (const entry of names.own) if (!entry.gone) this.#release(entry);
    directory.names = undefined;
    this.#withNames.delete(directory);
  }

  /** A name can be read again, unless an inode in memory goes by it. */
  #release(entry: NameEntry): void {
    if (this.inodes.byId(entry.id)?.entry !== entry) this.names.remove(entry);
  }

  /** When too many names are in memory, lets go of some that can be read again. */
  relieve(but?: Inode): void {
    if (this.names.count <= this.#namesMax) return;
    for (const directory of this.#withNames) {
      if (this.names.count <= this.#namesMax / 2) return;
      const waits = directory.dirty || directory.changedIn > this.settled;
      if (directory !== but && directory !== this.pinned && !waits) this.#unload(directory);
    }
  }
}

function describeBase(inode: Inode, child: Child): void {
  inode.size = child.size;
  if (child.kind === SYMLINK) {
    inode.mode = SYMLINK_MODE;
    inode.target = Uint8Array.from(child.targetBytes.subarray(child.targetStart, child.targetEnd));
    return;
  }
  inode.origin = digestKey(child.digestBytes, child.digestStart);
  inode.originSize = child.size;
  inode.originExecutable = child.kind === EXECUTABLE;
  if (child.kind === DIRECTORY) inode.mode = DIRECTORY_MODE;
  else inode.mode = child.kind === EXECUTABLE ? EXECUTABLE_MODE : FILE_MODE;
}

/**
 * Sets `inoLow` and `inoHigh` of a child of the base: made of the directory's number and the name, so
 * that they are the same after every restart, and after the inode has been changed, too.
 */
export function numberBase(child: Child, { inoLow, inoHigh }: Inode): void {
  const { nameBytes, nameStart, nameEnd } = child;
  const low = scramble(inoLow ^ hashRange(nameBytes, nameStart, nameEnd));
  const high = scramble(inoHigh ^ secondHashRange(nameBytes, nameStart, nameEnd) ^ low);
  child.inoLow = low | 0;
  child.inoHigh = high | TOP_BIT;
}

function setRow(inode: Inode, row: InodeRow): void {
  const { origin } = row;
  inode.mode = row.mode;
  inode.uid = row.uid;
  inode.gid = row.gid;
  inode.rdev = row.rdev;
  inode.links = row.links;
  inode.size = row.size;
  inode.inoLow = row.inoLow | 0;
  inode.inoHigh = row.inoHigh | 0;
  inode.atimeSeconds = row.atime.seconds;
  inode.atimeNanoseconds = row.atime.nanoseconds;
  inode.mtimeSeconds = row.mtime.seconds;
  inode.mtimeNanoseconds = row.mtime.nanoseconds;
  inode.ctimeSeconds = row.ctime.seconds;
  inode.ctimeNanoseconds = row.ctime.nanoseconds;
  inode.btimeSeconds = row.btime.seconds;
  inode.btimeNanoseconds = row.btime.nanoseconds;
  inode.stored = true;
  if (origin === undefined) return;
  inode.origin = textOf(origin.digest, 0, origin.digest.length);
  inode.originSize = origin.size;
  inode.originExecutable = origin.executable;
}

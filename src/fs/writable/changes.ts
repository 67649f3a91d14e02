/** What has changed in a layer's inodes and names since the last batch. */
import type { LayerBatch } from "../../layer/batch.ts";
import type { LayerReader } from "../../layer/layer-port.ts";
import type { EntryRow, InodeRow, Origin, XattrRow } from "../../layer/rows.ts";
import { CLEAN, type Inode } from "./inode.ts";
import { bytesOf, type NameEntry, WHITEOUT } from "./name-table.ts";

interface XattrChange {
  readonly inode: Inode;
  readonly name: string;
  /** undefined: removed. */
  readonly value: Uint8Array | undefined;
}

/** The part of a batch that is not contents. */
export type ChangedRows = Pick<
  LayerBatch,
  "inodes" | "removedInodes" | "entries" | "removedEntries" | "xattrs"
>;

/** Bytes that a row takes in the database, roughly, beyond those of names and values. */
const ROW_BYTES = 200;

export class Changes {
  #inodes: Inode[] = [];
  #entries: NameEntry[] = [];
  #xattrs: XattrChange[] = [];
  readonly #reader: LayerReader;
  /** Of values and targets among them. */
  #longBytes = 0;

  constructor(reader: LayerReader) {
    this.#reader = reader;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Rows to be written, at most. */
  get count(): number {
    return this.#inodes.length + this.#entries.length + this.#xattrs.length;
  }

  /** Bytes that the rows will take in the layer, roughly. */
  get bytes(): number {
    return this.count * ROW_BYTES + this.#longBytes;
  }

  /** Attributes of the inode have changed, or it has gone. */
  inode(inode: Inode): void {
    if (inode.dirty) return;
    inode.dirtyAt = this.#inodes.length;
    this.#inodes.push(inode);
    this.#longBytes += inode.target?.length ?? 0;
  }

  /** An inode has gone: there is nothing to be written of what no batch ever had. */
  gone(inode: Inode): void {
    if (inode.stored) {
      this.inode(inode);
    } else if (inode.dirty) {
      takeOut(this.#inodes, inode);
    }
  }

  /** What stands for the name has changed, or nothing does any more. Its directory counts, too. */
  entry(entry: NameEntry): void {
    this.inode(entry.directory);
    if (entry.gone && !entry.stored) {
      if (entry.dirty) takeOut(this.#entries, entry);
      return;
    }
    if (entry.dirty) return;
    entry.dirtyAt = this.#entries.length;
    this.#entries.push(entry);
  }

  xattr(inode: Inode, name: string, value: Uint8Array | undefined): void {
    this.inode(inode);
    this.#xattrs.push({ inode, name, value });
    this.#longBytes += name.length + (value?.length ?? 0);
  }

  /** Makes rows of all of it for the batch `id`, and begins anew. `touched` gets the inodes. */
  take(id: number, touched: Inode[]): ChangedRows {
    const inodes: InodeRow[] = [];
    const removedInodes: number[] = [];
    for (const inode of this.#inodes) {
      inode.dirtyAt = CLEAN;
      inode.changedIn = id;
      touched.push(inode);
      if (!inode.gone) inodes.push(inodeRow(inode, this.#targetOf(inode)));
      else if (inode.stored) removedInodes.push(inode.id);
      inode.stored = !inode.gone;
    }
    const entries: EntryRow[] = [];
    const removedEntries: { parent: number; name: Uint8Array }[] = [];
    for (const entry of this.#entries) {
      entry.dirtyAt = CLEAN;
      const parent = entry.directory.id;
      if (!entry.gone) entries.push(entryRow(entry));
      else if (entry.stored) removedEntries.push({ parent, name: bytesOf(entry.name) });
      entry.stored = !entry.gone;
    }
    const xattrs = this.#xattrs.filter(({ inode }) => !inode.gone).map(xattrRow);
    this.#inodes = [];
    this.#entries = [];
    this.#xattrs = [];
    this.#longBytes = 0;
    return { inodes, removedInodes, entries, removedEntries, xattrs };
  }

  /** Of a symlink: it never changes, so that what is not in memory is in the row that it has. */
  #targetOf(inode: Inode): Uint8Array | undefined {
    if (inode.target !== undefined || !inode.isSymlink) return inode.target;
    return this.#reader.inode(inode.id)?.target;
  }
}

/** Takes something dirty out of the list that it is in: another gets its place. */
function takeOut<Item extends { dirtyAt: number }>(items: Item[], item: Item): void {
  const last = items.pop() as Item;
  if (last !== item) {
    items[item.dirtyAt] = last;
    last.dirtyAt = item.dirtyAt;
  }
  item.dirtyAt = CLEAN;
}

function inodeRow(inode: Inode, target: Uint8Array | undefined): InodeRow {
  return {
    id: inode.id,
    mode: inode.mode,
    uid: inode.uid,
    gid: inode.gid,
    rdev: inode.rdev,
    links: inode.links,
    size: inode.contents?.size ?? inode.size,
    inoLow: inode.inoLow >>> 0,
    inoHigh: inode.inoHigh >>> 0,
    atime: { seconds: inode.atimeSeconds, nanoseconds: inode.atimeNanoseconds },
    mtime: { seconds: inode.mtimeSeconds, nanoseconds: inode.mtimeNanoseconds },
    ctime: { seconds: inode.ctimeSeconds, nanoseconds: inode.ctimeNanoseconds },
    btime: { seconds: inode.btimeSeconds, nanoseconds: inode.btimeNanoseconds },
    origin: originOf(inode),
    target,
  };
}

/** What lies beneath an inode, as rows have it. */
export function originOf(inode: Inode): Origin | undefined {
  if (inode.origin === "") return undefined;
  return {
    kind: inode.isDirectory ? "directory" : "file",
    digest: bytesOf(inode.origin),
    size: inode.originSize,
    executable: inode.originExecutable,
  };
}

function entryRow({ directory, name, position, id }: NameEntry): EntryRow {
  const inode = id === WHITEOUT ? undefined : id;
  return { parent: directory.id, name: bytesOf(name), position, inode };
}

function xattrRow({ inode, name, value }: XattrChange): XattrRow {
  return { inode: inode.id, name: bytesOf(name), value };
}

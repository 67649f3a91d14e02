/**
 * An inode of a writable share, as long as it is in memory: because the kernel has it looked up, or
 * because what was changed in it is not in the layer's database yet. Known by nodeid to the kernel,
 * by id to the layer; an inode of the base that was never changed has no id, and is known by the
 * directory and the name where it stands.
 *
 * One object with number fields: times are whole seconds and nanoseconds, inode numbers two signed
 * halves, so that engines keep them unboxed.
 */
import type { NodeId } from "../../base/brands.ts";
import type { BlobReader } from "../../store/local-reader.ts";
import type { FileContents } from "./file-contents.ts";
import type { LayerNames } from "./layer-names.ts";
import type { NameEntry } from "./name-table.ts";

/** What stat(2) calls the type of a file, in `st_mode`. */
export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFIFO = 0o010000;
export const S_IFSOCK = 0o140000;

export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_IXGRP = 0o0010;
/** What chmod(2) sets. */
export const PERMISSION_BITS = 0o7777;

/** `dirtyAt` of what has not changed since the last batch. */
export const CLEAN = -1;

/** `Inode.allocated` of a file that was not looked into. */
export const UNKNOWN = -1;

/** `Inode.id` of what has no row in the layer. */
export const NO_ID = 0;

export class Inode {
  nodeid: NodeId;
  /** How often the kernel was given the nodeid, less what it has forgotten. */
  lookups = 0;
  id = NO_ID;
  mode = 0;
  uid = 0;
  gid = 0;
  rdev = 0;
  /** st_nlink. */
  links = 1;
  /** Of a symlink or an unchanged file; what has `contents` goes by those. */
  size = 0;
  inoLow = 0;
  inoHigh = 0;
  atimeSeconds = 0;
  atimeNanoseconds = 0;
  mtimeSeconds = 0;
  mtimeNanoseconds = 0;
  ctimeSeconds = 0;
  ctimeNanoseconds = 0;
  btimeSeconds = 0;
  btimeNanoseconds = 0;

  /** Where a directory, or what has no id, stands. Undefined: the root, and what has no name. */
  entry: NameEntry | undefined = undefined;
  /** The digest of what lies beneath, as `digestKey` makes it; "": nothing does. */
  origin = "";
  /** `size` and `executable` of the node that lies beneath. */
  originSize = 0;
  originExecutable = false;
  /** Of a symlink of the base, or one that is not in the layer yet. */
  target: Uint8Array | undefined = undefined;

  /** When a file was made or written to, in seconds since the epoch, as far as that is in memory. */
  writtenAt = 0;
  /** A file's, once it has an id and was asked for, among the last that were: OpenContents. */
  contents: FileContents | undefined = undefined;
  /** Where OpenContents keeps it; 0: it has no `contents`. */
  openCell = 0;
  /** Bytes that a file takes while `contents` are not there; UNKNOWN: its row does not say. */
  allocated = UNKNOWN;
  /** Of a file without contents of its own: remembered by BaseBlobs. */
  blob: BlobReader | undefined = undefined;
  /** A directory's: where the directory cache had what lies beneath. A hint. */
  cell = 0;
  /** Of a directory: entries of what lies beneath it; -1: it was not looked into yet. */
  baseCount = -1;
  /** A directory's names that are in the layer, if it has any and they were asked for. */
  names: LayerNames | undefined = undefined;
  /** Extended attributes by name, if it can have any and they were asked for. */
  xattrs: ReadonlyMap<string, Uint8Array> | undefined = undefined;

  /** Bytes of `xattrs`, as XattrMemory counts them. */
  xattrBytes = 0;

  /** Inodes in memory whose `entry` is in this directory: it stays as long as they do. */
  children = 0;
  /** Spreads its names over the hash table. */
  readonly salt: number;

  /** A row of it was put into a batch. */
  stored = false;
  /** Where it stands among what is to be put into the next batch, or CLEAN. */
  dirtyAt = CLEAN;
  /** The last batch that it was put into. */
  changedIn = 0;
  /** Without a name, forgotten by the kernel: there is nothing left of it. */
  gone = false;

  constructor(nodeid: NodeId, salt: number) {
    this.nodeid = nodeid;
    this.salt = salt;
  }

  /** It is to be put into the next batch. */
  get dirty(): boolean {
    return this.dirtyAt !== CLEAN;
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  get isFile(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  get isSymlink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }

  /** A directory without a name has been removed: nothing can be in it any more. */
  get isRemoved(): boolean {
    return this.links === 0;
  }
}

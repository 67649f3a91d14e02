/**
 * What a FUSE server serves. Each operation says which system call leads to it. Every method is
 * synchronous, allocates nothing, and returns 0 (or a count where it says so) or a negated errno;
 * what it throws is caught by the server, logged once and answered EIO. Where content may have to
 * be fetched first (`lookup`, `read`, `readdir`, `readdirplus`) it may return MISSING instead, having
 * changed nothing: it will be called again. A file system with `modifications` may return that, and
 * WAITING, from any of them.
 *
 * The server owns all objects that are passed in; they are valid during the call only.
 */
import type { NodeId } from "../base/brands.ts";
import type { ByteSink } from "../base/segments.ts";
import type { Modifications } from "./modifications.ts";

/** A name inside a request: `bytes[start, end)`, without the NUL. Never empty, no `/`, no NUL. */
export interface NameBytes {
  bytes: Uint8Array;
  start: number;
  end: number;
}

/**
 * Attributes of an inode (`struct fuse_attr`, `struct fuse_statx`), filled in by the file system.
 * The inode number is two 32-bit halves, signed or not. `size` in bytes, `blocks` of 512 bytes.
 */
export interface Attributes {
  inoLow: number;
  inoHigh: number;
  size: number;
  blocks: number;
  /** File type and permission bits, as in `st_mode`. */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  /** Of a device, as the kernel encodes it in 32 bits. 0 unless set, as all times. */
  rdev: number;
  blksize: number;
  /** Whole seconds since the epoch, signed, and nanoseconds. */
  atimeSeconds: number;
  atimeNanoseconds: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  ctimeSeconds: number;
  ctimeNanoseconds: number;
  /** When the inode came to be; shown of file systems with modifications only. */
  btimeSeconds: number;
  btimeNanoseconds: number;
  /**
   * How long the kernel may go by these attributes, in whole seconds. Preset to 0 (ask again each
   * time) before every call; FOREVER where the content is immutable.
   */
  validSeconds: number;
}

/** For `validSeconds`: longer than any guest runs. */
export const FOREVER = 0x7fff_ffff;

/** The answer to a successful lookup: a nodeid (its lookup count is one higher now) and attributes. */
export interface Entry {
  /** The nodeid, alone in an array: as a value, that of every entry would have to be boxed. */
  readonly node: Float64Array;
  readonly nodeid: NodeId;
  readonly attributes: Attributes;
  /**
   * How long the kernel may go by the name's answer without asking again, in whole seconds. Preset
   * to 0 before every call. Counts with -ENOENT too: set there, the absence is remembered, which is
   * right only where the name cannot appear later.
   */
  validSeconds: number;
}

/** An entry to be filled in again and again. */
export function newEntry(): Entry {
  return new ReusedEntry();
}

class ReusedEntry implements Entry {
  readonly attributes: Attributes = {
    inoLow: 0,
    inoHigh: 0,
    size: 0,
    blocks: 0,
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
    blksize: 0,
    atimeSeconds: 0,
    atimeNanoseconds: 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    ctimeSeconds: 0,
    ctimeNanoseconds: 0,
    btimeSeconds: 0,
    btimeNanoseconds: 0,
    validSeconds: 0,
  };
  validSeconds = 0;
  readonly node = new Float64Array(1);

  get nodeid(): NodeId {
    return this.node[0] as NodeId;
  }
}

/** Where a directory listing goes, entry by entry. */
export interface DirectorySink {
  /**
   * Appends one entry. `next` is the offset from which the listing goes on after this entry; the
   * name is `bytes[start, end)`; `type` is a DT_ value (`mode >> 12`). False: no room, nothing was
   * written, the listing ends here.
   */
  entry(
    inoLow: number,
    inoHigh: number,
    next: number,
    type: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean;
}

/** The same for READDIRPLUS. */
export interface DirectoryPlusSink {
  /** True while an entry with a name of `nameLength` bytes has room: ask before looking it up. */
  hasRoom(nameLength: number): boolean;
  /**
   * Appends one entry, after `hasRoom` said yes for a name as long. `.` and `..` pass nodeid 0: they
   * are not looked up and the kernel does not remember them.
   */
  entry(entry: Entry, next: number, bytes: Uint8Array, start: number, end: number): void;
}

/** What STATFS answers (`struct fuse_kstatfs`). Blocks of `bsize` bytes. */
export interface FileSystemStatistics {
  blocks: number;
  /** Of `blocks` and `files`, those that can still be had: 0 unless set. */
  freeBlocks: number;
  files: number;
  freeFiles: number;
  bsize: number;
  nameLength: number;
}

/** Statistics to be filled in again and again. */
export function newStatistics(): FileSystemStatistics {
  return { blocks: 0, freeBlocks: 0, files: 0, freeFiles: 0, bsize: 0, nameLength: 0 };
}

/** What `opendir` returns for a directory whose listing the kernel must not keep. */
export const LISTING_CHANGES = 1;

export interface FileSystem {
  /**
   * Whether `opendir` has to be asked, since it may refuse or return LISTING_CHANGES: a kernel that
   * opens directories without a message keeps every listing, and learns of a refusal only when it
   * reads, which some programs take for the end. Absent: no.
   */
  readonly asksOpendir?: boolean;

  /** What changes it; absent: it is read-only, and every attempt is answered EROFS. */
  readonly modifications?: Modifications;

  /** A session begins or ends (INIT, DESTROY, device reset): every nodeid but the root's is dropped. */
  reset(): void;

  /** stat(2), open(2), any path walk: LOOKUP. ENOENT, ENOTDIR, ESTALE. */
  lookup(parent: NodeId, name: NameBytes, entry: Entry): number;

  /** The kernel drops an inode from its cache: FORGET. Unknown nodeids and counts too high are borne. */
  forget(node: NodeId, count: number): void;

  /** fstat(2), statx(2): GETATTR, STATX. ESTALE. */
  getattr(node: NodeId, attributes: Attributes): number;

  /** access(2) where the kernel asks: `mask` of R_OK 4, W_OK 2, X_OK 1. EROFS, EACCES. */
  access(node: NodeId, mask: number): number;

  /** readlink(2), path walk: READLINK. The target without a NUL. EINVAL: not a symlink. */
  readlink(node: NodeId, sink: ByteSink): number;

  /** open(2) with `flags` as fcntl.h has them: OPEN. EROFS, EISDIR, ESTALE. */
  open(node: NodeId, flags: number): number;

  /**
   * read(2), mmap(2), execve(2): READ. Fewer bytes than `length` only at the end. `flags` are those of
   * open(2) as the descriptor has them now. EISDIR, EIO.
   */
  read(node: NodeId, offset: number, length: number, sink: ByteSink, flags: number): number;

  /** lseek(2) with SEEK_DATA or SEEK_HOLE: LSEEK. Returns the new offset. ENXIO, EINVAL. */
  lseek(node: NodeId, offset: number, whence: number): number;

  /**
   * opendir(3): OPENDIR. 0, or LISTING_CHANGES. ENOTDIR, EPERM when this root may not be listed.
   */
  opendir(node: NodeId): number;

  /** getdents(2): READDIR, from `offset` (0, or a `next` that was handed out). ENOTDIR, EPERM. */
  readdir(node: NodeId, offset: number, sink: DirectorySink): number;

  /** getdents(2): READDIRPLUS. Every entry but `.` and `..` counts as looked up. */
  readdirplus(node: NodeId, offset: number, sink: DirectoryPlusSink): number;

  /** statfs(2): STATFS. */
  statfs(node: NodeId, statistics: FileSystemStatistics): number;

  /** getxattr(2): GETXATTR. The value goes to the sink, whole. ENODATA; ENOSYS when never any. */
  getxattr(node: NodeId, name: NameBytes, sink: ByteSink): number;

  /**
   * listxattr(2): LISTXATTR. Names, each with its NUL; those of "trusted." for root (`uid` is the
   * caller's) alone. ENOSYS when never any.
   */
  listxattr(node: NodeId, sink: ByteSink, uid: number): number;
}

/**
 * What changes a file system. A read-only one has none of it (`FileSystem.modifications` absent): the
 * server answers EROFS then. Rules as in file-system.ts: synchronous, 0 or a count or a negated
 * errno; MISSING, WAITING and SYNCING (base/) put the request aside. The kernel has checked
 * permissions (virtio-fs mounts have default_permissions); what depends on more than attributes (sticky
 * directories, setgid, ACLs of a new inode) is said at each operation.
 */
import type { HostAddress, NodeId } from "../base/brands.ts";
import type { SyncTicket } from "../base/waiting.ts";
import type { Attributes, Entry, NameBytes } from "./file-system.ts";

/** Bytes that a request carries, in memory that the guest may change: each byte is copied once. */
export interface ByteSource {
  /** Bytes in all. */
  readonly length: number;
  /** Copies up to `length` bytes from `offset` on to `target` at `start`; returns how many. */
  copy(offset: number, target: Uint8Array, start: number, length: number): number;
  /** As Readable.copyPast (base/segments.ts). */
  copyPast?(offset: number, target: HostAddress, length: number): boolean;
}

/** `struct fuse_setattr_in`. Times are whole seconds since the epoch (signed) and nanoseconds. */
export interface AttributeChanges {
  /**
   * FATTR_* bits: which of these count. What it says of handles and lock owners does not; with
   * FATTR_ATIME_NOW (FATTR_MTIME_NOW) the guest's clock is in the time's fields, too.
   */
  valid: number;
  /** Permission bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Below 2^53 if it counts. */
  size: number;
  /** Times that no number holds are the earliest or latest that there are; nanoseconds below 10^9. */
  atimeSeconds: number;
  atimeNanoseconds: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  ctimeSeconds: number;
  ctimeNanoseconds: number;
}

/** What a new inode begins with. */
export interface NewInode {
  /** Permission bits as the program gave them; the file type in MKNOD. */
  mode: number;
  /** To be taken off `mode` unless the parent has a default ACL. */
  umask: number;
  /** The caller's: owner and, unless the parent is setgid, group. */
  uid: number;
  gid: number;
  /** Of a device (MKNOD), as the kernel encodes it in 32 bits. */
  rdev: number;
}

export interface Modifications {
  /**
   * The kernel collects what is written, and keeps mtime and ctime of files by itself: whatever changes
   * contents leaves them alone, since the kernel sends them (SETATTR), maybe before the change. The
   * server sets it when a session begins.
   */
  kernelKeepsTimes: boolean;

  /** Where SYNCING's ticket is. */
  readonly ticket: SyncTicket;

  /** chmod(2), chown(2), truncate(2), utimensat(2): SETATTR. Clears suid and sgid as chown(2) does. */
  setattr(node: NodeId, changes: AttributeChanges, attributes: Attributes): number;

  /** open(2) with O_CREAT: CREATE. `flags` as fcntl.h has them. EEXIST with O_EXCL. */
  create(parent: NodeId, name: NameBytes, inode: NewInode, flags: number, entry: Entry): number;

  /** open(2) with O_TMPFILE: TMPFILE. A regular file without a name, which link(2) may give it. */
  tmpfile(parent: NodeId, inode: NewInode, entry: Entry): number;

  /** mknod(2), mkfifo(3), bind(2): MKNOD. */
  mknod(parent: NodeId, name: NameBytes, inode: NewInode, entry: Entry): number;

  /** mkdir(2): MKDIR. */
  mkdir(parent: NodeId, name: NameBytes, inode: NewInode, entry: Entry): number;

  /** symlink(2): SYMLINK. */
  symlink(
    parent: NodeId,
    name: NameBytes,
    target: NameBytes,
    inode: NewInode,
    entry: Entry,
  ): number;

  /** link(2): LINK. */
  link(node: NodeId, parent: NodeId, name: NameBytes, entry: Entry): number;

  /** unlink(2): UNLINK. The inode lives on while the kernel has it looked up. */
  unlink(parent: NodeId, name: NameBytes): number;

  /** rmdir(2): RMDIR. ENOTEMPTY. */
  rmdir(parent: NodeId, name: NameBytes): number;

  /** rename(2), renameat2(2): RENAME, RENAME2. `flags`: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2. */
  rename(
    parent: NodeId,
    name: NameBytes,
    newParent: NodeId,
    newName: NameBytes,
    flags: number,
  ): number;

  /**
   * write(2), a page written back: WRITE. Returns the bytes written: all, or fewer before ENOSPC.
   * `flags`: FUSE_WRITE_*; with FUSE_WRITE_CACHE the kernel sends mtime and ctime itself. EFBIG, ENOSPC, EIO.
   */
  write(node: NodeId, offset: number, source: ByteSource, flags: number): number;

  /** fallocate(2) with `mode` as falloc.h has it: FALLOCATE. */
  fallocate(node: NodeId, offset: number, length: number, mode: number): number;

  /** copy_file_range(2): COPY_FILE_RANGE. Returns the bytes copied; fewer at the source's end. */
  copyFileRange(
    from: NodeId,
    fromOffset: number,
    to: NodeId,
    toOffset: number,
    length: number,
  ): number;

  /** setxattr(2): SETXATTR. `flags`: XATTR_CREATE 1, XATTR_REPLACE 2. `killSgid`: see fuse.h. */
  setxattr(
    node: NodeId,
    name: NameBytes,
    value: ByteSource,
    flags: number,
    killSgid: boolean,
  ): number;

  /** removexattr(2): REMOVEXATTR. ENODATA. */
  removexattr(node: NodeId, name: NameBytes): number;

  /** fsync(2), fdatasync(2), O_SYNC: FSYNC, FSYNCDIR. 0 when nothing waits for the disk, or SYNCING. */
  fsync(node: NodeId, dataOnly: boolean): number;

  /** syncfs(2), sync(2), umount(2): SYNCFS. 0 or SYNCING. */
  syncfs(): number;

  /** The layer thread has something to say: see LayerPort.take. Called between requests. */
  layerChanged(): void;

  /**
   * Does what is due at `now` (milliseconds, as performance.now()), such as writing back what is old.
   * Called between requests; returns in how many milliseconds to call again at the latest, or -1:
   * nothing will be due before something changes.
   */
  tick(now: number): number;

  /** Gets every ticket and every waiting request their answers; see SYNCING and WAITING (base/). */
  onProgress: ((settledTicket: number, errno: number) => void) | undefined;
}

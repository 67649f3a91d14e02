/** Making inodes: CREATE, TMPFILE, MKNOD, MKDIR, SYMLINK. */
import type { NodeId } from "../../base/brands.ts";
import { EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, EPERM } from "../../base/errno.ts";
import type { Entry, NameBytes } from "../../fuse/file-system.ts";
import type { NewInode } from "../../fuse/modifications.ts";
import { describeEntry } from "./describe.ts";
import type { FileOperations } from "./file-operations.ts";
import {
  type Inode,
  PERMISSION_BITS,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
} from "./inode.ts";
import { LayerNames } from "./layer-names.ts";
import type { LayerState } from "./layer-state.ts";
import { Found } from "./tree.ts";
import { NO_XATTRS } from "./xattrs.ts";

/** open(2): `flags` (asm-generic/fcntl.h). */
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;

export const NAME_BYTES_MAX = 255;
const TARGET_BYTES_MAX = 4095;

const DOT = 0x2e;

/** What mknod(2) makes. */
const NODE_TYPES = [S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK];

export class NewInodes {
  readonly #state: LayerState;
  readonly #files: FileOperations;
  readonly #found = new Found();

  constructor(state: LayerState, files: FileOperations) {
    this.#state = state;
    this.#files = files;
  }

  /** Opens what is there if it is a file, unless `flags` say O_EXCL. */
  create(parent: NodeId, name: NameBytes, init: NewInode, flags: number, entry: Entry): number {
    const directory = this.#state.directory(parent);
    if (typeof directory === "number") return directory;
    const status = this.#find(directory, name);
    if (status === 0 && (flags & O_EXCL) === 0) return this.#open(directory, flags, entry);
    return this.#make(directory, name, status, S_IFREG, init, entry, undefined);
  }

  #open(directory: Inode, flags: number, entry: Entry): number {
    const inode = this.#state.tree.enter(directory, this.#found);
    if (typeof inode === "number") return inode;
    if (inode.isDirectory) return -EISDIR;
    if ((flags & O_TRUNC) !== 0 && inode.isFile) {
      const status = this.#files.truncate(inode, 0);
      if (status < 0) return status;
    }
    describeEntry(this.#state, inode, entry);
    this.#state.journal.relieve();
    return 0;
  }

  tmpfile(parent: NodeId, init: NewInode, entry: Entry): number {
    const { state, directory } = this.#begin(parent);
    if (typeof directory === "number") return directory;
    const inode = this.#new(directory, S_IFREG, init);
    if (typeof inode === "number") return inode;
    inode.links = 0;
    describeEntry(state, inode, entry);
    state.journal.relieve();
    return 0;
  }

  #begin(parent: NodeId): { state: LayerState; directory: Inode | number } {
    const state = this.#state;
    const directory = state.directory(parent);
    if (typeof directory === "number") return { state, directory };
    // Whatever changes in a directory needs its names, and what lies beneath, to be there.
    const loaded = state.tree.loadNames(directory);
    const status = loaded < 0 ? loaded : state.begin(true);
    return { state, directory: status < 0 ? status : directory };
  }

  mknod(parent: NodeId, name: NameBytes, init: NewInode, entry: Entry): number {
    const type = init.mode & S_IFMT || S_IFREG;
    if (!NODE_TYPES.includes(type)) return type === S_IFDIR ? -EPERM : -EINVAL;
    return this.#makeNamed(parent, name, type, init, entry, undefined);
  }

  mkdir(parent: NodeId, name: NameBytes, init: NewInode, entry: Entry): number {
    return this.#makeNamed(parent, name, S_IFDIR, init, entry, undefined);
  }

  symlink(
    parent: NodeId,
    name: NameBytes,
    target: NameBytes,
    init: NewInode,
    entry: Entry,
  ): number {
    const { bytes, start, end } = target;
    if (end === start) return -ENOENT;
    if (end - start > TARGET_BYTES_MAX) return -ENAMETOOLONG;
    const copy = Uint8Array.from(bytes.subarray(start, end));
    return this.#makeNamed(parent, name, S_IFLNK, init, entry, copy);
  }

  #makeNamed(
    parent: NodeId,
    name: NameBytes,
    type: number,
    init: NewInode,
    entry: Entry,
    target: Uint8Array | undefined,
  ): number {
    const directory = this.#state.directory(parent);
    if (typeof directory === "number") return directory;
    const status = this.#find(directory, name);
    return this.#make(directory, name, status, type, init, entry, target);
  }

  /** Looks whether a name is there: 0, -ENOENT, or what else keeps it from being made. */
  #find(directory: Inode, name: NameBytes): number {
    const status = nameStatus(name);
    return status < 0 ? status : this.#state.tree.find(directory, name, this.#found);
  }

  #make(
    directory: Inode,
    name: NameBytes,
    found: number,
    type: number,
    init: NewInode,
    entry: Entry,
    target: Uint8Array | undefined,
  ): number {
    if (found !== -ENOENT) return found === 0 ? -EEXIST : found;
    const state = this.#state;
    const status = state.begin(true);
    if (status < 0) return status;
    const inode = this.#new(directory, type, init);
    if (typeof inode === "number") return inode;
    if (target !== undefined) {
      inode.target = target;
      inode.size = target.length;
    }
    state.edits.materialise(directory);
    state.edits.setName(directory, name, inode);
    if (type === S_IFDIR) directory.links += 1;
    state.clock.modified(directory);
    describeEntry(state, inode, entry);
    state.journal.relieve();
    return 0;
  }

  /** An inode as it begins in `directory`: owner, group, mode and ACLs (open(2), mkdir(2), acl(5)). */
  #new(directory: Inode, type: number, init: NewInode): Inode | number {
    const { edits, xattrs, clock, changes } = this.#state;
    const acl = type === S_IFLNK ? undefined : xattrs.defaultOf(directory);
    const inode = edits.makeInode();
    if (typeof inode === "number") return inode;
    const setgid = (directory.mode & S_ISGID) !== 0;
    const asked = init.mode & PERMISSION_BITS;
    inode.mode = type | this.#modeOf(type, acl?.inheritedMode(asked) ?? asked & ~init.umask);
    if (setgid && type === S_IFDIR) inode.mode |= S_ISGID;
    inode.uid = init.uid;
    inode.gid = setgid ? directory.gid : init.gid;
    if (type === S_IFCHR || type === S_IFBLK) inode.rdev = init.rdev;
    if (type === S_IFDIR) {
      inode.links = 2;
      inode.baseCount = 0;
      this.#state.tree.setNames(inode, new LayerNames(0));
    }
    inode.xattrs = NO_XATTRS;
    inode.allocated = 0;
    clock.begin(inode);
    changes.inode(inode);
    if (acl !== undefined) xattrs.inherit(inode, acl);
    return inode;
  }

  #modeOf(type: number, mode: number): number {
    return type === S_IFLNK ? 0o777 : mode;
  }
}

/** 0 when a name can be given to something. */
export function nameStatus({ bytes, start, end }: NameBytes): number {
  const length = end - start;
  if (length > NAME_BYTES_MAX) return -ENAMETOOLONG;
  if (length === 0) return -ENOENT;
  if (bytes[start] !== DOT || length > 2) return 0;
  return length === 1 || bytes[start + 1] === DOT ? -EEXIST : 0;
}

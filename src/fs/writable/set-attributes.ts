/** SETATTR: chmod(2), chown(2), truncate(2), utimensat(2). */
import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_CTIME,
  FATTR_GID,
  FATTR_KILL_SUIDGID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
} from "../../abi/fuse-constants.ts";
import type { NodeId } from "../../base/brands.ts";
import { EINVAL, EISDIR, ESTALE } from "../../base/errno.ts";
import type { Attributes } from "../../fuse/file-system.ts";
import type { AttributeChanges } from "../../fuse/modifications.ts";
import { describe } from "./describe.ts";
import { clearSuidgid, type FileOperations } from "./file-operations.ts";
import { type Inode, PERMISSION_BITS } from "./inode.ts";
import type { LayerState } from "./layer-state.ts";

/** All that says of what is to be changed, but the ctime: what comes with nothing else is chown(2). */
const SUBSTANCE = FATTR_MODE | FATTR_UID | FATTR_GID | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME;

const NANOSECONDS_MAX = 999_999_999;

export class SetAttributes {
  readonly #state: LayerState;
  readonly #files: FileOperations;

  constructor(state: LayerState, files: FileOperations) {
    this.#state = state;
    this.#files = files;
  }

  setattr(node: NodeId, changes: AttributeChanges, attributes: Attributes): number {
    const state = this.#state;
    const inode = state.inodes.get(node);
    if (inode === undefined) return -ESTALE;
    if (!areTimes(changes)) return -EINVAL;
    const status = this.#begin(inode, changes);
    if (status < 0) return status;
    state.edits.materialise(inode);
    this.#setMode(inode, changes);
    this.#setOwner(inode, changes);
    this.#setTimes(inode, changes);
    state.changes.inode(inode);
    describe(state, inode, attributes);
    state.journal.relieve();
    return 0;
  }

  /** The size is what can fail: it is set first. */
  #begin(inode: Inode, { valid, size }: AttributeChanges): number {
    if ((valid & FATTR_SIZE) === 0) return this.#state.begin(false);
    if (!inode.isFile) return inode.isDirectory ? -EISDIR : -EINVAL;
    const status = this.#files.truncate(inode, size);
    if (status === 0 && (valid & FATTR_KILL_SUIDGID) !== 0) clearSuidgid(inode);
    return status;
  }

  #setMode(inode: Inode, { valid, mode }: AttributeChanges): void {
    if ((valid & FATTR_MODE) === 0) return;
    inode.mode = (inode.mode & ~PERMISSION_BITS) | (mode & PERMISSION_BITS);
    this.#state.xattrs.chmod(inode, mode);
  }

  /** chown(2), even one that changes nothing, takes set-user-ID and file capabilities away. */
  #setOwner(inode: Inode, { valid, uid, gid }: AttributeChanges): void {
    if ((valid & FATTR_UID) !== 0) inode.uid = uid;
    if ((valid & FATTR_GID) !== 0) inode.gid = gid;
    const isChown = (valid & (FATTR_UID | FATTR_GID)) !== 0 || (valid & SUBSTANCE) === 0;
    if (!isChown || inode.isDirectory) return;
    if ((valid & FATTR_MODE) === 0) clearSuidgid(inode);
    this.#state.xattrs.killCapability(inode);
  }

  #setTimes(inode: Inode, changes: AttributeChanges): void {
    const { clock } = this.#state;
    const { valid } = changes;
    // A new size has marked what it changes; the size that was there changes nothing.
    if ((valid & SUBSTANCE) !== FATTR_SIZE) clock.changed(inode);
    if ((valid & FATTR_ATIME) !== 0) {
      const now = (valid & FATTR_ATIME_NOW) !== 0;
      inode.atimeSeconds = now ? clock.seconds : changes.atimeSeconds;
      inode.atimeNanoseconds = now ? clock.nanoseconds : changes.atimeNanoseconds;
    }
    if ((valid & FATTR_MTIME) !== 0) {
      const now = (valid & FATTR_MTIME_NOW) !== 0;
      inode.mtimeSeconds = now ? clock.seconds : changes.mtimeSeconds;
      inode.mtimeNanoseconds = now ? clock.nanoseconds : changes.mtimeNanoseconds;
    }
    if ((valid & FATTR_CTIME) !== 0) {
      inode.ctimeSeconds = changes.ctimeSeconds;
      inode.ctimeNanoseconds = changes.ctimeNanoseconds;
    }
  }
}

/** Nanoseconds that count are below a second. */
function areTimes(changes: AttributeChanges): boolean {
  const { valid } = changes;
  return (
    ((valid & FATTR_ATIME) === 0 || changes.atimeNanoseconds <= NANOSECONDS_MAX) &&
    ((valid & FATTR_MTIME) === 0 || changes.mtimeNanoseconds <= NANOSECONDS_MAX) &&
    ((valid & FATTR_CTIME) === 0 || changes.ctimeNanoseconds <= NANOSECONDS_MAX)
  );
}

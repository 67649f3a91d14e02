/** Contents of files: READ, WRITE, LSEEK, FALLOCATE, COPY_FILE_RANGE, and truncating. */
import { FUSE_WRITE_CACHE, FUSE_WRITE_KILL_SUIDGID } from "../../abi/fuse-constants.ts";
import type { NodeId } from "../../base/brands.ts";
import { EFBIG, EINVAL, EISDIR, ENXIO, ESTALE } from "../../base/errno.ts";
import type { ByteSink } from "../../base/segments.ts";
import type { ByteSource } from "../../fuse/modifications.ts";
import { type Inode, NO_ID, S_ISGID, S_ISUID, S_IXGRP } from "./inode.ts";
import type { LayerState } from "./layer-state.ts";

/** lseek(2): `whence`. */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** open(2). */
const O_NOATIME = 0o1000000;

export class FileOperations {
  /** See Modifications. */
  kernelKeepsTimes = false;
  readonly #state: LayerState;

  constructor(state: LayerState) {
    this.#state = state;
  }

  read(node: NodeId, offset: number, length: number, sink: ByteSink, flags: number): number {
    const inode = this.#state.inodes.get(node);
    if (inode === undefined) return -ESTALE;
    if (!inode.isFile) return inode.isDirectory ? -EISDIR : -EINVAL;
    if (!isOffset(offset) || !isOffset(length)) return -EINVAL;
    return inode.id === NO_ID
      ? this.#readBase(inode, offset, length, sink)
      : this.#readLayer(inode, offset, length, sink, flags);
  }

  #readBase(inode: Inode, offset: number, length: number, sink: ByteSink): number {
    const available = inode.size - offset;
    if (available <= 0 || length === 0) return 0;
    const blob = this.#state.blobs.of(inode);
    if (typeof blob === "number") return blob;
    return blob.read(offset, Math.min(length, available), sink);
  }

  #readLayer(inode: Inode, offset: number, length: number, sink: ByteSink, flags: number): number {
    const contents = this.#state.contentsOf(inode);
    if (typeof contents === "number") return contents;
    const available = contents.size - offset;
    if (available > 0 && length > 0) {
      const status = contents.read(offset, Math.min(length, available), sink);
      if (status < 0) return status;
    }
    if ((flags & O_NOATIME) === 0) this.touch(inode);
    return 0;
  }

  /** It has been read: atime, as relatime has it. What was never changed keeps its time. */
  touch(inode: Inode): void {
    const { clock, changes, journal } = this.#state;
    if (inode.id === NO_ID || journal.failed !== 0) return;
    clock.read();
    if (!clock.isAtimeDue(inode)) return;
    clock.accessed(inode);
    changes.inode(inode);
  }

  write(node: NodeId, offset: number, source: ByteSource, flags: number): number {
    const inode = this.#file(node);
    if (typeof inode === "number") return inode;
    if (!isOffset(offset)) return -EINVAL;
    if (!isOffset(offset + source.length)) return -EFBIG;
    const begun = this.#state.begin(false);
    if (begun < 0) return begun;
    const contents = this.#state.openContents(inode);
    if (typeof contents === "number") return contents;
    const written = contents.write(offset, source);
    if (written < 0) return this.#refused(written);
    this.#written(inode, (flags & FUSE_WRITE_CACHE) === 0);
    if ((flags & FUSE_WRITE_KILL_SUIDGID) !== 0) clearSuidgid(inode);
    this.#state.journal.relieve();
    return written;
  }

  /** Of a file, as a part of a request: `relieve` is left to the caller. 0 or a status. */
  truncate(inode: Inode, size: number): number {
    if (!isOffset(size)) return -EINVAL;
    const begun = this.#state.begin(false);
    if (begun < 0) return begun;
    const contents = this.#state.openContents(inode);
    if (typeof contents === "number") return contents;
    // truncate(2) to the size it has leaves the times; where they shall change, the kernel sends them.
    if (size === contents.size) return 0;
    const status = contents.resize(size);
    if (status < 0) return this.#refused(status);
    this.#written(inode);
    return 0;
  }

  fallocate(node: NodeId, offset: number, length: number, mode: number): number {
    const inode = this.#file(node);
    if (typeof inode === "number") return inode;
    if (!isOffset(offset) || !isOffset(length) || length === 0) return -EINVAL;
    if (!isOffset(offset + length)) return -EFBIG;
    const begun = this.#state.begin(false);
    if (begun < 0) return begun;
    const contents = this.#state.openContents(inode);
    if (typeof contents === "number") return contents;
    const status = contents.fallocate(offset, length, mode);
    if (status < 0) return this.#refused(status);
    this.#written(inode);
    this.#state.journal.relieve();
    return 0;
  }

  lseek(node: NodeId, offset: number, whence: number): number {
    const inode = this.#file(node);
    if (typeof inode === "number") return inode;
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -EINVAL;
    if (!isOffset(offset)) return -ENXIO;
    if (inode.id === NO_ID) {
      if (offset >= inode.size) return -ENXIO;
      return whence === SEEK_DATA ? offset : inode.size;
    }
    const contents = this.#state.contentsOf(inode);
    return typeof contents === "number" ? contents : contents.seek(offset, whence);
  }

  copyFileRange(
    from: NodeId,
    fromOffset: number,
    to: NodeId,
    toOffset: number,
    length: number,
  ): number {
    const source = this.#file(from);
    const target = this.#file(to);
    if (typeof source === "number") return source;
    if (typeof target === "number") return target;
    if (!isOffset(fromOffset) || !isOffset(toOffset) || !isOffset(length)) return -EINVAL;
    if (!isOffset(toOffset + length)) return -EFBIG;
    const begun = this.#state.begin(false);
    if (begun < 0) return begun;
    const taken = this.#state.contentsOf(source);
    const contents = this.#state.openContents(target);
    if (typeof taken === "number") return taken;
    if (typeof contents === "number") return contents;
    const available = Math.min(length, taken.size - fromOffset);
    if (available <= 0) return 0;
    const isOverlap = source === target && Math.abs(fromOffset - toOffset) < available;
    if (isOverlap) return -EINVAL;
    const copied = contents.copyFrom(taken, fromOffset, toOffset, available);
    if (copied < 0) return this.#refused(copied);
    if (copied === 0) return 0;
    this.#written(target);
    this.#state.journal.relieve();
    return copied;
  }

  /**
   * Contents have changed: file capabilities, which writing takes away, and times. Of a page that is
   * written back the kernel knows when it was changed: it sends that, maybe before the page.
   */
  #written(inode: Inode, isNow = true): void {
    const { clock, changes, xattrs } = this.#state;
    if (isNow && !this.kernelKeepsTimes) clock.modified(inode);
    inode.writtenAt = clock.seconds;
    xattrs.killCapability(inode);
    changes.inode(inode);
  }

  /** WAITING and -ENOSPC may end when what waits is written. */
  #refused(status: number): number {
    this.#state.journal.relieve();
    return status;
  }

  #file(node: NodeId): Inode | number {
    const inode = this.#state.inodes.get(node);
    if (inode === undefined) return -ESTALE;
    if (inode.isFile) return inode;
    return inode.isDirectory ? -EISDIR : -EINVAL;
  }
}

/** As writing and chown(2) have it: a set-group-ID bit without execution is a locking mode. */
export function clearSuidgid(inode: Inode): void {
  inode.mode &= ~S_ISUID;
  if ((inode.mode & S_IXGRP) !== 0) inode.mode &= ~S_ISGID;
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

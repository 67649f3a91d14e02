/** The bytes of one file of a layer. Signatures first; what they do follows. */
import type { ByteSink } from "../../base/segments.ts";
import type { ByteSource } from "../../fuse/modifications.ts";

/**
 * All operations return 0 or a count, or a status: a negated errno, MISSING, or WAITING. With a
 * status nothing has changed.
 */
export declare class FileContents {
  /** The layer's id of the inode. */
  readonly id: number;
  /** Bytes; may change by `write`, `resize`, `fallocate` and `copyFrom`. */
  readonly size: number;
  /** Bytes that the file takes, for st_blocks: holes do not count, the base's bytes do. */
  readonly allocatedBytes: number;
  /** Something of it waits to be collected. */
  readonly isDirty: boolean;
  /** Nothing waits or is being written: it can be dropped, and made again from its rows. */
  readonly isSettled: boolean;

  /** Appends the bytes [offset, offset + length) to `sink`; the caller keeps them inside the file. */
  read(offset: number, length: number, sink: ByteSink): number;
  /** Returns the bytes written: fewer than `source` has only before -ENOSPC. -EFBIG, -EIO. */
  write(offset: number, source: ByteSource): number;
  /** ftruncate(2). */
  resize(size: number): number;
  /** fallocate(2), `mode` of FALLOC_FL_*: 0, KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE; else -EOPNOTSUPP. */
  fallocate(offset: number, length: number, mode: number): number;
  /** lseek(2): SEEK_DATA 3, SEEK_HOLE 4. The offset, or -ENXIO. */
  seek(offset: number, whence: number): number;
  /** copy_file_range(2). Returns the bytes copied, maybe fewer; the base's are taken by reference. */
  copyFrom(other: FileContents, fromOffset: number, toOffset: number, length: number): number;
  /** The inode is removed: its room is freed, and its rows are left to whoever removes the inode. */
  discard(): void;
}

/** Writing parts of a file out to the disk. */
import { shim } from "./shim.ts";

/** sync_file_range(2): write; or wait for what is being written, write the rest, wait for it. */
const WRITE = 2;
const WAIT_BEFORE_WRITE_WAIT_AFTER = 7;

/**
 * Has the disk take `bytes` at `offset` of an open file; they may still be in its own cache then: a
 * sync of any file of the same file system flushes that. True when it worked. With `wait` false it
 * has only begun. For bytes that were on the disk before and are overwritten in place: no metadata
 * is written.
 */
export function syncRange(fd: number, offset: number, bytes: number, wait: boolean): boolean {
  const flags = wait ? WAIT_BEFORE_WRITE_WAIT_AFTER : WRITE;
  return shim.syncFileRange(fd, offset, bytes, flags) === 0;
}

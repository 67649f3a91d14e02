/** Writing parts of a file out to the disk. */
import { shim } from "./shim.ts";

/** sync_file_range(2): wait for what is being written, write the rest, wait for it. */
const WAIT_BEFORE_WRITE_WAIT_AFTER = 7;

/**
 * Has the disk take `bytes` at `offset` of an open file, which may still be in its own cache then: a
 * sync of any file of the same file system flushes that. True when it worked. Only for bytes that
 * were on the disk before and are overwritten in place: no metadata is written.
 */
export function syncRange(fd: number, offset: number, bytes: number): boolean {
  return shim.syncFileRange(fd, offset, bytes, WAIT_BEFORE_WRITE_WAIT_AFTER) === 0;
}

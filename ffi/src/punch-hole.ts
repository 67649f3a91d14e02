/** Giving parts of a file back to the disk. */
import { shim } from "./shim.ts";

/**
 * Gives back the room of `bytes` at `offset` in an open file; they read as zeros then, and the file
 * keeps its size. Returns 0, or -errno: -EOPNOTSUPP where the file system has no holes.
 */
export function punchHole(fd: number, offset: number, bytes: number): number {
  return shim.punchHole(fd, offset, bytes);
}

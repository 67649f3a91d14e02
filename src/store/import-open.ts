/** Reading a file of the host that may be anything by now, and may be written to meanwhile. */
import { constants, openSync, readSync, type Stats } from "node:fs";
import { ImportError } from "./errors.ts";

/** How often to read a file that changes meanwhile. */
export const FILE_ATTEMPTS_MAX = 3;

/** What was found under a name that was a file when the folder was listed. */
export type NotAFile = "not a file";

/** @throws an error of `node:fs` */
export function openFile(path: Buffer): number {
  // Nonblocking: opening what has become a FIFO must not wait for its other end.
  return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/**
 * Reads from `position` of the file to `bytes[at, at + length)`, less only where the file ends.
 * Returns how much there was.
 */
export function readFully(
  fd: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  position: number,
): number {
  let done = 0;
  while (done < length) {
    const read = readSync(fd, bytes, at + done, length - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}

/** True when the file was not written to between the two looks at it. */
export function isUnchanged(before: Stats, after: Stats): boolean {
  return (
    before.size === after.size &&
    before.mtimeMs === after.mtimeMs &&
    before.ctimeMs === after.ctimeMs
  );
}

/** Said of a file that was another each time it was read. */
export function changingFile(path: string): ImportError {
  return new ImportError("the file changes while it is being read", {
    path,
    remedy: "stop whatever writes to it, or import a snapshot",
  });
}

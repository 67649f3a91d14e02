/** Opening a segment to append to it. The caller holds the slot that it belongs to. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  statSync,
  truncateSync,
} from "node:fs";
import { segmentPath, segmentsPath } from "./disk-layout.ts";
import { StoreError } from "./errors.ts";
import type { SegmentEnd } from "./segment-table.ts";

/**
 * A descriptor of the segment's file, which ends where what is committed ends: what lay beyond was
 * left by a writer that did not finish. A segment without a byte gets its file.
 * @throws StoreError, an error of `node:fs`
 */
export function openSegment(directory: string, { segment, length }: SegmentEnd): number {
  const path = segmentPath(directory, segment);
  // What was committed is there: only a new segment may lack its file.
  const create = length === 0 ? constants.O_CREAT : 0;
  const fd = openSync(path, constants.O_RDWR | create, 0o644);
  try {
    cutSegment(fd, length, path);
    if (length === 0) syncFolder(segmentsPath(directory));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Whether the file has all that is committed of the segment: false when it was cut or removed. */
export function hasCommitted(directory: string, { segment, length }: SegmentEnd): boolean {
  const stats = statSync(segmentPath(directory, segment), { throwIfNoEntry: false });
  return length === 0 || (stats !== undefined && stats.size >= length);
}

/** Cuts off what an earlier writer left beyond `length`. */
function cutSegment(fd: number, length: number, path: string): void {
  const { size } = fstatSync(fd);
  if (size < length) {
    throw new StoreError("a segment is shorter than what was stored in it", {
      path,
      remedy: "verify the store; import again into a new one",
    });
  }
  if (size > length) ftruncateSync(fd, length);
}

/** Gives back the room of what was written and not committed, as far as the disk lets us. */
export function giveBack(directory: string, { segment, length }: SegmentEnd): void {
  const path = segmentPath(directory, segment);
  try {
    if (statSync(path).size > length) truncateSync(path, length);
  } catch {
    // The next writer to this segment does it.
  }
}

/** The name of a new file reaches the disk with its folder. */
function syncFolder(path: string): void {
  const folder = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Appending to a segment without holding up this thread. */
import { closeSync, fdatasync, writev } from "node:fs";
import { promisify } from "node:util";
import { segmentPath } from "./disk-layout.ts";
import { giveBack, openSegment } from "./segment-open.ts";
import type { SegmentEnd } from "./segment-table.ts";
import { systemFailure } from "./sqlite-failure.ts";

const writeBuffers = promisify(writev);
const syncData = promisify(fdatasync);

/**
 * Writes `buffers` from `end` on; returns with all of it on disk. The caller holds the slot of the
 * segment. @throws StoreError
 */
export async function appendToSegment(
  directory: string,
  end: SegmentEnd,
  buffers: readonly Uint8Array[],
): Promise<void> {
  let fd: number | undefined;
  try {
    fd = openSegment(directory, end);
    await writeAll(fd, buffers, end.length);
    await syncData(fd);
  } catch (error) {
    giveBack(directory, end);
    throw systemFailure(error, segmentPath(directory, end.segment));
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

async function writeAll(fd: number, buffers: readonly Uint8Array[], offset: number): Promise<void> {
  let left = without(buffers, 0);
  for (let position = offset; left.length > 0; ) {
    const { bytesWritten } = await writeBuffers(fd, left, position);
    position += bytesWritten;
    left = without(left, bytesWritten);
  }
}

/** What is left of `buffers` after their first `count` bytes, without empty ones. */
function without(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let skip = count;
  for (const buffer of buffers) {
    const skipped = Math.min(skip, buffer.length);
    skip -= skipped;
    if (skipped < buffer.length) left.push(skipped === 0 ? buffer : buffer.subarray(skipped));
  }
  return left;
}

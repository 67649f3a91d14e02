/**
 * A worker that rewrites guest memory while the device reads it: a second virtual CPU gone bad. It
 * writes through the memory's file, so that it needs no mapping of its own.
 */
import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

/** One place in the file, and what is written there in turn. */
export interface Scribble {
  readonly offset: number;
  readonly variants: readonly Uint8Array[];
}

export interface ScribblerData {
  readonly fd: number;
  readonly scribbles: readonly Scribble[];
  /** Set to 1 by the other side: stop. */
  readonly stop: Int32Array;
  /** Counts the writes. */
  readonly writes: Int32Array;
  readonly seed: number;
}

if (parentPort !== null) {
  const { fd, scribbles, stop, writes, seed } = workerData as ScribblerData;
  let state = seed | 1;
  while (Atomics.load(stop, 0) === 0) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const { offset, variants } = scribbles[(state >>> 0) % scribbles.length]!;
    const bytes = variants[(state >>> 8) % variants.length]!;
    writeSync(fd, bytes, 0, bytes.length, offset);
    Atomics.add(writes, 0, 1);
  }
}

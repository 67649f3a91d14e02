/** The segments of a store as open files: how the control side reads, without a mapping. */
import { closeSync, openSync, readSync } from "node:fs";
import type { Location } from "./disk-index.ts";
import { segmentPath } from "./disk-layout.ts";

/** Segments open at a time. */
export const OPEN_SEGMENTS_MAX = 32;

export class SegmentFiles implements Disposable {
  readonly #directory: string;
  /** By segment, the one used longest ago first. */
  readonly #open = new Map<number, number>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Reads the object at `location` to the start of `target`. False: the segment ends before it.
   * @throws an error of `node:fs`
   */
  read(location: Readonly<Location>, target: Uint8Array): boolean {
    const fd = this.#file(location.segment);
    let at = 0;
    while (at < location.length) {
      const read = readSync(fd, target, at, location.length - at, location.offset + at);
      if (read === 0) return false;
      at += read;
    }
    return true;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #file(segment: number): number {
    let fd = this.#open.get(segment);
    if (fd !== undefined) {
      this.#open.delete(segment);
      this.#open.set(segment, fd);
      return fd;
    }
    fd = openSync(segmentPath(this.#directory, segment), "r");
    for (const [oldest, oldestFd] of this.#open) {
      if (this.#open.size < OPEN_SEGMENTS_MAX) break;
      this.#open.delete(oldest);
      closeSync(oldestFd);
    }
    this.#open.set(segment, fd);
    return fd;
  }
}

/**
 * Appends objects to the last segment of a store. Bytes gather in a buffer; `sync` puts them on
 * disk, and only then may an index transaction name them. The caller holds the writer lock.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  writeSync,
} from "node:fs";
import type { Location } from "./disk-index.ts";
import { SEGMENTS_MAX, segmentPath, segmentsPath } from "./disk-layout.ts";
import { StoreError } from "./errors.ts";
import type { SegmentEnd } from "./segment-table.ts";
import { systemFailure } from "./sqlite-failure.ts";

const BUFFER_BYTES = 4 * 1024 * 1024;

export class SegmentWriter implements Disposable {
  readonly #directory: string;
  readonly #bytesMax: number;
  #segment: number;
  /** The next object begins here: what the file holds and what waits in the buffer. */
  #length: number;
  #fd = -1;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #buffered = 0;
  #lengthOfPrevious = 0;

  /** Goes on after what is committed. */
  constructor(directory: string, end: SegmentEnd, bytesMax: number) {
    this.#directory = directory;
    this.#segment = end.segment;
    this.#length = end.length;
    this.#bytesMax = bytesMax;
  }

  get segment(): number {
    return this.#segment;
  }

  /** Bytes of the segment once `sync` has returned. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of the segment before this one, which is full and on disk. */
  get lengthOfPrevious(): number {
    return this.#lengthOfPrevious;
  }

  /**
   * Appends an object and says where it will lie.
   * @throws StoreError when the disk refuses, or the store has as many segments as it can.
   */
  append(bytes: Uint8Array, location: Location): void {
    try {
      if (this.#length > 0 && this.#length + bytes.length > this.#bytesMax) this.#nextSegment();
      if (this.#fd < 0) this.#open();
      location.segment = this.#segment;
      location.offset = this.#length;
      location.length = bytes.length;
      if (this.#buffered + bytes.length > BUFFER_BYTES) this.#flush();
      if (bytes.length > BUFFER_BYTES) {
        this.#write(bytes, this.#length);
      } else {
        this.#buffer.set(bytes, this.#buffered);
        this.#buffered += bytes.length;
      }
      this.#length += bytes.length;
    } catch (error) {
      throw systemFailure(error, segmentPath(this.#directory, this.#segment));
    }
  }

  /** Returns once every appended byte is on disk. */
  sync(): void {
    if (this.#fd < 0) return;
    try {
      this.#flush();
      fdatasyncSync(this.#fd);
    } catch (error) {
      throw systemFailure(error, segmentPath(this.#directory, this.#segment));
    }
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  #nextSegment(): void {
    this.sync();
    this.#close();
    this.#lengthOfPrevious = this.#length;
    this.#segment += 1;
    this.#length = 0;
    if (this.#segment > SEGMENTS_MAX) {
      throw new StoreError("the store is full: it has as many segments as it can have", {
        path: this.#directory,
        remedy: "begin a new store",
      });
    }
  }

  /** What lies beyond the committed length was left by an importer that did not finish. */
  #open(): void {
    const path = segmentPath(this.#directory, this.#segment);
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644);
    if (fstatSync(this.#fd).size < this.#length) {
      throw new StoreError("a segment is shorter than what was stored in it", {
        path,
        remedy: "verify the store; import again into a new one",
      });
    }
    ftruncateSync(this.#fd, this.#length);
    if (this.#length > 0) return;
    const directory = openSync(segmentsPath(this.#directory), constants.O_RDONLY);
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  }

  #flush(): void {
    const buffered = this.#buffered;
    this.#buffered = 0;
    this.#write(this.#buffer.subarray(0, buffered), this.#length - buffered);
  }

  #write(bytes: Uint8Array, offset: number): void {
    for (let at = 0; at < bytes.length; ) {
      at += writeSync(this.#fd, bytes, at, bytes.length - at, offset + at);
    }
  }

  #close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

/**
 * Appends objects to the segment of a slot, and to a new one when it is full. Bytes gather in a
 * buffer; `sync` puts them on disk, and only then may an index transaction name them. The caller
 * holds the slot.
 *
 * What is not committed lies in the segment that is the slot's, nowhere else: others may remove any
 * segment that belongs to no slot and that the index names nothing in.
 */
import { closeSync, fdatasyncSync, writeSync } from "node:fs";
import type { Location } from "./disk-index.ts";
import { segmentPath } from "./disk-layout.ts";
import { StoreError } from "./errors.ts";
import { giveBack, openSegment } from "./segment-open.ts";
import type { SegmentEnd } from "./segment-table.ts";
import { systemFailure } from "./sqlite-failure.ts";

const BUFFER_BYTES = 1024 * 1024;
/** Objects from this size on are written as they are: gathering them costs more than a call. */
const GATHERED_BYTES_MAX = 64 * 1024;

export interface SegmentWriterOptions {
  readonly directory: string;
  /** Where to go on; undefined: in a new segment. */
  readonly end: SegmentEnd | undefined;
  /** Commits everything that was appended, if anything was, and gives the slot a new segment. */
  readonly begin: () => SegmentEnd;
  readonly segmentBytesMax: number;
}

export class SegmentWriter implements Disposable {
  readonly #directory: string;
  readonly #begin: () => SegmentEnd;
  readonly #bytesMax: number;
  /** Where to go on, until the first object comes. */
  #end: SegmentEnd | undefined;
  #segment = 0;
  /** The next object begins here: what the file holds and what waits in the buffer. */
  #length = 0;
  #committedLength = 0;
  #fd = -1;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #buffered = 0;
  /** Nothing was appended since `sync`. */
  #synced = true;

  constructor({ directory, end, begin, segmentBytesMax }: SegmentWriterOptions) {
    this.#directory = directory;
    this.#begin = begin;
    this.#bytesMax = segmentBytesMax;
    this.#end = end;
  }

  /**
   * Appends an object and says where it will lie.
   * @throws StoreError when the disk refuses, or the store has as many segments as it can.
   */
  append(bytes: Uint8Array, location: Location): void {
    try {
      if (this.#fd < 0) this.#open(this.#end ?? this.#begin());
      if (this.#length > 0 && this.#length + bytes.length > this.#bytesMax) this.#next();
      location.segment = this.#segment;
      location.offset = this.#length;
      location.length = bytes.length;
      this.#synced = false;
      const alone = bytes.length > GATHERED_BYTES_MAX;
      if (alone || this.#buffered + bytes.length > BUFFER_BYTES) this.#flush();
      if (alone) {
        this.#write(bytes, this.#length);
      } else {
        this.#buffer.set(bytes, this.#buffered);
        this.#buffered += bytes.length;
      }
      this.#length += bytes.length;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Returns once every appended byte is on disk: the segment's new end, if it has one. */
  sync(): SegmentEnd | undefined {
    if (this.#length === this.#committedLength) return undefined;
    try {
      this.#flush();
      fdatasyncSync(this.#fd);
      this.#synced = true;
      return { segment: this.#segment, length: this.#length };
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** The index names what was appended now. */
  committed(): void {
    this.#committedLength = this.#length;
  }

  [Symbol.dispose](): void {
    // After `sync` the index may name it, even if whoever committed got an error.
    if (!this.#synced) {
      giveBack(this.#directory, { segment: this.#segment, length: this.#committedLength });
    }
    this.#close();
  }

  #next(): void {
    const end = this.#begin();
    if (this.#length > this.#committedLength) {
      throw new StoreError("a segment was left with objects that no index names");
    }
    this.#close();
    this.#open(end);
  }

  #open(end: SegmentEnd): void {
    this.#segment = end.segment;
    this.#length = end.length;
    this.#committedLength = end.length;
    try {
      this.#fd = openSegment(this.#directory, end);
    } catch (error) {
      throw this.#failure(error);
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

  #failure(error: unknown): unknown {
    return systemFailure(error, segmentPath(this.#directory, this.#segment));
  }
}

/**
 * Appends objects to the segment of a slot, and to new ones as they fill up. Bytes gather in a
 * buffer; `sync` puts them on disk, and only then may an index transaction name them. The caller
 * holds the slot.
 */
import { closeSync, fdatasyncSync, writeSync } from "node:fs";
import type { Location } from "./disk-index.ts";
import { segmentPath } from "./disk-layout.ts";
import { giveBack, openSegment } from "./segment-open.ts";
import type { SegmentEnd } from "./segment-table.ts";
import { systemFailure } from "./sqlite-failure.ts";

const BUFFER_BYTES = 4 * 1024 * 1024;

export interface SegmentWriterOptions {
  readonly directory: string;
  /** Where to go on; undefined: in a new segment. */
  readonly end: SegmentEnd | undefined;
  /** Gives the slot a new segment, durably. */
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
  /** Of this segment, when `committed` was called last. */
  #committedLength = 0;
  /** Segments left since then, each with its committed and its new length; on disk. */
  #left: { committed: SegmentEnd; end: SegmentEnd }[] = [];
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
      if (this.#length > 0 && this.#length + bytes.length > this.#bytesMax) this.#leave();
      location.segment = this.#segment;
      location.offset = this.#length;
      location.length = bytes.length;
      this.#synced = false;
      if (this.#buffered + bytes.length > BUFFER_BYTES) this.#flush();
      if (bytes.length > BUFFER_BYTES) {
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

  /** Returns once every appended byte is on disk: the ends of all segments that have grown. */
  sync(): SegmentEnd[] {
    if (this.#fd < 0) return [];
    try {
      const ends = this.#left.map(({ end }) => end);
      if (this.#length > this.#committedLength) {
        this.#flush();
        fdatasyncSync(this.#fd);
      }
      this.#synced = true;
      return [...ends, { segment: this.#segment, length: this.#length }];
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** What was appended is named by the index now. */
  committed(): void {
    this.#left = [];
    this.#committedLength = this.#length;
  }

  [Symbol.dispose](): void {
    // After `sync` the index may name it, even if whoever committed got an error.
    if (!this.#synced) this.#giveBack();
    this.#close();
  }

  #giveBack(): void {
    for (const { committed } of this.#left) giveBack(this.#directory, committed);
    if (this.#length > this.#committedLength) {
      giveBack(this.#directory, { segment: this.#segment, length: this.#committedLength });
    }
  }

  #leave(): void {
    const segment = this.#segment;
    this.#flush();
    fdatasyncSync(this.#fd);
    const committed = { segment, length: this.#committedLength };
    this.#left.push({ committed, end: { segment, length: this.#length } });
    this.#committedLength = this.#length;
    this.#close();
    this.#open(this.#begin());
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

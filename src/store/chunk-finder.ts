/**
 * Chunks as the device thread gets at them: found in mapped segments, and checked as often as was
 * asked for.
 */
import { blake3Matches } from "../castore/blake3.ts";
import type { Location } from "./disk-index.ts";
import { OBJECT_CHUNK } from "./disk-layout.ts";
import { StoreError } from "./errors.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import type { MappedFile } from "./file-mapper.ts";
import { type MappedSegments, Unreachable } from "./mapped-segments.ts";
import type { ReadFaults } from "./read-faults.ts";
import { chunkTag, VerifiedSet } from "./verified-set.ts";

/**
 * When the digest of a chunk is checked, besides once before it is stored. `entry`: never again.
 * `first-read`: when it is first read after a start. `always`: whenever any of it is read.
 */
export type VerifyMode = "entry" | "first-read" | "always";

/** The object with the digest `bytes[start, start + 32)` is being read. */
export type Touched = (
  kind: "directory" | "blob" | "chunk",
  bytes: Uint8Array,
  start: number,
) => void;

export interface ChunkFinderOptions {
  readonly mode: VerifyMode;
  /** Told of every chunk of a larger blob that is found. */
  readonly touched?: Touched | undefined;
}

export class ChunkFinder {
  readonly mode: VerifyMode;
  /** What `copy` copied to. */
  readonly copied: Uint8Array = new Uint8Array(CHUNK_BYTES_MAX);
  readonly #segments: MappedSegments;
  readonly #faults: ReadFaults;
  readonly #touched: Touched | undefined;
  readonly #verified = new VerifiedSet();

  constructor(segments: MappedSegments, faults: ReadFaults, options: ChunkFinderOptions) {
    this.#segments = segments;
    this.#faults = faults;
    this.#touched = options.touched;
    this.mode = options.mode;
  }

  /**
   * The host address of the chunk with the digest `bytes[start, start + 32)` and of `size` bytes,
   * checked as the mode says, or a negative status: -EIO, logged, or MISSING. `within` is the digest
   * of the blob that it is part of. Not for `always`: what is mapped may change after a check.
   */
  find(bytes: Uint8Array, start: number, size: number, within?: Uint8Array): number {
    const mapped = this.#locate(bytes, start, size, within);
    if (typeof mapped === "number") return mapped;
    return this.#checked(mapped, this.#segments.location.offset, size, bytes, start, within);
  }

  /** The same for a blob of one chunk that was located before, at a plausible place. */
  findAt(bytes: Uint8Array, start: number, location: Readonly<Location>): number {
    const { segment, offset, length } = location;
    let mapped: MappedFile;
    try {
      mapped = this.#segments.map(segment);
    } catch {
      // It may have been moved since.
      return this.find(bytes, start, length);
    }
    return this.#checked(mapped, offset, length, bytes, start);
  }

  /** Copies a chunk to the start of `copied` and checks the copy. 0, -EIO, logged, or MISSING. */
  copy(bytes: Uint8Array, start: number, size: number, within?: Uint8Array): number {
    const mapped = this.#locate(bytes, start, size, within);
    if (typeof mapped === "number") return mapped;
    return this.#copyChecked(mapped, this.#segments.location.offset, size, bytes, start, within);
  }

  /** What was found cannot be read after all: -EIO, logged, or MISSING. */
  lost(bytes: Uint8Array, start: number, within?: Uint8Array): number {
    return this.#rotten("chunk cannot be read", bytes, start, within);
  }

  /** What was checked is checked again: other bytes may lie at the same addresses from now on. */
  forget(): void {
    this.#verified.clear();
  }

  #locate(
    bytes: Uint8Array,
    start: number,
    size: number,
    within: Uint8Array | undefined,
  ): MappedFile | number {
    try {
      const mapped = this.#segments.find(OBJECT_CHUNK, bytes, start, CHUNK_BYTES_MAX);
      if (mapped === undefined) return this.#absent(bytes, start, within);
      if (this.#segments.location.length !== size) {
        return this.#rotten("index places a chunk wrongly", bytes, start, within);
      }
      if (within !== undefined) this.#touched?.("chunk", bytes, start);
      return mapped;
    } catch (error) {
      if (error instanceof Unreachable) {
        return this.#rotten(error.message, bytes, start, within, error);
      }
      const message = error instanceof StoreError ? error.message : "chunk cannot be read";
      return this.#faults.failed(message, bytes, start, error);
    }
  }

  #checked(
    mapped: MappedFile,
    offset: number,
    size: number,
    bytes: Uint8Array,
    start: number,
    within?: Uint8Array,
  ): number {
    const address = mapped.address + offset;
    if (size === 0 || this.mode !== "first-read") return address;
    const tag = chunkTag(bytes, start, size);
    if (this.#verified.has(address, tag)) return address;
    const status = this.#copyChecked(mapped, offset, size, bytes, start, within);
    if (status !== 0) return status;
    this.#verified.add(address, tag);
    return address;
  }

  #copyChecked(
    mapped: MappedFile,
    offset: number,
    size: number,
    bytes: Uint8Array,
    start: number,
    within: Uint8Array | undefined,
  ): number {
    if (mapped.copy(offset, size, this.copied, 0) !== 0) return this.lost(bytes, start, within);
    if (blake3Matches(this.copied.subarray(0, size), bytes, start)) return 0;
    return this.#rotten("chunk is rotten", bytes, start, within);
  }

  #absent(bytes: Uint8Array, start: number, within: Uint8Array | undefined): number {
    return this.#faults.absent(within === undefined ? "blob" : "chunk", bytes, start, within);
  }

  #rotten(
    message: string,
    bytes: Uint8Array,
    start: number,
    within: Uint8Array | undefined,
    error?: unknown,
  ): number {
    const kind = within === undefined ? "blob" : "chunk";
    return this.#faults.rotten(kind, message, bytes, start, within, error);
  }
}

/**
 * The segments of a store, mapped when first read, each at its full maximum length, so that what an
 * importer appends later is there without another mapping. Chunks are found and checked here.
 */
import type { HostAddress } from "../base/brands.ts";
import type { Logger } from "../base/logger.ts";
import { blake3Matches } from "../castore/blake3.ts";
import { DIGEST_BYTES, digestText } from "../castore/digest.ts";
import type { Location, ObjectTable } from "./disk-index.ts";
import { isPlausible } from "./disk-index.ts";
import { OBJECT_CHUNK, SEGMENT_BYTES_MAX, segmentPath } from "./disk-layout.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import type { FileMapper, MappedFile } from "./file-mapper.ts";
import { chunkTag, VerifiedSet } from "./verified-set.ts";

/** What `chunk` answers instead of an address: absent, rotten or unreadable. */
export const NO_CHUNK = 0 as HostAddress;

export class MappedSegments implements Disposable {
  readonly #directory: string;
  readonly #mapper: FileMapper;
  readonly #objects: ObjectTable;
  readonly #logger: Logger;
  readonly #mapped: (MappedFile | undefined)[] = [];
  readonly #verified = new VerifiedSet();
  readonly #location: Location = { segment: 0, offset: 0, length: 0 };
  readonly #scratch = new Uint8Array(CHUNK_BYTES_MAX);

  constructor(directory: string, mapper: FileMapper, objects: ObjectTable, logger: Logger) {
    this.#directory = directory;
    this.#mapper = mapper;
    this.#objects = objects;
    this.#logger = logger;
  }

  /**
   * The address of the chunk with the digest `bytes[start, start + 32)` and of `size` bytes,
   * checked against its digest unless that was done before. NO_CHUNK, with a line in the log, when
   * it is absent, of another size, rotten or unreadable.
   */
  chunk(bytes: Uint8Array, start: number, size: number): HostAddress {
    try {
      const location = this.#location;
      const digest = bytes.subarray(start, start + DIGEST_BYTES);
      if (!this.#objects.locate(OBJECT_CHUNK, digest, location)) {
        return this.refuse("chunk is not in the store", bytes, start);
      }
      if (!isPlausible(location, CHUNK_BYTES_MAX) || location.length !== size) {
        return this.refuse("index places a chunk wrongly", bytes, start);
      }
      return this.chunkAt(bytes, start, location);
    } catch (error) {
      return this.refuse("chunk cannot be read", bytes, start, error);
    }
  }

  /** The same for a chunk that was looked up before, at a plausible location. */
  chunkAt(bytes: Uint8Array, start: number, location: Readonly<Location>): HostAddress {
    const { offset, length } = location;
    let mapped: MappedFile;
    try {
      mapped = this.map(location.segment);
    } catch (error) {
      return this.refuse("segment cannot be mapped", bytes, start, error);
    }
    const address = (mapped.address + offset) as HostAddress;
    if (length === 0) return address;
    const tag = chunkTag(bytes, start, length);
    if (this.#verified.has(address, tag)) return address;
    if (mapped.copy(offset, length, this.#scratch, 0) !== 0) {
      return this.refuse("chunk cannot be read", bytes, start);
    }
    if (!blake3Matches(this.#scratch.subarray(0, length), bytes, start)) {
      return this.refuse("chunk is rotten", bytes, start);
    }
    this.#verified.add(address, tag);
    return address;
  }

  /** @throws when the segment cannot be opened or mapped. */
  map(segment: number): MappedFile {
    let mapped = this.#mapped[segment];
    if (mapped === undefined) {
      mapped = this.#mapper.map(segmentPath(this.#directory, segment), SEGMENT_BYTES_MAX);
      this.#mapped[segment] = mapped;
    }
    return mapped;
  }

  /** One line with the digest; who injects the logger limits how many. */
  refuse(message: string, bytes: Uint8Array, start: number, error?: unknown): HostAddress {
    this.#logger.log("error", message, {
      digest: digestText(bytes, start),
      ...(error === undefined
        ? {}
        : { error: error instanceof Error ? error.message : `${error}` }),
    });
    return NO_CHUNK;
  }

  [Symbol.dispose](): void {
    for (const mapped of this.#mapped) mapped?.[Symbol.dispose]();
    this.#mapped.length = 0;
  }
}

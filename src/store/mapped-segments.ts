/**
 * The segments of a store, mapped when first read, each at its full maximum length, so that what an
 * importer appends later is there without another mapping. Finds objects in them by digest.
 */
import { existsSync } from "node:fs";
import { DIGEST_BYTES } from "../castore/digest.ts";
import type { Location, ObjectTable } from "./disk-index.ts";
import { isPlausible } from "./disk-index.ts";
import type { ObjectKind } from "./disk-layout.ts";
import { SEGMENT_BYTES_MAX, segmentPath } from "./disk-layout.ts";
import { StoreError } from "./errors.ts";
import type { FileMapper, MappedFile } from "./file-mapper.ts";

/** The index names a place for the object, and it is not there: another copy of it would help. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

export class MappedSegments implements Disposable {
  /** Where the object that `find` found lies in its mapping. Valid until it is called again. */
  readonly location: Location = { segment: 0, offset: 0, length: 0 };
  readonly #directory: string;
  readonly #mapper: FileMapper;
  readonly #objects: ObjectTable;
  readonly #mapped = new Map<number, MappedFile>();

  constructor(directory: string, mapper: FileMapper, objects: ObjectTable) {
    this.#directory = directory;
    this.#mapper = mapper;
    this.#objects = objects;
  }

  /**
   * The mapping that holds the object with the digest `bytes[start, start + 32)`, of `lengthMax`
   * bytes at the most; its place is then in `location`. Undefined: absent.
   * @throws Unreachable; StoreError, when the index or a file cannot be read for another reason.
   */
  find(
    kind: ObjectKind,
    bytes: Uint8Array,
    start: number,
    lengthMax: number,
  ): MappedFile | undefined {
    const digest = bytes.subarray(start, start + DIGEST_BYTES);
    const { location } = this;
    let unmapped = 0;
    for (;;) {
      if (!this.#objects.locate(kind, digest, location)) return undefined;
      if (!isPlausible(location, lengthMax)) throw new Unreachable("index places it wrongly");
      try {
        return this.map(location.segment);
      } catch (cause) {
        // A collection may have moved the object, and removed the file, after it was located.
        if (location.segment === unmapped) throw this.#unmappable(unmapped, cause);
        unmapped = location.segment;
      }
    }
  }

  /** @throws when the segment cannot be opened or mapped. */
  map(segment: number): MappedFile {
    let mapped = this.#mapped.get(segment);
    if (mapped === undefined) {
      mapped = this.#mapper.map(segmentPath(this.#directory, segment), SEGMENT_BYTES_MAX);
      this.#mapped.set(segment, mapped);
    }
    return mapped;
  }

  /** Whether the file of a mapped segment is gone. The mapping keeps its bytes, and their room. */
  get hasVanished(): boolean {
    return this.#vanished().length > 0;
  }

  /** Nothing may read from the mappings of such segments any more. */
  unmapVanished(): void {
    for (const segment of this.#vanished()) {
      this.#mapped.get(segment)?.[Symbol.dispose]();
      this.#mapped.delete(segment);
    }
  }

  /** Out of memory or file descriptors, no permission: fetching anew would meet the same. */
  #unmappable(segment: number, cause: unknown): Error {
    const path = segmentPath(this.#directory, segment);
    const message = "segment cannot be mapped";
    return existsSync(path)
      ? new StoreError(message, { cause, path })
      : new Unreachable(message, { cause });
  }

  #vanished(): number[] {
    return [...this.#mapped.keys()].filter(
      (segment) => !existsSync(segmentPath(this.#directory, segment)),
    );
  }

  [Symbol.dispose](): void {
    for (const mapped of this.#mapped.values()) mapped[Symbol.dispose]();
    this.#mapped.clear();
  }
}

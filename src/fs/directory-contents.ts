/** A directory as it lies in the cache: its encoding, where the entries are in it, a name index. */
import type { Digest } from "../castore/digest.ts";
import {
  type DirectoryRecords,
  KIND_DIRECTORY,
  KIND_FILE,
  scanDirectory,
} from "../castore/directory-scan.ts";
import type { Child } from "./child.ts";
import { DIRECTORY, EXECUTABLE, FILE, SYMLINK } from "./inode-kind.ts";
import { NameIndex } from "./name-index.ts";

/** Bytes of a record in the arrays of `DirectoryRecords`. */
const RECORD_BYTES = 26;

/** Bytes of the objects and array headers around an empty directory, roughly. */
const FIXED_BYTES = 1536;

export class DirectoryContents {
  readonly digest: Digest;
  /** Where the cache keeps it. */
  readonly cell: number;
  /** Bytes it takes in the cache. */
  readonly byteLength: number;
  readonly #records: DirectoryRecords;
  readonly #names: NameIndex;

  /**
   * `encoded` is kept.
   * @throws InvalidEncoding when it is no directory.
   */
  constructor(digest: Digest, cell: number, encoded: Uint8Array) {
    this.digest = digest;
    this.cell = cell;
    this.#records = scanDirectory(encoded);
    this.#names = new NameIndex(this.#records);
    this.byteLength =
      FIXED_BYTES + encoded.length + this.count * RECORD_BYTES + this.#names.byteLength;
  }

  /** Entries. */
  get count(): number {
    return this.#records.count;
  }

  /** `st_nlink`: its name, its `.`, and the `..` of each child directory. */
  get links(): number {
    return 2 + this.#records.childDirectories;
  }

  /** `st_size`: entries at every depth below it. */
  get size(): number {
    return this.#records.totalSize;
  }

  /** The number of the entry with the name `bytes[start, end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.#names.find(bytes, start, end);
  }

  /** Fills in all of `child` but its inode number from the entry `index` (less than `count`). */
  describe(index: number, child: Child): void {
    const records = this.#records;
    child.index = index;
    child.nameBytes = records.bytes;
    child.nameStart = records.nameStart[index] as number;
    child.nameEnd = records.nameEnd[index] as number;
    switch (records.kind[index]) {
      case KIND_DIRECTORY:
        child.kind = DIRECTORY;
        break;
      case KIND_FILE:
        child.kind = records.executable[index] === 1 ? EXECUTABLE : FILE;
        break;
      default:
        child.kind = SYMLINK;
        child.targetBytes = records.bytes;
        child.targetStart = records.targetStart[index] as number;
        child.targetEnd = records.targetEnd[index] as number;
        child.size = child.targetEnd - child.targetStart;
        return;
    }
    child.digestBytes = records.bytes;
    child.digestStart = records.digestStart[index] as number;
    child.size = records.size[index] as number;
  }
}

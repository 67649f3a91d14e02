/**
 * Parsed directories by digest, shared by all the places where a directory appears. Bounded in
 * bytes; the one used longest ago goes first, and comes back when it is wanted again.
 */
import { EIO } from "../base/errno.ts";
import type { Logger } from "../base/logger.ts";
import { Digest, digestText } from "../castore/digest.ts";
import type { LocalReader } from "../store/local-reader.ts";
import { readWord, scramble } from "./byte-range.ts";
import { DirectoryContents } from "./directory-contents.ts";
import { HashIndex } from "./hash-index.ts";
import { LruList } from "./lru-list.ts";

/** Bytes of directories kept by default. A single larger one is kept alone. */
export const DIRECTORY_CACHE_BYTES = 64 * 1024 * 1024;

export class DirectoryCache {
  readonly #reader: LocalReader;
  readonly #logger: Logger;
  readonly #maxBytes: number;
  readonly #seed: number;
  /** By cell, from 1 on. */
  readonly #contents: (DirectoryContents | undefined)[] = [undefined];
  readonly #freeCells: number[] = [];
  readonly #index = new HashIndex();
  readonly #order = new LruList();
  #bytes = 0;

  /** `seed`: 32 random bits. */
  constructor(reader: LocalReader, logger: Logger, maxBytes: number, seed: number) {
    this.#reader = reader;
    this.#logger = logger;
    this.#maxBytes = maxBytes;
    this.#seed = seed;
  }

  /** Bytes of the directories held. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** Directories held. */
  get count(): number {
    return this.#index.count;
  }

  /** What is in a cell now, and counts as used: the caller looks whether it is what it wants. */
  peek(cell: number): DirectoryContents | undefined {
    const contents = this.#contents[cell];
    if (contents !== undefined) this.#order.touch(cell);
    return contents;
  }

  /**
   * The directory with the digest `bytes[start, start + 32)`, or a status: -EIO, absent or rotten,
   * which has been logged; or MISSING.
   */
  get(bytes: Uint8Array, start: number): DirectoryContents | number {
    const hash = this.#hash(bytes, start);
    for (let at = this.#index.first(hash); at >= 0; at = this.#index.next(at, hash)) {
      const contents = this.#contents[this.#index.valueAt(at)];
      if (contents?.digest.equalsAt(bytes, start)) {
        this.#order.touch(contents.cell);
        return contents;
      }
    }
    return this.#load(bytes, start, hash);
  }

  #hash(bytes: Uint8Array, start: number): number {
    return scramble(readWord(bytes, start) ^ this.#seed);
  }

  #load(bytes: Uint8Array, start: number, hash: number): DirectoryContents | number {
    const cell = this.#freeCells.at(-1) ?? this.#contents.length;
    const contents = this.#read(bytes, start, cell);
    if (typeof contents === "number") return contents;
    this.#freeCells.pop();
    this.#contents[cell] = contents;
    this.#index.add(hash, cell);
    this.#order.add(cell);
    this.#bytes += contents.byteLength;
    while (this.#bytes > this.#maxBytes && this.#order.oldest !== cell) this.#evict();
    return contents;
  }

  /** What the store or the scan throws ends here: the digest is logged, the request gets EIO. */
  #read(bytes: Uint8Array, start: number, cell: number): DirectoryContents | number {
    try {
      const encoded = this.#reader.directory(bytes, start);
      if (typeof encoded === "number") return encoded;
      if (encoded !== undefined) {
        return new DirectoryContents(Digest.at(bytes, start), cell, encoded);
      }
      this.#logger.log("error", "directory is missing", { digest: digestText(bytes, start) });
    } catch (error) {
      const digest = digestText(bytes, start);
      this.#logger.log("error", "directory is unreadable", { digest, reason: String(error) });
    }
    return -EIO;
  }

  #evict(): void {
    const cell = this.#order.oldest;
    const contents = this.#contents[cell];
    if (contents === undefined) return;
    this.#order.remove(cell);
    this.#index.remove(this.#hash(contents.digest.bytes, 0), cell);
    this.#contents[cell] = undefined;
    this.#freeCells.push(cell);
    this.#bytes -= contents.byteLength;
  }
}

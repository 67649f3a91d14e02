/**
 * Blobs of the base: the contents of files that were never written to are read through them, as in
 * a read-only share. Making a reader costs a look into the store's index, so the last inodes that
 * were read keep theirs.
 */
import { EIO } from "../../base/errno.ts";
import type { Logger } from "../../base/logger.ts";
import { digestText } from "../../castore/digest.ts";
import type { BlobReader, LocalReader } from "../../store/local-reader.ts";
import type { Inode } from "./inode.ts";
import { bytesOf } from "./name-table.ts";

export class BaseBlobs {
  readonly #reader: LocalReader;
  readonly #logger: Logger;
  readonly #capacity: number;
  /** Who has a reader, in a ring. */
  readonly #owners: Inode[] = [];
  #next = 0;

  constructor(reader: LocalReader, logger: Logger, capacity: number) {
    this.#reader = reader;
    this.#logger = logger;
    this.#capacity = capacity;
  }

  /** The blob that an inode without an id is, or -EIO, which has been logged, or MISSING. */
  of(inode: Inode): BlobReader | number {
    if (inode.blob !== undefined) return inode.blob;
    const reader = this.open(bytesOf(inode.origin), inode.originSize);
    if (typeof reader === "number") return reader;
    const before = this.#owners[this.#next];
    if (before !== undefined) before.blob = undefined;
    this.#owners[this.#next] = inode;
    this.#next = (this.#next + 1) % this.#capacity;
    inode.blob = reader;
    return reader;
  }

  /** The blob with this digest, which has `size` bytes; or -EIO, which has been logged; or MISSING. */
  open(digest: Uint8Array, size: number): BlobReader | number {
    try {
      const reader = this.#reader.blob(digest, 0, size);
      if (typeof reader === "number") return reader;
      if (reader?.size === size) return reader;
      const message = reader === undefined ? "blob is missing" : "blob is not as long as stated";
      this.#logger.log("error", message, { digest: digestText(digest, 0) });
    } catch (error) {
      const reason = String(error);
      this.#logger.log("error", "blob is unreadable", { digest: digestText(digest, 0), reason });
    }
    return -EIO;
  }

  /** All readers are void. */
  clear(): void {
    for (const owner of this.#owners) owner.blob = undefined;
    this.#owners.length = 0;
    this.#next = 0;
  }
}

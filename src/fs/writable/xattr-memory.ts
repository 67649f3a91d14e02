/**
 * Inodes whose extended attributes are in memory: a guest makes them as large as it likes, so those
 * that can be read again from the layer's rows go when they are too many or too long together.
 */
import type { Inode } from "./inode.ts";

/** Bytes of names and values in memory, beyond those that are not in the layer yet. */
export const XATTR_MEMORY_BYTES = 32 * 1024 * 1024;

/** Inodes with attributes in memory, in the same sense. */
const XATTR_MEMORY_INODES = 1 << 16;

/** How many are looked at for one that can go: those that cannot are put to the end. */
const LOOKS_MAX = 8;

/** Gone through so many, what is left of the queue moves to its front. */
const COMPACT_AT = 4096;

export class XattrMemory {
  readonly #maxBytes: number;
  /** From `#head` on; the first to have come first. Some may have none any more. */
  #queue: Inode[] = [];
  #head = 0;
  #bytes = 0;

  constructor(maxBytes = XATTR_MEMORY_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** An inode's attributes have been read or changed. `settled`: see `Tree.settled`. */
  note(inode: Inode, settled: number): void {
    const isNew = inode.xattrBytes === 0;
    let bytes = 0;
    for (const [name, value] of inode.xattrs ?? []) bytes += name.length + value.length;
    this.#bytes += bytes - inode.xattrBytes;
    inode.xattrBytes = bytes;
    if (isNew && bytes > 0) this.#queue.push(inode);
    for (let looks = 0; looks < LOOKS_MAX && this.#isFull; looks++) this.#look(inode, settled);
    if (this.#head >= COMPACT_AT) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  get #isFull(): boolean {
    const waiting = this.#queue.length - this.#head;
    return waiting > 1 && (this.#bytes > this.#maxBytes || waiting > XATTR_MEMORY_INODES);
  }

  #look(but: Inode, settled: number): void {
    const inode = this.#queue[this.#head++] as Inode;
    if (inode.xattrBytes === 0) return;
    const waits = inode.dirty || inode.changedIn > settled;
    if (inode === but || waits) this.#queue.push(inode);
    else this.forget(inode);
  }

  /** The inode goes, or its attributes can be read again. */
  forget(inode: Inode): void {
    this.#bytes -= inode.xattrBytes;
    inode.xattrBytes = 0;
    inode.xattrs = undefined;
  }
}

/**
 * Files of the layer whose extents are in memory: the last ones that were used, and those with
 * something that is not in the layer yet. Others can be read again from their rows.
 */
import type { FileContents } from "./file-contents.ts";
import type { Inode } from "./inode.ts";

/** Files in memory beyond which those that can be read again go. */
export const OPEN_CONTENTS_MAX = 1 << 15;

/** How many are looked at for one that can go: those that cannot are put to the end. */
const LOOKS_MAX = 8;

export class OpenContents {
  readonly #max: number;
  /** The one that was used longest ago first. */
  readonly #inodes = new Set<Inode>();
  #newest: Inode | undefined;

  constructor(max = OPEN_CONTENTS_MAX) {
    this.#max = max;
  }

  add(inode: Inode, contents: FileContents): void {
    inode.contents = contents;
    this.#inodes.add(inode);
    this.#newest = inode;
    if (this.#inodes.size > this.#max) this.#relieve();
  }

  /** It is being used. */
  touch(inode: Inode): void {
    if (this.#newest === inode || this.#inodes.size * 2 < this.#max) return;
    this.#newest = inode;
    this.#inodes.delete(inode);
    this.#inodes.add(inode);
  }

  remove(inode: Inode): void {
    if (inode.contents === undefined) return;
    this.#inodes.delete(inode);
    if (this.#newest === inode) this.#newest = undefined;
  }

  #relieve(): void {
    let looks = 0;
    for (const inode of this.#inodes) {
      if (looks++ === LOOKS_MAX) return;
      const { contents } = inode;
      this.#inodes.delete(inode);
      if (contents === undefined) continue;
      if (contents.isSettled && inode !== this.#newest && !inode.dirty) {
        inode.size = contents.size;
        inode.allocated = contents.allocatedBytes;
        inode.contents = undefined;
        if (this.#inodes.size <= this.#max) return;
      } else {
        this.#inodes.add(inode);
      }
    }
  }
}

/**
 * Files of the layer whose extents are in memory: the last ones that were used, and those with
 * something that is not in the layer yet. Others can be read again from their rows.
 */
import { LruList } from "../lru-list.ts";
import type { FileContents } from "./file-contents.ts";
import type { Inode } from "./inode.ts";

/** Files in memory beyond which those that can be read again go. */
const OPEN_CONTENTS_MAX = 1 << 15;

/** How many are looked at for one that can go: those that cannot count as used. */
const LOOKS_MAX = 8;

export class OpenContents {
  readonly #max: number;
  /** By cell, from 1 on: `Inode.openCell`. */
  readonly #inodes: (Inode | undefined)[] = [undefined];
  readonly #freeCells: number[] = [];
  readonly #order = new LruList();

  constructor(max = OPEN_CONTENTS_MAX) {
    this.#max = max;
  }

  add(inode: Inode, contents: FileContents): void {
    const cell = this.#freeCells.pop() ?? this.#inodes.length;
    this.#inodes[cell] = inode;
    this.#order.add(cell);
    inode.contents = contents;
    inode.openCell = cell;
    if (this.#isFull) this.#relieve(cell);
  }

  get #isFull(): boolean {
    return this.#inodes.length - 1 - this.#freeCells.length > this.#max;
  }

  /** It is being used. */
  touch(inode: Inode): void {
    this.#order.touch(inode.openCell);
  }

  remove(inode: Inode): void {
    const cell = inode.openCell;
    if (cell === 0) return;
    this.#order.remove(cell);
    this.#inodes[cell] = undefined;
    this.#freeCells.push(cell);
    inode.openCell = 0;
  }

  /** Lets go of those that can be read again; not of the one in `newest`, which is about to be used. */
  #relieve(newest: number): void {
    for (let looks = 0; looks < LOOKS_MAX && this.#isFull; looks++) {
      const cell = this.#order.oldest;
      const inode = this.#inodes[cell];
      const contents = inode?.contents;
      if (cell === newest || inode === undefined || contents === undefined) return;
      if (contents.isSettled && !inode.dirty) {
        this.remove(inode);
        inode.size = contents.size;
        inode.allocated = contents.allocatedBytes;
        inode.contents = undefined;
      } else {
        this.#order.touch(cell);
      }
    }
  }
}

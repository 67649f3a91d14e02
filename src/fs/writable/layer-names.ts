/**
 * What the layer says of the names in one directory: which of the base's are gone or stand for
 * other inodes, and which are new. New ones have rising positions, so that a listing that is
 * resumed finds what it has not shown yet, whatever was added or taken away meanwhile.
 */
import { type NameEntry, WHITEOUT } from "./name-table.ts";

/** New names that were removed again are swept out once they are so many and half of all. */
const SWEEP_MIN = 64;

/** `over` of all directories with nothing in it. */
const NOTHING = new Map<number, NameEntry>();

export class LayerNames {
  /** By position, those with a position in the base's directory. Not to be written to. */
  over = NOTHING;
  /** By rising position; some may be `gone`. */
  own: NameEntry[] = [];
  /** Entries of the base's directory. */
  readonly baseCount: number;
  #goneOwn = 0;
  #whiteouts = 0;
  #nextPosition: number;

  constructor(baseCount: number) {
    this.baseCount = baseCount;
    this.#nextPosition = baseCount;
  }

  /** Names that the directory shows. */
  get visible(): number {
    return this.baseCount - this.#whiteouts + this.own.length - this.#goneOwn;
  }

  /** A position for a new name. */
  takePosition(): number {
    return this.#nextPosition++;
  }

  /** Takes in an entry whose `position` and `id` are set. */
  add(entry: NameEntry): void {
    if (entry.position < this.baseCount) {
      if (this.over === NOTHING) this.over = new Map();
      this.over.set(entry.position, entry);
      if (entry.id === WHITEOUT) this.#whiteouts += 1;
      return;
    }
    this.own.push(entry);
    if (entry.position >= this.#nextPosition) this.#nextPosition = entry.position + 1;
  }

  /** Lets an entry that was taken in stand for another inode, or for none: WHITEOUT. */
  change(entry: NameEntry, id: number): void {
    if (entry.position < this.baseCount) {
      if (entry.id === WHITEOUT) this.#whiteouts -= 1;
      if (id === WHITEOUT) this.#whiteouts += 1;
    }
    entry.id = id;
  }

  /** One of `own` has been removed from the table. */
  removedOwn(): void {
    this.#goneOwn += 1;
    if (this.#goneOwn < SWEEP_MIN || this.#goneOwn * 2 < this.own.length) return;
    this.own = this.own.filter((entry) => !entry.gone);
    this.#goneOwn = 0;
  }

  /** Where in `own` the first entry with this position or a later one is. */
  ownFrom(position: number): number {
    let low = 0;
    let high = this.own.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.own[middle] as NameEntry).position < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

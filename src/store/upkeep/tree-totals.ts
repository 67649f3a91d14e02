/** Sums over trees, remembered for each directory: what several names share is looked at once. */
import { Numbers } from "./numbers.ts";

/** What a tree shows: what is there under several names counts for each. */
export interface TreeTotals {
  files: number;
  directories: number;
  symlinks: number;
  /** Of all files. */
  bytes: number;
}

export function noTotals(): TreeTotals {
  return { files: 0, directories: 0, symlinks: 0, bytes: 0 };
}

export function addTotals(to: TreeTotals, from: TreeTotals): void {
  to.files += from.files;
  to.directories += from.directories;
  to.symlinks += from.symlinks;
  to.bytes += from.bytes;
}

/** Totals by the position of a directory in a set. 32 bytes for each. */
export class RememberedTotals {
  readonly #files = new Numbers();
  readonly #directories = new Numbers();
  readonly #symlinks = new Numbers();
  readonly #bytes = new Numbers();

  /** Makes room for the next position. */
  grow(): void {
    for (const list of [this.#files, this.#directories, this.#symlinks, this.#bytes]) list.push(0);
  }

  set(position: number, totals: TreeTotals): void {
    this.#files.set(position, totals.files);
    this.#directories.set(position, totals.directories);
    this.#symlinks.set(position, totals.symlinks);
    this.#bytes.set(position, totals.bytes);
  }

  at(position: number): TreeTotals {
    return {
      files: this.#files.at(position),
      directories: this.#directories.at(position),
      symlinks: this.#symlinks.at(position),
      bytes: this.#bytes.at(position),
    };
  }
}

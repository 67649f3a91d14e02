/**
 * The order in which numbered cells were last used, as a doubly linked ring in typed arrays. Cell 0
 * is the ring's anchor: the newest follows it, the oldest stands before it.
 */
const INITIAL_CELLS = 64;
const ANCHOR = 0;

export class LruList {
  #newer = new Uint32Array(INITIAL_CELLS);
  #older = new Uint32Array(INITIAL_CELLS);

  /** The cell that was used longest ago, or 0 when there is none. */
  get oldest(): number {
    return this.#newer[ANCHOR] as number;
  }

  /** Puts a cell (1 or more) that is not in the list into it, as the newest. */
  add(cell: number): void {
    if (cell >= this.#newer.length) this.#grow(cell);
    const second = this.#older[ANCHOR] as number;
    this.#link(cell, ANCHOR);
    this.#link(second, cell);
  }

  /** Makes a cell of the list the newest. */
  touch(cell: number): void {
    if (this.#older[ANCHOR] === cell) return;
    this.remove(cell);
    this.add(cell);
  }

  /** Takes a cell of the list out of it. */
  remove(cell: number): void {
    this.#link(this.#older[cell] as number, this.#newer[cell] as number);
  }

  clear(): void {
    this.#newer[ANCHOR] = ANCHOR;
    this.#older[ANCHOR] = ANCHOR;
  }

  #link(older: number, newer: number): void {
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }

  #grow(cell: number): void {
    const length = Math.max(cell + 1, this.#newer.length * 2);
    const newer = new Uint32Array(length);
    const older = new Uint32Array(length);
    newer.set(this.#newer);
    older.set(this.#older);
    this.#newer = newer;
    this.#older = older;
  }
}

/**
 * The copies from file mappings that the replies of a batch consist of: one native call makes them
 * all. A call costs as much as the copy of a small reply, and while one place is copied, the first
 * bytes of the next come from memory. Whoever puts copies off (`deferring`) has a request whose copy
 * failed answered again without: it then meets the failure where it happens.
 */
import { assert } from "../base/assert.ts";
import { EIO } from "../base/errno.ts";
import type { NativeCopy } from "./native-copy.ts";

/** Numbers of one copy in the table. */
export const COPY_NUMBERS = 3;

export class CopyList {
  /** The native table: filled in by `Segments`, COPY_NUMBERS for each copy. */
  readonly table: Float64Array;
  readonly capacity: number;
  /** Copies in the table. */
  count = 0;
  /** Copies are left to `run`, not made by `settle`. */
  deferring = false;
  readonly #native: NativeCopy;
  /** Where the copies of the present request begin. */
  #first = 0;

  constructor(native: NativeCopy) {
    this.#native = native;
    this.table = native.copies;
    this.capacity = (native.copies.length / COPY_NUMBERS) | 0;
  }

  /** Few more copies fit: `run` them before another request begins. */
  get isCrowded(): boolean {
    return this.count * 2 > this.capacity;
  }

  /** The next copies are another request's. The list is not crowded. */
  begin(): void {
    assert(!this.isCrowded, "a request begins with room for its copies");
    this.#first = this.count;
  }

  /** Drops the copies of the present request. */
  discard(): void {
    this.count = this.#first;
  }

  /** Ends a run of bytes: 0, or -EIO when it was copied at once and could not be. */
  settle(): number {
    return this.deferring ? 0 : this.make();
  }

  /** Makes the present request's copies, which makes room for more of them. 0 or -EIO. */
  make(streaming = false): number {
    const end = this.count;
    this.count = this.#first;
    return this.#native.run(this.#first, end, streaming) === end ? 0 : -EIO;
  }

  /** Makes the copies from `first` on: where it ended, the number of all or the one that failed. */
  run(first: number, streaming: boolean): number {
    return this.#native.run(first, this.count, streaming);
  }

  /** Forgets all copies; the next are made at once. */
  makeAtOnce(): void {
    this.clear();
    this.deferring = false;
  }

  /** Forgets all copies. */
  clear(): void {
    this.count = 0;
    this.#first = 0;
  }
}

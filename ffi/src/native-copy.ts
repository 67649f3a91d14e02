/**
 * Copies between file mappings and scattered guest memory, many in one call. The table of copies
 * lies in native memory: JavaScript writes it, C reads it, nothing is converted or allocated.
 */
import { NativeBlock } from "./native-memory.ts";
import { shim } from "./shim.ts";

/** Copies in a table: a chain of a full ring of 1024 descriptors, and short ones besides. */
export const COPIES_MAX = 4096;

/** A copy in the table: three doubles. */
const COPY_BYTES = 24;

export class NativeCopy implements Disposable {
  readonly #table: NativeBlock;
  /** Triples of (source, target, bytes); addresses in this process. */
  readonly copies: Float64Array;

  constructor(capacity = COPIES_MAX) {
    this.#table = new NativeBlock(capacity * COPY_BYTES);
    this.copies = new Float64Array(this.#table.buffer);
  }

  /**
   * Makes the copies [first, end) of the table, in order. The caller answers for the addresses.
   * Returns where it ended: `end`, or the copy that met memory which could not be reached.
   * `streaming` writes past the processor's caches: for more bytes than these hold.
   */
  run(first: number, end: number, streaming: boolean): number {
    return shim.copy(this.#table.address, first, end, streaming ? 1 : 0);
  }

  [Symbol.dispose](): void {
    this.#table[Symbol.dispose]();
  }
}

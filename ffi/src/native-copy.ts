/**
 * Copies between a file mapping and scattered guest memory in one call. The table of segments lies
 * in native memory: JavaScript writes it, C reads it, nothing is converted or allocated.
 */
import { NativeBlock } from "./native-memory.ts";
import { shim } from "./shim.ts";

/** Segments that one copy can take: a chain of a full ring of 1024 descriptors. */
export const COPY_SEGMENTS_MAX = 1024;

export class NativeCopy implements Disposable {
  readonly #table: NativeBlock;
  /** Pairs of (address in this process, bytes), in order. */
  readonly iov: Float64Array;

  constructor(segments = COPY_SEGMENTS_MAX) {
    this.#table = new NativeBlock(segments * 16);
    this.iov = new Float64Array(this.#table.buffer);
  }

  /**
   * Copies from `source` on into the first `count` segments of `iov`, in order. The caller answers
   * for the addresses. Returns 0, or -EIO when memory on either side could not be reached.
   */
  scatter(source: number, count: number): number {
    return shim.scatter(this.#table.address, count, source);
  }

  /** Copies the first `count` segments of `iov`, in order, to `target` on. Returns 0 or -EIO. */
  gather(target: number, count: number): number {
    return shim.gather(this.#table.address, count, target);
  }

  [Symbol.dispose](): void {
    this.#table[Symbol.dispose]();
  }
}

/**
 * A copy from a file mapping into guest memory that survives a fault: the one step of a reply that
 * is not done in TypeScript. The transport injects it; nothing here knows how it is made.
 */
import type { HostAddress } from "../base/brands.ts";

export interface NativeCopy {
  /** Where to: pairs of host address and length, filled in by the caller before `scatter`. */
  readonly iov: Float64Array;
  /**
   * Copies from a file mapping at `source` into the first `count` pairs, in order. Returns 0, or
   * -EIO when the mapping could not be read (disk error, truncated file).
   */
  scatter(source: HostAddress, count: number): number;
}

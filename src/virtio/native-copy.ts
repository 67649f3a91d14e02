/**
 * Copies from file mappings into guest memory that survive a fault: the one step of a reply that is
 * not done in TypeScript. The transport injects it; nothing here knows how it is made.
 */
export interface NativeCopy {
  /** What to copy: triples of source, target (addresses in this process) and bytes. */
  readonly copies: Float64Array;
  /**
   * Makes the copies [first, end) of the table, in order. Returns where it ended: `end`, or the first
   * copy whose mapping could not be read (disk error, truncated file). `streaming`: past the
   * processor's caches.
   */
  run(first: number, end: number, streaming: boolean): number;
}

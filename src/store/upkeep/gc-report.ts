/** What a collection says of itself, on the way and at the end. */
import type { CompactionCounts } from "./compaction.ts";
import type { ObjectCounts } from "./sweep.ts";

/**
 * `marking` what is reachable, `waiting` for those who write to the store, `deleting` from the
 * index, `compacting` segments.
 */
export type GcPhase = "marking" | "waiting" | "deleting" | "compacting";

export interface GcProgress {
  readonly phase: GcPhase;
  /** Directories looked at. */
  readonly directories: number;
  /** Bytes copied out of segments that are to be removed, and how many it will be. */
  readonly bytesMoved: number;
  readonly bytesToMove: number;
}

/** Of a dry run: what would be done, as things are now. */
export interface GcReport {
  readonly kept: Readonly<ObjectCounts>;
  readonly deleted: Readonly<ObjectCounts>;
  readonly compaction: Readonly<CompactionCounts>;
  /** Files of segments that an earlier collection, killed, had left. */
  readonly strayFiles: number;
  /** Bytes that the disk has got back. */
  readonly bytesFreed: number;
  /** Bytes in segments that no object lies in, and that stay for now. */
  readonly bytesWasted: number;
  /** Leases that were honoured, and those of ended processes that were cleaned up. */
  readonly leases: number;
  readonly deadLeases: number;
  /** How long nobody else could write, at a stretch. */
  readonly exclusiveMilliseconds: number;
}

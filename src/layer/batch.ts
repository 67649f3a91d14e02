/**
 * What the device thread hands to the layer thread: a step from one consistent state of the layer to
 * the next. The layer thread writes the data, then commits all rows in one transaction; with `durable`
 * both are on the disk before the batch is settled. Batches are settled in order.
 */
import type { EntryRow, InodeRow, PieceRow, XattrRow } from "./rows.ts";

export interface LayerBatch {
  /** Rising, from 1 on. */
  readonly id: number;
  readonly durable: boolean;
  /**
   * Triples: offset in the layer's memory (LayerMemory), bytes, position in the data file. In the
   * order in which they are to be written; runs of at most 1 MiB.
   */
  readonly writes: Float64Array;
  /** Pairs, position and bytes: free once a durable batch is settled; to be punched out then. */
  readonly freed: Float64Array;
  readonly inodes: readonly InodeRow[];
  /** With their pieces and extended attributes. */
  readonly removedInodes: readonly number[];
  readonly entries: readonly EntryRow[];
  /** Names that are neither in the layer nor whited out any more. */
  readonly removedEntries: readonly { readonly parent: number; readonly name: Uint8Array }[];
  readonly xattrs: readonly XattrRow[];
  readonly pieces: readonly PieceRow[];
  /** The next inode id to be given out. */
  readonly nextInode: number;
}

export type FromLayer =
  /**
   * `errno` 0, or why it failed: the layer refuses all later batches then, too. `freeBytes` of the
   * layer's disk, `metadataBytes` in the layer's database. The same id again ends what "held" began.
   */
  | {
      readonly kind: "settled";
      readonly id: number;
      readonly durable: boolean;
      readonly errno: number;
      readonly freeBytes: number;
      readonly metadataBytes: number;
    }
  /** A commit reads the layer: what it holds may be neither overwritten in the data file nor freed. */
  | { readonly kind: "hold" }
  /** It has read all of it. */
  | { readonly kind: "release" };

export type ToLayer =
  | { readonly kind: "batch"; readonly batch: LayerBatch }
  /** What was asked by "hold" is so: no batch will come until the snapshot has been pinned. */
  | { readonly kind: "held" };

/** A layer as the device thread has it: reading at once, changing by batches. */
import type { HostAddress } from "../base/brands.ts";
import type { LayerBatch } from "./batch.ts";
import type { EntryRow, InodeRow, PieceRow, XattrRow } from "./rows.ts";

/** Memory of file contents that are not in the data file yet: shared with the layer thread. */
export interface LayerMemory {
  /** Its bytes, for this thread. */
  readonly bytes: Uint8Array;
  /** Where they begin in this process; undefined where that is not known. */
  readonly address?: HostAddress;
  /**
   * Copies `length` bytes of a file mapping at `source` to `offset`, guarded and at once. Returns 0,
   * or -EIO when the mapping could not be read.
   */
  copyMapped(source: HostAddress, offset: number, length: number): number;
}

/** Reads what settled batches have left. Synchronous; no row that waits in a batch is seen. */
export interface LayerReader {
  /** The next inode id to be given out. */
  readonly nextInode: number;
  inode(id: number): InodeRow | undefined;
  /** All entries and whiteouts of a directory, by position. */
  entries(parent: number): EntryRow[];
  xattrs(inode: number): XattrRow[];
  /** Pieces of a file, by piece. */
  pieces(inode: number): PieceRow[];
  /** All pieces of all files: for the allocator, at the start. */
  allPieces(): Iterable<PieceRow>;
}

/** The data file, readable wherever a settled or unsettled batch has written. */
export interface LayerData {
  /**
   * The address of `position` in a mapping of the data file that goes on for `length` bytes at least,
   * or 0 when it cannot be mapped. Lengths up to 1 GiB, not across a multiple of 1 GiB.
   */
  address(position: number, length: number): number;
}

export interface LayerLimits {
  /** Bytes of data and metadata that the layer may take; undefined: what the disk has. */
  readonly layerBytes: number | undefined;
  /** Bytes of memory for contents that are not written back. */
  readonly memoryBytes: number;
}

/** What became of batches; `failed` is the errno that made the layer read-only, or 0. */
export interface LayerEvents {
  settled(id: number, durable: boolean, errno: number): void;
  hold(): void;
  release(): void;
}

export interface LayerPort {
  readonly reader: LayerReader;
  readonly data: LayerData;
  readonly memory: LayerMemory;
  readonly limits: LayerLimits;
  /** Bytes free on the disk of the layer, as of the last settled batch. */
  readonly freeBytes: number;
  /** Bytes of the layer's database, as of then: they count for `layerBytes`. */
  readonly metadataBytes: number;
  submit(batch: LayerBatch): void;
  /** Answers "hold": nothing is submitted until `release` or the next settled event says so. */
  held(): void;
  /** Hands all that came from the layer thread to `events`. */
  take(events: LayerEvents): void;
}

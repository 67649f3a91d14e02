/** The contents of all files of a layer. Signatures first; what they do follows. */

import type { Base } from "../../layer/extent-code.ts";
import type { LayerPort } from "../../layer/layer-port.ts";
import type { PieceRow } from "../../layer/rows.ts";
import type { BlobReader } from "../../store/local-reader.ts";
import type { FileContents } from "./file-contents.ts";

/** Opens a blob of the base, or says why not: -EIO (logged by then) or MISSING. */
export type OpenBase = (digest: Uint8Array, size: number) => BlobReader | number;

/** What a file's contents begin with: a row's, or those of a new or just materialised inode. */
export interface FileState {
  readonly id: number;
  readonly size: number;
  /** A row's `Origin` will do. */
  readonly origin: Base | undefined;
  readonly pieces: readonly PieceRow[];
}

/** For a LayerBatch. */
export interface CollectedContents {
  readonly writes: Float64Array;
  readonly freed: Float64Array;
  readonly pieces: PieceRow[];
}

export declare class LayerContents {
  constructor(port: LayerPort, openBase: OpenBase);

  /** Bytes of memory that wait to be collected. */
  readonly dirtyBytes: number;
  /** Something waits to be collected: bytes, rows of pieces, or freed room. */
  readonly isDirty: boolean;
  /** Memory gets short: a batch should be submitted now. */
  readonly mustFlush: boolean;
  /** A durable one, since only that gives room in the data file back. */
  readonly mustFlushDurably: boolean;
  /** Bytes of the data file that are taken or promised: see `LayerLimits.layerBytes`. */
  readonly usedBytes: number;
  /** Bytes that may be taken besides, by the layer's limit and by the disk. */
  readonly roomBytes: number;
  /** Bytes that the layer's rows take: counted into the limit. Set by whoever knows. */
  metadataBytes: number;
  /** The errno by which the layer failed, or 0: nothing can be changed any more. */
  readonly failed: number;

  /** @throws CorruptExtents */
  file(state: FileState): FileContents;
  /** Hands out all that has changed since the last time, for the batch `id`. */
  collect(id: number): CollectedContents;
  /** A batch settled; batches settle in order. */
  settled(id: number, durable: boolean, errno: number): void;
  /** From now on what collected batches have put into the data file stays as it is. */
  hold(): void;
  release(): void;
  /** Blob readers are void (the store gave something up): they are opened anew. */
  reopenBases(): void;
}

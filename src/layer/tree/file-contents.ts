/**
 * The contents of a file of the layer, from beginning to end: bytes of the layer's data file, ranges
 * of blobs of the base, and zeros.
 */
import { LayerError } from "../errors.ts";
import { BASE, type Base, CorruptExtents, eachExtent, LAYER } from "../extent-code.ts";
import type { InodeRow, PieceRow } from "../rows.ts";
import type { BlobCursor } from "./blob-cursor.ts";

/** Bytes that are handed over at a time, at the most. */
const READ_BYTES_MAX = 1024 * 1024;

/** A run of a file, without holes between one and the next: these are runs of zeros, too. */
interface Run {
  readonly offset: number;
  readonly length: number;
  readonly from: "zeros" | "layer" | Base;
  /** Position in the data file, or offset in the blob. */
  readonly source: number;
}

/** Reads from the layer's data file; less than asked for only where it ends. */
export type ReadData = (target: Uint8Array, position: number) => number;

export class FileContents {
  /** Bytes. */
  readonly size: number;
  readonly #runs: readonly Run[];

  /** @throws LayerError when the rows make no sense. */
  constructor({ size, origin }: InodeRow, pieces: readonly PieceRow[]) {
    this.size = size;
    const runs: Run[] = [];
    let end = 0;
    const zerosUntil = (offset: number): void => {
      if (offset > end) runs.push({ offset: end, length: offset - end, from: "zeros", source: 0 });
      end = Math.max(end, offset);
    };
    try {
      eachExtent(size, origin, pieces, (offset, length, kind, source, base) => {
        if (kind !== LAYER && kind !== BASE) return;
        if (offset < end || offset + length > size) throw new CorruptExtents("extents overlap");
        zerosUntil(offset);
        const from = kind === BASE && base !== undefined ? base : "layer";
        runs.push({ offset, length, from, source });
        end = offset + length;
      });
    } catch (error) {
      if (!(error instanceof CorruptExtents)) throw error;
      throw new LayerError(`the layer is damaged: ${error.message}`, { cause: error });
    }
    zerosUntil(size);
    this.#runs = runs;
  }

  /** The blob of the base that the file is, byte for byte, if it is known to be one. */
  get blob(): Base | undefined {
    const first = this.#runs[0];
    if (first === undefined || typeof first.from === "string") return undefined;
    const { from } = first;
    if (from.size !== this.size) return undefined;
    const isIt = ({ from: other, source, offset }: Run) =>
      typeof other !== "string" &&
      source === offset &&
      Buffer.compare(other.digest, from.digest) === 0;
    return this.#runs.every(isIt) ? from : undefined;
  }

  /** True when nothing of it is in the base. */
  get isOwn(): boolean {
    return this.#runs.every(({ from }) => typeof from === "string");
  }

  /**
   * The bytes of a file that is its own, at the start of `target`, which has room for them.
   * @throws LayerError
   */
  readOwn(target: Uint8Array, readData: ReadData): Uint8Array {
    for (const { offset, length, from, source } of this.#runs) {
      const piece = target.subarray(offset, offset + length);
      if (from === "zeros") piece.fill(0);
      else readWhole(readData, piece, source);
    }
    return target.subarray(0, this.size);
  }

  /**
   * All bytes in order. A piece is valid until the next is asked for.
   * @throws LayerError, MissingObject, CorruptObject, SourceUnavailable
   */
  async *read(readData: ReadData, blobs: BlobCursor): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(Math.min(READ_BYTES_MAX, this.size));
    for (const { length, from, source } of this.#runs) {
      if (from !== "layer" && from !== "zeros") {
        yield* blobs.read(from, source, length);
        continue;
      }
      for (let done = 0; done < length; ) {
        const piece = buffer.subarray(0, Math.min(length - done, buffer.length));
        if (from === "zeros") piece.fill(0);
        else readWhole(readData, piece, source + done);
        yield piece;
        done += piece.length;
      }
    }
  }
}

function readWhole(readData: ReadData, piece: Uint8Array, position: number): void {
  if (readData(piece, position) === piece.length) return;
  throw new LayerError("the layer is damaged: its file of contents is too short");
}

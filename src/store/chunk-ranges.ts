/** Which chunks hold which bytes of a blob. */
import type { ByteRange, Chunk } from "./services.ts";

/** The part [begin, end) of a chunk. */
export interface ChunkPart {
  readonly chunk: Chunk;
  readonly begin: number;
  readonly end: number;
}

/** An index from offsets to chunks: made once for a blob, asked any number of times. */
export class ChunkRanges {
  /** Bytes of the blob. */
  readonly size: number;
  readonly #chunks: readonly Chunk[];
  /** Where each chunk ends in the blob. */
  readonly #ends: Float64Array;

  /** `chunks`, the list of a blob in order, is kept. */
  constructor(chunks: readonly Chunk[]) {
    this.#chunks = chunks;
    this.#ends = new Float64Array(chunks.length);
    let end = 0;
    for (const [i, { size }] of chunks.entries()) {
      end += size;
      this.#ends[i] = end;
    }
    this.size = end;
  }

  /** The parts that make up `range`, in order; none is empty. Nothing beyond the blob's end. */
  *parts({ offset = 0, length = this.size }: ByteRange = {}): Generator<ChunkPart> {
    const end = Math.min(this.size, offset + length);
    let chunkEnd = 0;
    for (let i = this.indexAt(offset), at = offset; at < end; i += 1, at = chunkEnd) {
      const chunk = this.#chunks[i]!;
      chunkEnd = this.#ends[i]!;
      const chunkBegin = chunkEnd - chunk.size;
      if (chunkEnd <= at) continue;
      yield { chunk, begin: at - chunkBegin, end: Math.min(end, chunkEnd) - chunkBegin };
    }
  }

  /** Where the chunk with that index begins in the blob. */
  offsetOf(index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1]!;
  }

  /** Which chunk holds the byte at `offset`; the number of chunks for one beyond the end. */
  indexAt(offset: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Takes the bytes of one blob in pieces of any size, and gives them out as chunks. */
import type { Hasher } from "../castore/blake3.ts";
import { blake3, createHasher } from "../castore/blake3.ts";
import { CHUNK_BYTES_MAX, firstChunkLength } from "./fastcdc.ts";
import type { BlobStat, Chunk } from "./services.ts";

/** Room for some chunks of the largest size, so that what is left over seldom moves. */
const BUFFER_BYTES = 4 * CHUNK_BYTES_MAX;

/** Stores one chunk. The bytes are valid during the call only. */
export type PutChunk = (chunk: Chunk, bytes: Uint8Array) => void;

/** The chunks of a blob that is in memory as a whole. */
export function chunkWhole(bytes: Uint8Array, put: PutChunk): BlobStat & Chunk {
  const chunks: Chunk[] = [];
  let at = 0;
  do {
    const length = firstChunkLength(bytes, at, bytes.length);
    chunks.push(putChunk(bytes.subarray(at, at + length), put));
    at += length;
  } while (at < bytes.length);
  const digest = chunks.length === 1 ? chunks[0]!.digest : blake3(bytes);
  return { digest, size: bytes.length, chunks };
}

export class Chunker {
  readonly #put: PutChunk;
  readonly #buffer: Uint8Array;
  #buffered = 0;
  #size = 0;
  #chunks: Chunk[] = [];
  #hasher: Hasher | undefined;

  /** `buffer`, where given, comes from `createChunkBuffer` and is used by no other. */
  constructor(put: PutChunk, buffer: Uint8Array = createChunkBuffer()) {
    this.#put = put;
    this.#buffer = buffer;
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(bytes.length - at, this.#buffer.length - this.#buffered);
      this.#buffer.set(bytes.subarray(at, at + taken), this.#buffered);
      this.#buffered += taken;
      at += taken;
      if (this.#buffered === this.#buffer.length) this.#cut(CHUNK_BYTES_MAX);
    }
    this.#size += bytes.length;
  }

  end(): BlobStat & Chunk {
    if (this.#chunks.length === 0) return chunkWhole(this.#take(), this.#put);
    this.#cut(1);
    const digest = this.#chunks.length === 1 ? this.#chunks[0]!.digest : this.#hasher!.digest();
    return { digest, size: this.#size, chunks: this.#chunks };
  }

  #take(): Uint8Array {
    return this.#buffer.subarray(0, this.#buffered);
  }

  /** Puts out chunks for as long as `needed` bytes are there to find the next. */
  #cut(needed: number): void {
    this.#hasher ??= createHasher();
    let at = 0;
    while (this.#buffered - at >= needed) {
      const length = firstChunkLength(this.#buffer, at, this.#buffered);
      this.#chunks.push(putChunk(this.#buffer.subarray(at, at + length), this.#put));
      at += length;
    }
    this.#hasher.update(this.#buffer.subarray(0, at));
    this.#buffer.copyWithin(0, at, this.#buffered);
    this.#buffered -= at;
  }
}

export function createChunkBuffer(): Uint8Array {
  return new Uint8Array(BUFFER_BYTES);
}

function putChunk(bytes: Uint8Array, put: PutChunk): Chunk {
  const chunk = { digest: blake3(bytes), size: bytes.length };
  put(chunk, bytes);
  return chunk;
}

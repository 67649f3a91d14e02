/** The chunks of a blob as the index stores them: back to back, CHUNK_RECORD_BYTES each. */
import { DIGEST_BYTES, Digest } from "../castore/digest.ts";
import { CHUNK_RECORD_BYTES } from "./disk-layout.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import type { Chunk } from "./services.ts";

export function packChunks(chunks: readonly Chunk[]): Uint8Array {
  const packed = new Uint8Array(chunks.length * CHUNK_RECORD_BYTES);
  const view = new DataView(packed.buffer);
  for (const [i, { digest, size }] of chunks.entries()) {
    packed.set(digest.bytes, i * CHUNK_RECORD_BYTES);
    view.setUint32(i * CHUNK_RECORD_BYTES + DIGEST_BYTES, size, true);
  }
  return packed;
}

export function unpackChunks(packed: Uint8Array): Chunk[] {
  const chunks: Chunk[] = [];
  for (let i = 0; i < packed.length / CHUNK_RECORD_BYTES; i += 1) {
    const digest = Digest.at(packed, i * CHUNK_RECORD_BYTES);
    chunks.push({ digest, size: packedSize(packed, i) });
  }
  return chunks;
}

/** Bytes of chunk `i`. */
export function packedSize(packed: Uint8Array, i: number): number {
  const at = i * CHUNK_RECORD_BYTES + DIGEST_BYTES;
  return (
    (packed[at]! | (packed[at + 1]! << 8) | (packed[at + 2]! << 16) | (packed[at + 3]! << 24)) >>> 0
  );
}

/** True for whole records of possible sizes that add up to `size`. */
export function isChunkList(packed: Uint8Array, size: number): boolean {
  if (packed.length === 0 || packed.length % CHUNK_RECORD_BYTES !== 0) return false;
  let sum = 0;
  for (let i = 0; i < packed.length / CHUNK_RECORD_BYTES; i += 1) {
    const chunk = packedSize(packed, i);
    if (chunk === 0 || chunk > CHUNK_BYTES_MAX) return false;
    sum += chunk;
  }
  return sum === size;
}

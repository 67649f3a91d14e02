/**
 * Where objects lie, below the address of a source. This is how the object-store backends of snix
 * and tvix lay them out, so that either can use what the other has stored:
 *
 *     blobs/b3/DDDD/DIGEST   the list of a blob's chunks, a StatBlobResponse; a blob that is one
 *                            chunk, or is empty, has 0 bytes here
 *     chunks/b3/DDDD/DIGEST  the bytes of a chunk, as one zstd frame; the empty chunk has none
 *     dirs/b3/DDDD/DIGEST    a directory and all below it, root first, as one zstd frame: the
 *                            encoding of each after its length, 32 bits, big-endian
 *
 * DIGEST is a BLAKE3 in lower-case hexadecimal digits, DDDD the first four of them. A directory that
 * was stored only as a part of a larger tree has no object of its own: it cannot be asked for.
 */
import type { Digest } from "../../castore/digest.ts";

/** `chunk`: newer parts of snix look for chunks there. It is read, and never written. */
export type ObjectFolder = "blobs" | "chunks" | "chunk" | "dirs";

export function objectKey(folder: ObjectFolder, digest: Digest): string {
  const { hex } = digest;
  return `${folder}/b3/${hex.slice(0, 4)}/${hex}`;
}

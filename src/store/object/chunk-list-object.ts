/** The list of a blob's chunks as an object: a StatBlobResponse. */
import type { Digest } from "../../castore/digest.ts";
import {
  decodeStatBlobResponse,
  encodeStatBlobResponse,
  InvalidMessage,
} from "../../castore/rpc-proto.ts";
import type { BlobStat, Chunk } from "../services.ts";
import { BadContents } from "./bad-contents.ts";
import { FOREIGN_CHUNK_BYTES_MAX } from "./chunk-objects.ts";

/** Bytes of a list: some 1.6 million chunks, which are 400 GiB at the usual sizes. */
export const LIST_BYTES_MAX = 64 * 1024 * 1024;

const ONE_CHUNK = new Uint8Array(0);

export function encodeList({ chunks }: BlobStat): Uint8Array {
  return chunks.length > 1 ? encodeStatBlobResponse(chunks) : ONE_CHUNK;
}

/**
 * One chunk or none: the blob is not split, or is empty.
 * @throws BadContents when it can be no list of that blob.
 */
export function decodeList(digest: Digest, object: Uint8Array): readonly Chunk[] {
  let listed: Chunk[];
  try {
    listed = decodeStatBlobResponse(object);
  } catch (error) {
    if (!(error instanceof InvalidMessage)) throw error;
    throw new BadContents("is no list of chunks", { cause: error });
  }
  // An empty chunk adds nothing, and is not stored.
  const chunks = listed.filter(({ size }) => size > 0);
  if (chunks.some(({ size }) => size > FOREIGN_CHUNK_BYTES_MAX)) {
    throw new BadContents(`lists a chunk of more than ${FOREIGN_CHUNK_BYTES_MAX} bytes`);
  }
  if (chunks.length === 1 && !chunks[0]!.digest.equals(digest)) {
    throw new BadContents("lists one chunk, which is another blob");
  }
  return chunks;
}

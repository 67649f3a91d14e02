/** What may be believed of a list of chunks before anything of it was fetched. */
import type { Digest } from "../../castore/digest.ts";
import { CHUNK_BYTES_MAX } from "../fastcdc.ts";
import type { BlobStat } from "../services.ts";
import { SourceLied } from "./source-errors.ts";
import type { SourceVisit } from "./source-visit.ts";

/** Chunks of a blob that is fetched by its list: at the usual sizes, 1 TiB. */
export const BLOB_CHUNKS_MAX = 4 * 1024 * 1024;

/** What the answer takes on the wire, about. */
export const STAT_BYTES = 2 * 1024;

/**
 * How to fetch a blob: its one chunk, its chunks, or its bytes in a stream, where there is no list
 * or none that is of use here.
 */
export type BlobShape = "one chunk" | "chunks" | "stream";

export function blobShape({ size, chunks }: BlobStat): BlobShape {
  if (chunks.length === 1) return size <= CHUNK_BYTES_MAX ? "one chunk" : "stream";
  if (chunks.length === 0 || chunks.length > BLOB_CHUNKS_MAX) return "stream";
  return chunks.every((chunk) => chunk.size <= CHUNK_BYTES_MAX) ? "chunks" : "stream";
}

/**
 * What the source says of the blob; undefined when it does not have it.
 * @throws SourceLied when no blob can have such a list.
 */
export async function visitStat(visit: SourceVisit, digest: Digest): Promise<BlobStat | undefined> {
  const stat = await visit.stat(digest);
  if (stat === undefined || isPossible(digest, stat)) return stat;
  throw new SourceLied("its list of chunks makes no sense");
}

function isPossible(digest: Digest, { size, chunks }: BlobStat): boolean {
  if (chunks.length === 0) return true;
  if (chunks.length === 1) return chunks[0]!.size === size && chunks[0]!.digest.equals(digest);
  let sum = 0;
  for (const chunk of chunks) {
    // An empty chunk adds nothing: nobody lists one.
    if (!(chunk.size > 0)) return false;
    sum += chunk.size;
  }
  return sum === size && Number.isSafeInteger(sum);
}

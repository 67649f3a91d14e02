/** The bytes of a blob as they come in, compared with its digest on the way. */
import { createHasher } from "../castore/blake3.ts";
import type { Digest } from "../castore/digest.ts";
import { CorruptObject } from "./errors.ts";

/** A blob whose size nobody has said is read no further than this: a stream may never end. */
export const UNSIZED_BYTES_MAX = 64 * 1024 * 1024 * 1024;

/** A part of a blob: bytes [begin, end). */
export interface Window {
  readonly begin: number;
  readonly end: number;
}

/**
 * What of `pieces` lies inside `window`. All of them are hashed, and the last part is held back
 * until they are proven: who gets to the end has the right bytes. `size` is what was said of the
 * blob, where something was.
 * @throws CorruptObject
 */
export async function* provenBytes(
  digest: Digest,
  size: number | undefined,
  pieces: AsyncIterable<Uint8Array>,
  window: Window,
): AsyncGenerator<Uint8Array> {
  const hasher = createHasher();
  const sizeMax = size ?? UNSIZED_BYTES_MAX;
  let at = 0;
  let held: Uint8Array | undefined;
  for await (const piece of pieces) {
    const start = at;
    at += piece.length;
    if (at > sizeMax) {
      const cause = new Error(`it is longer than the ${sizeMax} bytes that were announced`);
      throw new CorruptObject("blob", digest, { cause });
    }
    hasher.update(piece);
    const part = piece.subarray(
      Math.min(piece.length, Math.max(0, window.begin - start)),
      Math.max(0, Math.min(piece.length, window.end - start)),
    );
    if (part.length === 0) continue;
    if (held !== undefined) yield held;
    held = part;
  }
  if ((size !== undefined && at !== size) || !hasher.digest().equals(digest)) {
    throw new CorruptObject("blob", digest);
  }
  if (held !== undefined) yield held;
}

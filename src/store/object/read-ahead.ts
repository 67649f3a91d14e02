/** Fetches what will be needed soon, several at a time, and gives it out in order. */

import { AbortScope } from "../abort-scope.ts";
import type { ChunkPart } from "../chunk-ranges.ts";

const UNWANTED = new DOMException("nobody wants it any more", "AbortError");
const NEVER = new AbortController().signal;

type Fetch = (part: ChunkPart, signal: AbortSignal) => Promise<Uint8Array>;

/**
 * The bytes of `parts` in order. The chunks that are on their way or not taken yet have `bytesMax`
 * bytes, or are one. When nobody wants more, what is on its way is aborted.
 */
export async function* readAhead(
  parts: Iterable<ChunkPart>,
  fetch: Fetch,
  bytesMax: number,
  signal: AbortSignal = NEVER,
): AsyncGenerator<Uint8Array> {
  using scope = new AbortScope(signal);
  const begun: { readonly size: number; readonly bytes: Promise<Uint8Array> }[] = [];
  let size = 0;
  try {
    for (const part of parts) {
      while (begun.length > 0 && size + part.chunk.size > bytesMax) {
        yield await begun[0]!.bytes;
        size -= begun.shift()!.size;
      }
      const bytes = fetch(part, scope.signal);
      // Looked at when its turn comes; never, after a failure before it.
      bytes.catch(() => {});
      begun.push({ size: part.chunk.size, bytes });
      size += part.chunk.size;
    }
    for (const { bytes } of begun) yield await bytes;
  } finally {
    scope.abort(UNWANTED);
  }
}

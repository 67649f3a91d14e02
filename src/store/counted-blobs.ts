/**
 * Small blobs that had to be read because nobody says how large they are. Who asks for the size
 * mostly wants the bytes next: they are kept for that, once.
 */
import type { Digest } from "../castore/digest.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";

/** Bytes of one blob that is kept, and of all of them. */
export const COUNTED_BLOB_BYTES_MAX = CHUNK_BYTES_MAX;
export const COUNTED_BYTES_MAX = 16 * 1024 * 1024;

export class CountedBlobs {
  readonly #blobs = new Map<string, Uint8Array>();
  #bytes = 0;

  /** Keeps `bytes`; the blobs that were put first give way. */
  put(digest: Digest, bytes: Uint8Array): void {
    this.take(digest);
    this.#blobs.set(digest.key, bytes);
    this.#bytes += bytes.length;
    for (const [key, oldest] of this.#blobs) {
      if (this.#bytes <= COUNTED_BYTES_MAX) return;
      this.#blobs.delete(key);
      this.#bytes -= oldest.length;
    }
  }

  /** Gives the bytes away. */
  take(digest: Digest): Uint8Array | undefined {
    const bytes = this.#blobs.get(digest.key);
    if (bytes === undefined) return undefined;
    this.#blobs.delete(digest.key);
    this.#bytes -= bytes.length;
    return bytes;
  }
}

/**
 * The sizes of what a writer put last: a directory names what was put just before it, and needs no
 * look into the index for that.
 */
import type { Digest } from "../castore/digest.ts";

/** Blobs, and directories, remembered. Beyond, the memory starts anew. */
export const RECENT_OBJECTS_MAX = 65_536;

export interface DirectorySize {
  readonly size: number;
  readonly children: number;
}

export class RecentSizes {
  readonly #blobs = new Map<string, number>();
  readonly #directories = new Map<string, DirectorySize>();

  /** Bytes, or undefined when it is not remembered. */
  blob(digest: Digest): number | undefined {
    return this.#blobs.get(digest.key);
  }

  putBlob(digest: Digest, size: number): void {
    if (this.#blobs.size >= RECENT_OBJECTS_MAX) this.#blobs.clear();
    this.#blobs.set(digest.key, size);
  }

  directory(digest: Digest): DirectorySize | undefined {
    return this.#directories.get(digest.key);
  }

  putDirectory(digest: Digest, size: number, children: number): void {
    if (this.#directories.size >= RECENT_OBJECTS_MAX) this.#directories.clear();
    this.#directories.set(digest.key, { size, children });
  }
}

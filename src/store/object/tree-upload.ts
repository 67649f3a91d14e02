/** A tree of directories on its way into one object. */
import type { Digest } from "../../castore/digest.ts";
import { StoreError } from "../errors.ts";
import { lengthOf } from "./closure-frames.ts";
import { compressAll } from "./compression.ts";

/** Bytes of encoded directories in a tree that is stored: they are in memory for that. */
export const TREE_UPLOAD_BYTES_MAX = 512 * 1024 * 1024;
/** What is given to the compressor at a time. */
const STEP_BYTES = 256 * 1024;

export class TreeUpload {
  readonly #encodings = new Map<string, Uint8Array>();
  #bytes = 0;

  /**
   * Takes the next directory, after those that it names; a second time without effect.
   * @throws StoreError when the tree is too large.
   */
  add(digest: Digest, encoded: Uint8Array): void {
    if (this.#encodings.has(digest.key)) return;
    this.#encodings.set(digest.key, encoded);
    this.#bytes += encoded.length;
    if (this.#bytes > TREE_UPLOAD_BYTES_MAX) {
      throw new StoreError(
        `the tree has more than ${TREE_UPLOAD_BYTES_MAX} bytes of directories, too many for one object`,
      );
    }
  }

  /** The object: leaves first turned round is root first. */
  async compress(): Promise<Uint8Array> {
    return await compressAll(this.#steps());
  }

  *#steps(): Generator<Uint8Array> {
    let step: Uint8Array[] = [];
    let bytes = 0;
    for (const encoded of [...this.#encodings.values()].reverse()) {
      step.push(lengthOf(encoded), encoded);
      bytes += encoded.length;
      if (bytes < STEP_BYTES) continue;
      yield Buffer.concat(step);
      step = [];
      bytes = 0;
    }
    yield Buffer.concat(step);
  }
}

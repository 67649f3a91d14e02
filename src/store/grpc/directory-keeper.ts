/**
 * Stores directories that are uploaded. Clients send directories before the blobs that they name,
 * or never: the protocol does not connect the two. Such a directory is stored as one that is not
 * whole; it can be served and completed, but not given a name.
 */
import type { Digest } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import { MissingObject } from "../errors.ts";
import type { StoreFiller } from "../store-filler.ts";
import type { WriterShare } from "./shared-writer.ts";

/** Directories of one upload on their way into the store at a time. */
const PENDING_MAX = 64;

export class DirectoryKeeper {
  readonly #writer: WriterShare;
  readonly #filler: StoreFiller | undefined;
  #pending: Promise<void>[] = [];
  #partial = 0;

  /** Without a filler a directory needs its children to be there. */
  constructor(writer: WriterShare, filler: StoreFiller | undefined) {
    this.#writer = writer;
    this.#filler = filler;
  }

  /** Directories that were stored although something below them is not there. */
  get partial(): number {
    return this.#partial;
  }

  /** `encoded` is the encoding of `directory`, and is kept. @throws MissingObject */
  async put(directory: Directory, digest: Digest, encoded: Uint8Array): Promise<void> {
    try {
      this.#writer.putDirectory(directory);
    } catch (error) {
      if (!(error instanceof MissingObject) || this.#filler === undefined) throw error;
      this.#partial += 1;
      const stored = this.#filler.putDirectory(digest, encoded);
      // `settle` looks at it.
      stored.catch(() => {});
      this.#pending.push(stored);
      if (this.#pending.length >= PENDING_MAX) await this.#settle();
    }
  }

  /** Settles when everything is durable. */
  async commit(): Promise<void> {
    await this.#settle();
    await this.#writer.commit();
  }

  async #settle(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    await Promise.all(pending);
  }
}

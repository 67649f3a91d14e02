/** Follows a tree of directories that somebody sends, root first, and refuses what is not of it. */
import type { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import { TREE_DIRECTORIES_MAX } from "./directory-graph.ts";
import { InvalidGraph } from "./errors.ts";

export class RootFirstOrder {
  /** Named by a directory that was accepted, and not yet seen. */
  readonly #wanted = new Map<string, Digest>();
  readonly #seen = new Set<string>();
  /** How often one may still come again: no more than all of them are named. */
  #repeats = 1;

  constructor(root: Digest) {
    this.#wanted.set(root.key, root);
  }

  /** Whether a directory with that digest may come now. */
  expects(digest: Digest): boolean {
    return this.#wanted.has(digest.key);
  }

  /**
   * Takes the next directory. False: it was there already.
   * @throws InvalidGraph when no directory before it names it.
   */
  accept(digest: Digest, directory: Directory): boolean {
    if (!this.#wanted.delete(digest.key)) {
      if (!this.#seen.has(digest.key)) {
        throw new InvalidGraph(`the directory ${digest} is named by none before it`);
      }
      if (this.#repeats === 0) throw new InvalidGraph("directories come again and again");
      this.#repeats -= 1;
      return false;
    }
    this.#seen.add(digest.key);
    for (const { node } of directory.entries) {
      if (node.kind !== "directory") continue;
      this.#repeats += 1;
      if (!this.#seen.has(node.digest.key)) this.#wanted.set(node.digest.key, node.digest);
    }
    if (this.#seen.size + this.#wanted.size > TREE_DIRECTORIES_MAX) {
      throw new InvalidGraph("too many directories");
    }
    return true;
  }

  /** Whether the root has come. */
  get begun(): boolean {
    return this.#seen.size > 0;
  }

  /** A directory that was named and did not come. */
  get missing(): Digest | undefined {
    return this.#wanted.values().next().value;
  }
}

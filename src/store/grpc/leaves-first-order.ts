/** Follows a tree of directories that is being uploaded, leaves first. */
import type { Digest } from "../../castore/digest.ts";
import { acceptsSize, type Directory } from "../../castore/directory.ts";
import type { DirectoryNode } from "../../castore/node.ts";
import { TREE_DIRECTORIES_MAX } from "../directory-graph.ts";
import { InvalidGraph } from "../errors.ts";
import type { DirectorySize } from "../recent-sizes.ts";

export class LeavesFirstOrder {
  readonly #stored: (digest: Digest) => Promise<DirectorySize | undefined>;
  readonly #accepted = new Map<string, DirectorySize>();
  /** Accepted, and named by none so far. */
  readonly #unnamed = new Map<string, Digest>();

  /** `stored` knows directories that are there already. */
  constructor(stored: (digest: Digest) => Promise<DirectorySize | undefined>) {
    this.#stored = stored;
  }

  /** Directories so far, each counted once. */
  get count(): number {
    return this.#accepted.size;
  }

  /**
   * Takes the next directory. What it names came before, or is stored.
   * @throws InvalidGraph
   */
  async accept(digest: Digest, directory: Directory): Promise<void> {
    for (const { node } of directory.entries) {
      if (node.kind === "directory") await this.#requireChild(node);
    }
    // It may come several times: no second one is a new root.
    if (this.#accepted.has(digest.key)) return;
    if (this.#accepted.size === TREE_DIRECTORIES_MAX) {
      throw new InvalidGraph("too many directories");
    }
    const { size, entries } = directory;
    this.#accepted.set(digest.key, { size, children: entries.length });
    this.#unnamed.set(digest.key, digest);
  }

  /** The one that no other names. @throws InvalidGraph unless there is exactly one. */
  root(): Digest {
    const [root, stray] = this.#unnamed.values();
    if (root === undefined) throw new InvalidGraph("there is no directory in it");
    if (stray === undefined) return root;
    throw new InvalidGraph(`${this.#unnamed.size} directories are named by no other`);
  }

  async #requireChild({ digest, size }: DirectoryNode): Promise<void> {
    const child = this.#accepted.get(digest.key) ?? (await this.#stored(digest));
    if (child === undefined) {
      throw new InvalidGraph(`the directory ${digest} is named and did not come before`);
    }
    if (!acceptsSize(child.size, child.children, size)) {
      throw new InvalidGraph(`the directory ${digest} has not the size ${size} that is said of it`);
    }
    this.#unnamed.delete(digest.key);
  }
}

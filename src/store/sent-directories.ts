/** What was sent of a tree that goes to a server, leaves first, and what has to be sent before. */
import { blake3 } from "../castore/blake3.ts";
import type { Digest } from "../castore/digest.ts";
import { acceptsSize, type Directory } from "../castore/directory.ts";
import type { DirectoryNode } from "../castore/node.ts";
import { encodeDirectory } from "../castore/proto.ts";
import { InvalidGraph, MissingObject } from "./errors.ts";
import type { DirectorySize } from "./recent-sizes.ts";

/**
 * Directories below one that is sent, which the server has and wants again: they are held in memory
 * to turn their order round.
 */
export const RESENT_DIRECTORIES_MAX = 262_144;

type GetRecursive = (digest: Digest) => AsyncIterable<Directory>;

export class SentDirectories {
  readonly #getRecursive: GetRecursive;
  readonly #sent = new Map<string, DirectorySize>();

  /** `getRecursive` asks the server. */
  constructor(getRecursive: GetRecursive) {
    this.#getRecursive = getRecursive;
  }

  /** Takes a directory as sent. */
  note(directory: Directory): { readonly digest: Digest; readonly encoded: Uint8Array } {
    const encoded = encodeDirectory(directory);
    const digest = blake3(encoded);
    this.#sent.set(digest.key, { size: directory.size, children: directory.entries.length });
    return { digest, encoded };
  }

  /**
   * What is below `directory` and was not sent, leaves first; each is to be noted before the next is
   * asked for.
   * @throws MissingObject when the server lacks a child, or it has another size.
   */
  async *missingBelow(directory: Directory): AsyncGenerator<Directory> {
    for (const { node } of directory.entries) {
      if (node.kind !== "directory") continue;
      if (!this.#sent.has(node.digest.key)) yield* this.#leavesFirst(node.digest);
      this.#check(node);
    }
  }

  async *#leavesFirst(root: Digest): AsyncGenerator<Directory> {
    const tree = new Map<string, Directory>();
    for await (const directory of this.#getRecursive(root)) {
      if (tree.size === RESENT_DIRECTORIES_MAX) {
        throw new InvalidGraph("too many directories to send again; send the tree as a whole");
      }
      tree.set(blake3(encodeDirectory(directory)).key, directory);
    }
    // Depth first: a directory is due when everything below it was.
    const path = [{ key: root.key, next: 0 }];
    while (path.length > 0) {
      const top = path[path.length - 1]!;
      const directory = tree.get(top.key);
      if (directory === undefined) throw new MissingObject("directory", root);
      const entry = directory.entries[top.next];
      top.next += 1;
      if (entry === undefined) {
        path.pop();
        yield directory;
      } else if (entry.node.kind === "directory" && !this.#sent.has(entry.node.digest.key)) {
        path.push({ key: entry.node.digest.key, next: 0 });
      }
    }
  }

  #check({ digest, size }: DirectoryNode): void {
    const sent = this.#sent.get(digest.key);
    if (sent === undefined || !acceptsSize(sent.size, sent.children, size)) {
      throw new MissingObject(`directory of size ${size}`, digest);
    }
  }
}

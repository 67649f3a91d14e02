/**
 * The children of a share's root that shows all root nodes: looked up anew each time, since an
 * import may add, replace or remove one at any moment.
 */
import { EIO, ENOENT } from "../base/errno.ts";
import type { Logger } from "../base/logger.ts";
import { decodeEntry } from "../castore/proto.ts";
import type { LocalReader } from "../store/local-reader.ts";
import { BY_NAME, type Child } from "./child.ts";
import { DIRECTORY, EXECUTABLE, FILE, FREE, SYMLINK } from "./inode-kind.ts";

/**
 * How long the kernel may go by the name of a root node. After a new import under the same name a
 * guest sees the old node for as long, then the new one. An absent name is never remembered.
 */
export const ROOT_VALID_SECONDS = 1;

export class RootNodes {
  readonly #reader: LocalReader;
  readonly #logger: Logger;

  constructor(reader: LocalReader, logger: Logger) {
    this.#reader = reader;
    this.#logger = logger;
  }

  /**
   * Fills in all of `child` but its inode number from the root node `name`, which it keeps. 0,
   * -ENOENT, or -EIO: unreadable, logged; the child is then of kind FREE.
   */
  describe(name: Uint8Array, child: Child): number {
    child.kind = FREE;
    child.index = BY_NAME;
    child.size = 0;
    child.nameBytes = name;
    child.nameStart = 0;
    child.nameEnd = name.length;
    try {
      const encoded = this.#reader.roots().get(name);
      if (encoded === undefined) return -ENOENT;
      describeNode(encoded, child);
      return 0;
    } catch (error) {
      const text = Buffer.from(name).toString();
      this.#logger.log("error", "root node is unreadable", { name: text, reason: String(error) });
      return -EIO;
    }
  }
}

/** @throws InvalidEncoding */
function describeNode(encoded: Uint8Array, child: Child): void {
  const { node } = decodeEntry(encoded);
  if (node.kind === "symlink") {
    child.kind = SYMLINK;
    child.targetBytes = node.target;
    child.targetStart = 0;
    child.targetEnd = node.target.length;
    child.size = node.target.length;
    return;
  }
  if (node.kind === "directory") child.kind = DIRECTORY;
  else child.kind = node.executable ? EXECUTABLE : FILE;
  child.digestBytes = node.digest.bytes;
  child.digestStart = 0;
  child.size = node.size;
}

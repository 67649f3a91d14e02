/** Trees of directories as streams: their order, and the rules that keep them one tree. */
import type { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import type { DirectoryNode } from "../castore/node.ts";
import { InvalidGraph, MissingObject } from "./errors.ts";

/** Directories in one tree, at the most: bounds what following a stream may take. */
export const TREE_DIRECTORIES_MAX = 16 * 1024 * 1024;

/**
 * Follows the names from `root` down, breadth first: every directory once, none before one that
 * names it. Nothing when `get` does not know the root.
 * @throws MissingObject when it does not know another.
 */
export async function* rootFirst(
  root: Digest,
  get: (digest: Digest) => Promise<Directory | undefined>,
): AsyncGenerator<Directory> {
  const seen = new Set([root.key]);
  let level = [root];
  while (level.length > 0) {
    const below: Digest[] = [];
    for (const digest of level) {
      const directory = await get(digest);
      if (directory === undefined) {
        if (digest.equals(root)) return;
        throw new MissingObject("directory", digest);
      }
      for (const { node } of directory.entries) {
        if (node.kind !== "directory" || seen.has(node.digest.key)) continue;
        if (seen.size >= TREE_DIRECTORIES_MAX) throw new InvalidGraph("too many directories");
        seen.add(node.digest.key);
        below.push(node.digest);
      }
      yield directory;
    }
    level = below;
  }
}

/**
 * The directory `root` and all below it, every one once, each after those that it names: the root
 * last.
 * @throws MissingObject when `get` does not know one.
 */
export async function* leavesFirst(
  root: Digest,
  get: (digest: Digest) => Promise<Directory | undefined>,
): AsyncGenerator<Directory> {
  const require = async (digest: Digest): Promise<Frame> => {
    const directory = await get(digest);
    if (directory === undefined) throw new MissingObject("directory", digest);
    return { directory, next: 0 };
  };
  const seen = new Set([root.key]);
  const stack = [await require(root)];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const entry = frame.directory.entries[frame.next];
    frame.next += 1;
    if (entry === undefined) {
      stack.pop();
      yield frame.directory;
    } else if (entry.node.kind === "directory" && !seen.has(entry.node.digest.key)) {
      if (seen.size >= TREE_DIRECTORIES_MAX) throw new InvalidGraph("too many directories");
      seen.add(entry.node.digest.key);
      stack.push(await require(entry.node.digest));
    }
  }
}

/** A directory that is being gone through, and its next entry. */
interface Frame {
  readonly directory: Directory;
  next: number;
}

/**
 * Puts directories one by one, leaves first; returns the root's node.
 * @throws InvalidGraph unless the last, and no other, is named by none.
 */
export async function putLeavesFirst(
  directories: AsyncIterable<Directory> | Iterable<Directory>,
  put: (directory: Directory) => DirectoryNode | Promise<DirectoryNode>,
): Promise<DirectoryNode> {
  const unnamed = new Map<string, Digest>();
  let root: DirectoryNode | undefined;
  for await (const directory of directories) {
    root = await put(directory);
    for (const { node } of directory.entries) {
      if (node.kind === "directory") unnamed.delete(node.digest.key);
    }
    unnamed.set(root.digest.key, root.digest);
    if (unnamed.size > TREE_DIRECTORIES_MAX) throw new InvalidGraph("too many directories");
  }
  if (root === undefined) throw new InvalidGraph("there is no directory in it");
  unnamed.delete(root.digest.key);
  const [stray] = unnamed.values();
  if (stray !== undefined) throw new InvalidGraph(`the directory ${stray} is named by no other`);
  return root;
}

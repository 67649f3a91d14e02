/** From a target to the node it names. */
import type { Digest } from "../castore/digest.ts";
import { directoryNode, fileNode, type Node } from "../castore/node.ts";
import type { Store } from "../store/services.ts";
import { requireDirectory } from "../store/tree-walk.ts";
import { CommandError } from "./command-error.ts";
import { EXIT } from "./exit-codes.ts";
import { escapedName } from "./name-text.ts";
import type { Target } from "./target.ts";

/**
 * Symlinks on the way are not followed: they mean something only inside the mounted tree.
 * @throws CommandError when there is no such entry.
 */
export async function resolve(store: Store, target: Target): Promise<Node> {
  const { start } = target;
  let node: Node;
  let walked: string;
  if (start.kind === "root") {
    walked = escapedName(start.name);
    const root = await store.roots.get(start.name);
    if (root === undefined)
      throw absent(`no root is named ${walked}`, "castorefs roots lists them");
    node = root;
  } else {
    walked = start.digest.toString();
    node = await nodeOfDigest(store, start.digest);
  }
  for (const name of target.path) {
    if (node.kind !== "directory") throw absent(`${walked} is a ${node.kind}, not a directory`);
    const child = (await requireDirectory(store.directories, node.digest)).get(name);
    walked += `/${escapedName(name)}`;
    if (child === undefined) throw absent(`${walked}: no such entry`);
    node = child;
  }
  return node;
}

/** A digest does not say what it names. */
async function nodeOfDigest(store: Store, digest: Digest): Promise<Node> {
  const directory = await store.directories.get(digest);
  if (directory !== undefined) return directoryNode(digest, directory.size);
  const blob = await store.blobs.stat(digest);
  if (blob !== undefined) return fileNode(digest, blob.size, false);
  throw absent(`the store has no directory and no file with the digest ${digest}`);
}

function absent(message: string, hint?: string): CommandError {
  return new CommandError(EXIT.failed, message, { hint });
}

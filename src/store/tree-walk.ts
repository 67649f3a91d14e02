/** Goes through everything below a node, parents before children, with a stack of its own. */
import type { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import type { Name } from "../castore/name.ts";
import type { Node } from "../castore/node.ts";
import { MissingObject } from "./errors.ts";
import type { DirectoryService } from "./services.ts";

export interface WalkStep {
  /** Names on the way from the node that the walk began at; none for that one. */
  readonly path: readonly Name[];
  readonly node: Node;
}

/**
 * Every node from `root` on, entries in byte order of their names. A directory that several names
 * share comes once for each.
 * @throws MissingObject, CorruptObject
 */
export async function* walkTree(
  directories: DirectoryService,
  root: Node,
): AsyncGenerator<WalkStep> {
  yield { path: [], node: root };
  if (root.kind !== "directory") return;
  const path: Name[] = [];
  const stack = [{ directory: await requireDirectory(directories, root.digest), next: 0 }];
  while (stack.length > 0) {
    const frame = stack[stack.length - 1]!;
    const entry = frame.directory.entries[frame.next];
    frame.next += 1;
    if (entry === undefined) {
      stack.pop();
      path.pop();
      continue;
    }
    const { name, node } = entry;
    yield { path: [...path, name], node };
    if (node.kind !== "directory") continue;
    path.push(name);
    stack.push({ directory: await requireDirectory(directories, node.digest), next: 0 });
  }
}

/** @throws MissingObject, CorruptObject */
export async function requireDirectory(
  directories: DirectoryService,
  digest: Digest,
): Promise<Directory> {
  const directory = await directories.get(digest);
  if (directory === undefined) throw new MissingObject("directory", digest);
  return directory;
}

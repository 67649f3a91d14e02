/** How much of a tree is in the local store, and how much was never fetched. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Digest } from "../../castore/digest.ts";
import type { FileNode } from "../../castore/node.ts";
import { DigestSet } from "../digest-set.ts";
import type { LocalObjects } from "./local-objects.ts";
import { visitDirectories } from "./tree-order.ts";

export interface TreeShare {
  readonly directories: number;
  /** Of these, what is not stored. What lies below them is not known, and not counted. */
  readonly absentDirectories: number;
  /** Different contents of files. */
  readonly blobs: number;
  readonly bytes: number;
  /** Of these, what is stored; of a blob that is not whole, those of its chunks that are. */
  readonly storedBytes: number;
}

/** Looks at the tree below `root`, as far as its directories are stored. @throws StoreError */
export async function treeShare(local: LocalObjects, root: Digest): Promise<TreeShare> {
  const seen = new DigestSet();
  let absentDirectories = 0;
  let bytes = 0;
  let storedBytes = 0;
  const directories = await visitDirectories(root, 1, async (digest) => {
    await nextTurn();
    const directory = local.directory(digest);
    if (directory === undefined) absentDirectories += 1;
    for (const { node } of directory?.entries ?? []) {
      if (node.kind !== "file") continue;
      const before = seen.size;
      if (seen.add(node.digest.bytes, 0) < before) continue;
      bytes += node.size;
      storedBytes += storedOf(local, node);
    }
    return directory;
  });
  const counts = { directories: directories.size, absentDirectories, blobs: seen.size };
  return { ...counts, bytes, storedBytes };
}

function storedOf(local: LocalObjects, { digest, size }: FileNode): number {
  if (local.chunkSize(digest) !== undefined) return size;
  const blob = local.blob(digest);
  if (blob === undefined || blob === "damaged") return 0;
  if (blob.whole) return size;
  let stored = 0;
  for (const chunk of new Map(blob.chunks.map((part) => [part.digest.key, part])).values()) {
    stored += local.chunkSize(chunk.digest) ?? 0;
  }
  return Math.min(size, stored);
}

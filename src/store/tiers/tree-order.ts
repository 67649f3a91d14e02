/** Goes through the directories of a tree, several at a time, parents before children. */
import type { Digest } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import { DigestSet } from "../digest-set.ts";
import { Several } from "./several.ts";

/**
 * Every directory below `root` once, itself first; `get` brings it, and what it does not bring is
 * not gone into. Up to `width` at a time. Returns all of them, in order of their first mention.
 * @throws what `get` throws
 */
export async function visitDirectories(
  root: Digest,
  width: number,
  get: (digest: Digest) => Promise<Directory | undefined>,
): Promise<DigestSet> {
  const found = new DigestSet();
  found.add(root.bytes, 0);
  const visit = async (digest: Digest): Promise<void> => {
    const directory = await get(digest);
    for (const { node } of directory?.entries ?? []) {
      if (node.kind === "directory") found.add(node.digest.bytes, 0);
    }
  };
  const several = new Several(width);
  for (let next = 0; next < found.size; ) {
    await several.take(visit(found.at(next)));
    next += 1;
    while (next === found.size && !several.isIdle) await several.one();
  }
  return found;
}

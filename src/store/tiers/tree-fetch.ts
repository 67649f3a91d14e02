/** Fetches a whole tree, its directories first. */
import type { Digest } from "../../castore/digest.ts";
import { DigestSet } from "../digest-set.ts";
import type { WantedObject } from "../object-fetcher.ts";
import type { LocalObjects } from "./local-objects.ts";
import { eachSeveral } from "./several.ts";
import { visitDirectories } from "./tree-order.ts";

/** Brings one object into the local store, or not; what is not there is not gone into. */
export type FetchOne = (wanted: WantedObject) => Promise<void>;

/**
 * Every directory below `root`, up to `width` at a time; returns all of them.
 * @throws what `fetch` throws
 */
export async function fetchDirectories(
  local: LocalObjects,
  root: Digest,
  width: number,
  fetch: FetchOne,
): Promise<DigestSet> {
  return await visitDirectories(root, width, async (digest) => {
    await fetch({ kind: "directory", digest, heal: false });
    return local.directory(digest);
  });
}

/**
 * The contents of all files in `directories`, each once, up to `width` at a time.
 * @throws what `fetch` throws
 */
export async function fetchContents(
  local: LocalObjects,
  directories: DigestSet,
  width: number,
  fetch: FetchOne,
): Promise<void> {
  await eachSeveral(wantedContents(local, directories), width, fetch);
}

function* wantedContents(local: LocalObjects, directories: DigestSet): Generator<WantedObject> {
  const seen = new DigestSet();
  for (let i = 0; i < directories.size; i += 1) {
    for (const { node } of local.directory(directories.at(i))?.entries ?? []) {
      if (node.kind !== "file") continue;
      const before = seen.size;
      if (seen.add(node.digest.bytes, 0) < before) continue;
      yield { kind: "blob", digest: node.digest, size: node.size, heal: false };
    }
  }
}

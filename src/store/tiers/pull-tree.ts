/** Brings a whole tree from sources into a local store, and makes it whole there. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Digest } from "../../castore/digest.ts";
import type { Name } from "../../castore/name.ts";
import { directoryNode, fileNode, type Node } from "../../castore/node.ts";
import { leavesFirst } from "../directory-graph.ts";
import type { DiskStore } from "../disk-store.ts";
import { MissingObject } from "../errors.ts";

import { takeLease } from "../upkeep/lease.ts";
import type { Fetcher } from "./tier-fetcher.ts";
import { type FetchOne, fetchContents, fetchDirectories } from "./tree-fetch.ts";
import { treeShare } from "./tree-share.ts";

/** Objects that are fetched at a time. */
export const PULL_OBJECTS_MAX = 64;
/** Directories that are made whole before the event loop gets a turn. */
const TURN_DIRECTORIES = 256;

/** Called now and then. The same object each time. */
export interface PullProgress {
  /** Contents that are here now. */
  files: number;
  /** Fetched since it began. */
  bytes: number;
  /** How many contents there are, and how many bytes of them are to be fetched, once known. */
  expected: { files: number; bytes: number } | undefined;
}

export interface PullOptions {
  /** The name that the tree gets in the store; left out, it gets none. */
  readonly name?: Name;
  readonly onProgress?: (progress: Readonly<PullProgress>) => void;
  readonly signal?: AbortSignal;
}

export interface PullResult {
  readonly node: Node;
  readonly directories: number;
  /** Different contents of files, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** What came from sources, directories included. */
  readonly fetchedBytes: number;
}

/**
 * What a digest names: a directory, which is fetched, or a file that is not executable.
 * @throws MissingObject when no source has either; SourceUnavailable
 */
export async function findNode(fetcher: Fetcher, digest: Digest): Promise<Node> {
  fetcher.addRoot(digest);
  try {
    await fetcher.fetch({ kind: "directory", digest, heal: false }, "foreground");
    const directory = fetcher.local.directory(digest);
    if (directory !== undefined) return directoryNode(digest, directory.size);
  } catch (error) {
    if (!(error instanceof MissingObject)) throw error;
  }
  await fetcher.fetch({ kind: "blob", digest, heal: false }, "foreground");
  const blob = fetcher.local.blob(digest);
  const size = blob === undefined || blob === "damaged" ? undefined : blob.size;
  return fileNode(digest, size ?? fetcher.local.chunkSize(digest) ?? 0, false);
}

/**
 * Fetches everything below `node`, and names it in `local`, the store that `fetcher` fills.
 * @throws MissingObject, CorruptObject, SourceUnavailable, StoreError, the reason of the signal
 */
export async function pullTree(
  local: DiskStore,
  fetcher: Fetcher,
  node: Node,
  options: PullOptions = {},
): Promise<PullResult> {
  // Nothing names what has come, until the end.
  using _lease = takeLease(local.path, { roots: [node] });
  const before = fetcher.tally.bytes;
  const progress: PullProgress = { files: 0, bytes: 0, expected: undefined };
  const report = () => {
    progress.bytes = fetcher.tally.bytes - before;
    options.onProgress?.(progress);
  };
  const fetch: FetchOne = async (wanted) => {
    options.signal?.throwIfAborted();
    await fetcher.fetch(wanted, "foreground", report);
    if (wanted.kind === "blob") progress.files += 1;
    report();
  };
  let share = { directories: 0, blobs: 1, bytes: 0, storedBytes: 0 };
  if (node.kind === "directory") {
    fetcher.addRoot(node.digest);
    const parts = [fetcher.local, node.digest, PULL_OBJECTS_MAX, fetch] as const;
    const directories = await fetchDirectories(...parts);
    share = await treeShare(fetcher.local, node.digest);
    progress.expected = { files: share.blobs, bytes: share.bytes - share.storedBytes };
    await fetchContents(fetcher.local, directories, PULL_OBJECTS_MAX, fetch);
  } else if (node.kind === "file") {
    await fetch({ kind: "blob", digest: node.digest, size: node.size, heal: false });
    share.bytes = node.size;
  }
  await makeWhole(local, node, options);
  const { directories, blobs: files, bytes } = share;
  return { node, directories, files, bytes, fetchedBytes: fetcher.tally.bytes - before };
}

/** Puts the directories once more, as an import would: each after all that it names. */
async function makeWhole(
  store: DiskStore,
  node: Node,
  { name, signal }: PullOptions,
): Promise<void> {
  using writer = await store.openWriter();
  if (node.kind === "directory") {
    let count = 0;
    for await (const directory of leavesFirst(node.digest, (d) => store.directories.get(d))) {
      writer.putDirectory(directory);
      count += 1;
      if (count % TURN_DIRECTORIES === 0) await nextTurn();
      signal?.throwIfAborted();
    }
  }
  if (name === undefined) writer.commit();
  else writer.putRoot(name, node);
}

/**
 * Mends a store with what can be fetched anew: what is rotten or missing, and everything below
 * directories that are missing, since what is whole must be so again.
 */
import type { Digest } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import { openIndex } from "../disk-index.ts";
import { DiskObjects } from "../disk-objects.ts";
import { openDiskStore } from "../disk-store.ts";
import { MissingObject, StoreError } from "../errors.ts";
import type { ObjectFetcher, WantedObject } from "../object-fetcher.ts";
import { inParallel } from "./in-parallel.ts";
import { leaveLostSegments } from "./lost-segments.ts";
import type { Fault } from "./verify-report.ts";

/** Objects that are fetched at a time. */
export const REPAIRS_AT_A_TIME = 8;

/** What fetches; sources that give directories only with their trees want to know of roots. */
export interface RepairFetcher extends ObjectFetcher {
  addRoot(root: Digest): void;
}

export interface RepairProgress {
  /** Objects that were wanted and were fetched, or could not be. */
  readonly done: number;
  readonly wanted: number;
}

export interface RepairOptions {
  readonly onProgress?: (progress: RepairProgress) => void;
  readonly signal?: AbortSignal;
}

/** Something that could not be fetched, and why. */
export interface Unrepaired {
  readonly wanted: WantedObject;
  readonly reason: string;
}

/**
 * Fetches what `faults` want into the store in `directory`. Whether it is sound then is for another
 * verification to say.
 * @throws StoreError: the store cannot be written, …
 */
export async function repairStore(
  directory: string,
  faults: readonly Fault[],
  fetcher: RepairFetcher,
  options: RepairOptions = {},
): Promise<Unrepaired[]> {
  await leaveLostSegments(directory);
  const wanted = wantedBy(faults);
  const unrepaired: Unrepaired[] = [];
  let done = 0;
  {
    using store = openDiskStore(directory);
    for (const { node } of await store.roots.list()) {
      if (node.kind === "directory") fetcher.addRoot(node.digest);
    }
  }
  await inParallel(wanted, REPAIRS_AT_A_TIME, async (object) => {
    options.signal?.throwIfAborted();
    try {
      await fetcher.fetch(object, "foreground");
      if (object.kind === "directory") await completeTree(directory, object.digest, fetcher);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      unrepaired.push({ wanted: object, reason: error.message });
    }
    done += 1;
    options.onProgress?.({ done, wanted: wanted.length });
  });
  return unrepaired;
}

/** Each object once; of one that several want, the most that any of them says. */
function wantedBy(faults: readonly Fault[]): WantedObject[] {
  const wanted = new Map<string, WantedObject>();
  for (const fault of faults) {
    if (fault.wanted === undefined) continue;
    const { kind, digest, heal, within } = fault.wanted;
    const key = `${kind} ${digest.key}`;
    const before = wanted.get(key);
    const blob = within ?? before?.within;
    wanted.set(key, {
      kind,
      digest,
      heal: heal || before?.heal === true,
      ...(blob === undefined ? {} : { within: blob }),
    });
  }
  return [...wanted.values()];
}

interface Frame {
  readonly digest: Digest;
  readonly directory: Directory;
  next: number;
}

/** Fetches what is missing below `root`, then says of all directories there that they are whole. */
async function completeTree(
  directory: string,
  root: Digest,
  fetcher: ObjectFetcher,
): Promise<void> {
  const database = openIndex(directory, "read");
  try {
    using objects = new DiskObjects(directory, database);
    const complete = await fetchTree(objects, root, fetcher);
    using store = openDiskStore(directory);
    using writer = await store.openWriter();
    for (const digest of complete) writer.putDirectory(required(objects, digest));
    writer.commit();
  } finally {
    database.close();
  }
}

/** Returns the directories that are not whole yet, each after those that it names. */
async function fetchTree(
  objects: DiskObjects,
  root: Digest,
  fetcher: ObjectFetcher,
): Promise<Digest[]> {
  const complete: Digest[] = [];
  const seen = new Set<string>([root.key]);
  const enter = async (digest: Digest): Promise<Frame> => {
    await fetcher.fetch({ kind: "directory", digest, heal: false }, "foreground");
    return { digest, directory: required(objects, digest), next: 0 };
  };
  const stack = [await enter(root)];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const node = frame.directory.entries[frame.next]?.node;
    frame.next += 1;
    if (node === undefined) {
      stack.pop();
      complete.push(frame.digest);
    } else if (node.kind === "file" && objects.blobSize(node.digest) === undefined) {
      const { digest, size } = node;
      await fetcher.fetch({ kind: "blob", digest, heal: false, size }, "foreground");
    } else if (node.kind === "directory" && !objects.isWhole(node.digest)) {
      if (seen.has(node.digest.key)) continue;
      seen.add(node.digest.key);
      stack.push(await enter(node.digest));
    }
  }
  return complete;
}

function required(objects: DiskObjects, digest: Digest): Directory {
  const directory = objects.directory(digest);
  if (directory === undefined) throw new MissingObject("directory", digest);
  return directory;
}

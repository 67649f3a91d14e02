/**
 * What a collection begins its marking with: root nodes, those that lost their name while somebody
 * may still show them, what leases hold, what writable layers lie upon, and what the caller wants.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Digest } from "../../castore/digest.ts";
import { decodeEntry } from "../../castore/proto.ts";
import type { Location } from "../disk-index.ts";
import { OBJECT_CHUNK, OBJECT_DIRECTORY } from "../disk-layout.ts";
import type { DiskObjects } from "../disk-objects.ts";
import { MissingObject, StoreError } from "../errors.ts";
import type { RemovedRoot } from "../root-table.ts";
import { RemovedRoots, RootTable } from "../root-table.ts";
import { recordedLayers } from "./layer-record.ts";
import type { LeaseContents } from "./lease-file.ts";
import { liveLeases } from "./lease-list.ts";
import type { Marker } from "./marker.ts";

/**
 * How far the clock may have been set back between a lease and a removal: what was removed less
 * than this before a lease was taken counts as removed after it.
 */
export const CLOCK_MILLISECONDS_MAX = 24 * 60 * 60 * 1000;

export interface StartingPoints {
  /** Leases that are alive. */
  readonly leases: number;
  /** Entries that lost their name, and that nobody can show any more. */
  readonly forgettable: readonly RemovedRoot[];
}

/**
 * Adds everything that must stay to `marker`.
 * @throws StoreError when something is damaged that may name anything.
 */
export function addStartingPoints(
  marker: Marker,
  database: DatabaseSync,
  directory: string,
  keep: readonly Digest[],
): StartingPoints {
  for (const digest of keep) marker.addDigest(digest);
  const leases = liveLeases(directory);
  for (const { roots } of leases) {
    if (roots !== "all") for (const node of roots) marker.addRoot(node, false);
  }
  for (const { roots } of recordedLayers(directory)) {
    for (const node of roots) marker.addRoot(node, false);
  }
  const table = new RootTable(database);
  for (const name of table.list()) {
    const entry = table.get(name);
    if (entry !== undefined) marker.addRoot(decodeEntry(entry).node, true);
  }
  return { leases: leases.length, forgettable: addRemoved(marker, database, leases) };
}

/**
 * A digest that somebody wants to keep names something here: it may be mistyped otherwise.
 * @throws MissingObject
 */
export function requireStored(objects: DiskObjects, digest: Digest): void {
  const location: Location = { segment: 0, offset: 0, length: 0 };
  const there =
    objects.locate(OBJECT_DIRECTORY, digest, location) ||
    objects.locate(OBJECT_CHUNK, digest, location) ||
    objects.stateOfBlob(digest) !== "absent";
  if (!there) throw new MissingObject("object", digest);
}

/** True when marking again would find nothing new of what leases and layers hold. */
export function holdsAll(marker: Marker, directory: string): boolean {
  const holders: Pick<LeaseContents, "roots">[] = liveLeases(directory);
  // After the leases: a layer is recorded before the lease of its daemon ends.
  return [...holders, ...recordedLayers(directory)].every(
    ({ roots }) =>
      roots === "all" ||
      roots.every(
        (node) =>
          node.kind === "symlink" ||
          (node.kind === "directory"
            ? marker.hasDirectory(node.digest.bytes)
            : marker.hasContents(node.digest.bytes)),
      ),
  );
}

/** Returns those that need not be added. */
function addRemoved(
  marker: Marker,
  database: DatabaseSync,
  leases: readonly LeaseContents[],
): RemovedRoot[] {
  const since = shownSince(leases);
  const { roots, damaged } = new RemovedRoots(database).list();
  if (damaged.length > 0 && since < Number.POSITIVE_INFINITY) {
    throw new StoreError("a removed root is damaged, and somebody may still show it", {
      remedy: "end the castorefs processes that share all roots of this store, then collect again",
    });
  }
  const forgettable: RemovedRoot[] = [...damaged];
  for (const root of roots) {
    if (root.time < since) forgettable.push(root);
    else marker.addRoot(decodeEntry(root.entry).node, true);
  }
  return forgettable;
}

/** What was removed before that time, in milliseconds since 1970, nobody can show. */
function shownSince(leases: readonly LeaseContents[]): number {
  let since = Number.POSITIVE_INFINITY;
  const now = Date.now();
  for (const { roots, takenAt } of leases) {
    if (roots !== "all") continue;
    // A lease from the future: the clock was set back, by nobody knows how much.
    since = takenAt > now ? 0 : Math.min(since, takenAt - CLOCK_MILLISECONDS_MAX);
    if (since === 0) break;
  }
  return since;
}

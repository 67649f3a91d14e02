/** The moment in which a collection deletes: one transaction, against the leases as they are then. */
import type { DatabaseSync } from "node:sqlite";
import { StoreBusy } from "../errors.ts";
import type { RemovedRoot } from "../root-table.ts";
import { leaseGatePath, makeLeasesFolder } from "./lease-file.ts";
import { liveLeases } from "./lease-list.ts";
import type { Marker } from "./marker.ts";
import { ProcessLock } from "./process-lock.ts";
import { holdsAll } from "./starting-points.ts";
import type { Sweep } from "./sweep.ts";

/** Who takes a lease holds the gate for a moment only. */
const GATE_MILLISECONDS = 30_000;

/**
 * Deletes what is not marked and names others, and the `forgettable` roots. The caller holds every
 * writer's slot. False: nothing was done, as there is a lease by now that more must be marked for.
 * @throws StoreError
 */
export function deleteNames(
  directory: string,
  database: DatabaseSync,
  marker: Marker,
  sweep: Sweep,
  forgettable: readonly RemovedRoot[],
): boolean {
  makeLeasesFolder(directory);
  database.exec("BEGIN IMMEDIATE");
  try {
    sweep.deleteNames();
    // With the time: what has lost its name once more since is shown to somebody, perhaps.
    const forget = database.prepare("DELETE FROM removed WHERE entry = ? AND time = ?");
    for (const { entry, time } of forgettable) forget.run(entry, time);
    // A lease that is taken from here on waits for the end of this, and what it is for is looked up
    // after that.
    using gate = ProcessLock.tryTake(leaseGatePath(directory), {
      create: true,
      waitMilliseconds: GATE_MILLISECONDS,
    });
    if (gate === undefined) {
      throw new StoreBusy("others keep taking leases on this store", { path: directory });
    }
    const complete = holdsAll(marker, liveLeases(directory));
    database.exec(complete ? "COMMIT" : "ROLLBACK");
    return complete;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

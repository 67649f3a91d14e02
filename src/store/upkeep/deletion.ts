/**
 * Deletes from the index while nobody else may write: what names others in one transaction, against
 * the leases as they are then; after that chunks, some at a time.
 */
import type { DatabaseSync } from "node:sqlite";
import { StoreBusy } from "../errors.ts";
import { inTransaction } from "../object-rows.ts";
import { ProcessLock } from "../process-lock.ts";
import type { RemovedRoot } from "../root-table.ts";
import { removeFile } from "./compaction.ts";
import { leaseGatePath, makeLeasesFolder } from "./lease-file.ts";
import type { Marker } from "./marker.ts";
import type { SegmentPlan } from "./segment-plan.ts";
import { planSegments, segmentLengths, unknownSegmentFiles } from "./segment-plan.ts";
import type { StartingPoints } from "./starting-points.ts";
import { holdsAll } from "./starting-points.ts";
import type { Sweep } from "./sweep.ts";

/** Who takes a lease holds the gate for a moment only. */
const GATE_MILLISECONDS = 30_000;

export interface DeletionOptions {
  readonly directory: string;
  /** The caller keeps and closes it. */
  readonly database: DatabaseSync;
  readonly marker: Marker;
  readonly sweep: Sweep;
  /** Marks what is new. */
  readonly mark: () => Promise<StartingPoints>;
  readonly wasteShare: number;
  /** How long to go on at a stretch, about. */
  readonly millisecondsMax: number;
}

/** What was left to do when everything was deleted. */
export interface Deleted {
  /** Nobody writes to these segments any more. */
  readonly plan: SegmentPlan;
  /** Files that an earlier collection had left, and that are gone now. */
  readonly strayFiles: number;
  readonly strayBytes: number;
}

export class Deletion {
  readonly #options: DeletionOptions;
  #namesDeleted = false;
  /** Of segments, before anything was counted. */
  #lengths: ReadonlyMap<number, number> = new Map();

  constructor(options: DeletionOptions) {
    this.#options = options;
  }

  /**
   * The caller holds every writer's slot, and may let others write between two calls. Undefined:
   * there is more to do.
   * @throws CorruptObject, MissingObject, StoreError
   */
  async some(): Promise<Deleted | undefined> {
    const { directory, database, sweep, mark, wasteShare, millisecondsMax } = this.#options;
    const deadline = performance.now() + millisecondsMax;
    let { forgettable } = await mark();
    while (!this.#namesDeleted) {
      this.#lengths = segmentLengths(database);
      this.#namesDeleted = this.#deleteNames(forgettable);
      if (!this.#namesDeleted) ({ forgettable } = await mark());
    }
    if (!(await sweep.deleteChunks(deadline))) return undefined;
    const kept = sweep.shares;
    const plan = planSegments(database, directory, { kept, lengths: this.#lengths, wasteShare });
    this.#retire(plan);
    const stray = unknownSegmentFiles(database, directory, kept);
    const strayBytes = stray.reduce((sum, path) => sum + removeFile(path), 0);
    return { plan, strayFiles: stray.length, strayBytes };
  }

  /** False: nothing was done, as there is a lease by now that more must be marked for. */
  #deleteNames(forgettable: readonly RemovedRoot[]): boolean {
    const { directory, database, marker, sweep } = this.#options;
    makeLeasesFolder(directory);
    database.exec("BEGIN IMMEDIATE");
    try {
      sweep.deleteNames();
      // With the time: what has lost its name once more since is shown to somebody, perhaps.
      const forget = database.prepare("DELETE FROM removed WHERE entry = ? AND time = ?");
      for (const { entry, time } of forgettable) forget.run(entry, time);
      // A lease that is taken from here on waits for the end of this, and what it is for is looked
      // up after that.
      using gate = ProcessLock.tryTake(leaseGatePath(directory), {
        create: true,
        waitMilliseconds: GATE_MILLISECONDS,
      });
      if (gate === undefined) {
        throw new StoreBusy("others keep taking leases on this store", { path: directory });
      }
      const complete = holdsAll(marker, directory);
      database.exec(complete ? "COMMIT" : "ROLLBACK");
      if (!complete) sweep.reset();
      return complete;
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }

  /** Whoever had these segments for a slot goes on in new ones. */
  #retire({ empty, sparse }: SegmentPlan): void {
    const { database } = this.#options;
    inTransaction(database, () => {
      const retire = database.prepare("DELETE FROM slots WHERE segment = ?");
      for (const segment of [...empty, ...sparse]) retire.run(segment);
    });
  }
}

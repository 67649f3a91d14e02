/**
 * Collecting garbage: what no root, no lease and no wish of the caller reaches leaves the store.
 *
 * 1. Marks, while others import and serve.
 * 2. Takes every writer's slot, so that nothing vanishes that a writer relies on; marks what is new
 *    since; deletes from the index; lets them go. Where there is much, some at a time.
 * 3. Gives back the room as one writer among others.
 *
 * Killed at any time, it has deleted only what nothing reaches.
 */
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { Digest } from "../../castore/digest.ts";
import { openIndex, prepareRows } from "../disk-index.ts";
import { indexPath } from "../disk-layout.ts";
import { DiskObjects } from "../disk-objects.ts";
import { StoreBusy } from "../errors.ts";
import { ProcessLock } from "../process-lock.ts";
import { indexFailure } from "../sqlite-failure.ts";
import { WriterSlot, WriterSlots } from "../writer-slots.ts";
import type { CompactionCounts } from "./compaction.ts";
import { Compaction } from "./compaction.ts";
import type { Deleted } from "./deletion.ts";
import { Deletion } from "./deletion.ts";
import type { GcPhase, GcProgress, GcReport } from "./gc-report.ts";
import { removeDeadLayers } from "./layer-record.ts";
import { removeDeadLeases } from "./lease-list.ts";
import { Marker } from "./marker.ts";
import { segmentGroups } from "./object-list.ts";
import type { SegmentPlan } from "./segment-plan.ts";
import { fileBytes, planSegments, segmentLengths, unknownSegmentFiles } from "./segment-plan.ts";
import type { StartingPoints } from "./starting-points.ts";
import { addStartingPoints, requireStored } from "./starting-points.ts";
import { Sweep } from "./sweep.ts";
import { Turns } from "./turns.ts";

/** A segment is compacted when more than this share of it is waste. */
export const WASTE_SHARE = 0.25;
/** How long to wait for others who write to the store. They wait, too, while one of them goes on. */
export const GC_WAIT_MILLISECONDS = 60_000;
/** How long others wait who want to write, about; and how long they have until they wait again. */
export const EXCLUSIVE_MILLISECONDS_MAX = 5000;
const BREAK_MILLISECONDS = 100;
/** Of the index, in memory. */
const CACHE_KIBIBYTES = 64 * 1024;

export interface GcOptions {
  /** Digests of directories, files or chunks that stay, with all that they reach. */
  readonly keep?: readonly Digest[];
  /** Changes nothing. */
  readonly dryRun?: boolean;
  readonly waitMilliseconds?: number;
  /** From 0 to 1. */
  readonly wasteShare?: number;
  /** Smaller segments and steps, for tests. */
  readonly segmentBytesMax?: number;
  readonly chunksPerStep?: number;
  readonly exclusiveMillisecondsMax?: number;
  readonly onProgress?: (progress: GcProgress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Collects the garbage of the store in `directory`.
 * @throws StoreBusy when others write all the time, or collect; MissingObject, CorruptObject when
 * what is damaged may name anything: nothing was deleted then; StoreError
 */
export async function collectGarbage(
  directory: string,
  options: GcOptions = {},
): Promise<GcReport> {
  const database = openIndex(directory, options.dryRun === true ? "read" : "write");
  try {
    using objects = new DiskObjects(directory, database);
    const collection = new Collection(directory, database, objects, options);
    return options.dryRun === true ? await collection.plan() : await collection.run();
  } catch (error) {
    throw indexFailure(error, indexPath(directory));
  } finally {
    database.close();
  }
}

class Collection {
  readonly #directory: string;
  readonly #database: DatabaseSync;
  readonly #objects: DiskObjects;
  readonly #options: GcOptions;
  readonly #turns: Turns;
  readonly #marker: Marker;
  readonly #sweep: Sweep;
  readonly #counts: CompactionCounts = {
    moved: 0,
    segments: 0,
    bytesRemoved: 0,
    segmentsDamaged: 0,
  };
  #phase: GcPhase = "marking";
  #bytesToMove = 0;
  #leases = 0;
  /** The longest time, at a stretch. */
  #exclusiveMilliseconds = 0;

  constructor(directory: string, database: DatabaseSync, objects: DiskObjects, options: GcOptions) {
    this.#directory = directory;
    this.#database = database;
    this.#objects = objects;
    this.#options = options;
    this.#turns = new Turns(options.signal, () => this.#report());
    database.exec(`PRAGMA synchronous = FULL; PRAGMA cache_size = -${CACHE_KIBIBYTES}`);
    const count = prepareRows(database, "SELECT count(*) FROM objects").get();
    const [objectsExpected] = count as unknown as [number];
    this.#marker = new Marker(database, objects, objectsExpected, this.#turns);
    this.#sweep = new Sweep(database, this.#marker, this.#turns, options.chunksPerStep);
  }

  /** What `run` would do. */
  async plan(): Promise<GcReport> {
    await this.#mark();
    this.#begin("deleting");
    const lengths = segmentLengths(this.#database);
    await this.#sweep.count();
    const kept = this.#sweep.shares;
    const { wasteShare = WASTE_SHARE } = this.#options;
    const plan = planSegments(this.#database, this.#directory, { kept, lengths, wasteShare });
    const stray = unknownSegmentFiles(this.#database, this.#directory, kept);
    this.#counts.moved = plan.keptBytes;
    this.#counts.segments = plan.empty.length + plan.sparse.length;
    this.#counts.bytesRemoved = plan.fileBytes;
    const strayBytes = stray.reduce((sum, path) => sum + fileBytes(path), 0);
    return this.#result({ plan, strayFiles: stray.length, strayBytes }, 0);
  }

  async run(): Promise<GcReport> {
    const lockPath = join(this.#directory, "gc.lock");
    using lock = ProcessLock.tryTake(lockPath, { create: true });
    if (lock === undefined) {
      throw new StoreBusy("another collection goes on in this store", {
        path: this.#directory,
        remedy: "wait until it is done",
      });
    }
    const deadLeases = removeDeadLeases(this.#directory);
    removeDeadLayers(this.#directory);
    await this.#mark();
    const deleted = await this.#delete();
    await this.#compact(deleted.plan);
    this.#checkpoint();
    return this.#result(deleted, deadLeases);
  }

  async #mark(): Promise<StartingPoints> {
    const { keep = [] } = this.#options;
    for (const digest of keep) requireStored(this.#objects, digest);
    const points = addStartingPoints(this.#marker, this.#database, this.#directory, keep);
    this.#leases = points.leases;
    await this.#marker.mark();
    return points;
  }

  /** Some at a time: names may be removed and leases be taken all the while, others write between. */
  async #delete(): Promise<Deleted> {
    const deletion = new Deletion({
      directory: this.#directory,
      database: this.#database,
      marker: this.#marker,
      sweep: this.#sweep,
      mark: () => this.#mark(),
      wasteShare: this.#options.wasteShare ?? WASTE_SHARE,
      millisecondsMax: this.#options.exclusiveMillisecondsMax ?? EXCLUSIVE_MILLISECONDS_MAX,
    });
    for (;;) {
      const deleted = await this.#exclusively(() => deletion.some());
      if (deleted !== undefined) return deleted;
      await sleep(BREAK_MILLISECONDS);
    }
  }

  /** Runs `work` while nobody else writes. */
  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.#begin("waiting");
    const wait = this.#options.waitMilliseconds ?? GC_WAIT_MILLISECONDS;
    using _slots = await WriterSlots.takeAll(this.#directory, wait, this.#options.signal);
    const begun = performance.now();
    this.#begin("deleting");
    const result = await work();
    this.#exclusiveMilliseconds = Math.max(this.#exclusiveMilliseconds, performance.now() - begun);
    return result;
  }

  async #compact({ empty, sparse, keptBytes }: SegmentPlan): Promise<void> {
    if (empty.length + sparse.length === 0) return;
    this.#bytesToMove = keptBytes;
    this.#begin("compacting");
    using slot = await WriterSlot.take(this.#directory, this.#options);
    using compaction = new Compaction({
      directory: this.#directory,
      database: this.#database,
      slot: slot.slot,
      counts: this.#counts,
      turns: this.#turns,
      segmentBytesMax: this.#options.segmentBytesMax,
    });
    // What gives most comes first: the disk may be full.
    for (const segments of segmentGroups(empty, this.#sweep.shares)) compaction.remove(segments);
    for (const segments of segmentGroups(sparse, this.#sweep.shares)) {
      await compaction.run(segments);
    }
  }

  /** Leaves the index in one file where nobody else is at work, as a backup wants it. */
  #checkpoint(): void {
    try {
      this.#database.exec("PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // What was committed is safe in the write-ahead log.
    }
  }

  #begin(phase: GcPhase): void {
    this.#phase = phase;
    this.#report();
  }

  #report(): void {
    this.#options.onProgress?.({
      phase: this.#phase,
      directories: this.#marker.directories,
      bytesMoved: this.#counts.moved,
      bytesToMove: this.#bytesToMove,
    });
  }

  #result({ plan, strayFiles, strayBytes }: Deleted, deadLeases: number): GcReport {
    const { bytesRemoved, moved } = this.#counts;
    return {
      kept: this.#sweep.kept,
      deleted: this.#sweep.deleted,
      compaction: this.#counts,
      strayFiles,
      bytesFreed: bytesRemoved + strayBytes - moved,
      bytesWasted: plan.wasteBytes,
      leases: this.#leases,
      deadLeases,
      exclusiveMilliseconds: this.#exclusiveMilliseconds,
    };
  }
}

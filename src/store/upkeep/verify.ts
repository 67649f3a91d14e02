/**
 * Checks a whole store on disk: every object against its digest, every list of chunks against its
 * checksum and what it names, every directory and root against what they name. Others may import,
 * serve and collect meanwhile: no transaction is held for long, and what seems wrong is looked at
 * again.
 *
 * Each object is hashed once. A file of several chunks is not hashed as a whole beside that: its
 * list was proven when it was put, and has a checksum. `wholeBlobs` does it nevertheless.
 */
import { availableParallelism } from "node:os";
import type { DatabaseSync } from "node:sqlite";
import { DIGEST_BYTES } from "../../castore/digest.ts";
import { isPlausible, openIndex, prepareRows } from "../disk-index.ts";
import { indexPath, OBJECT_CHUNK, SEGMENT_BYTES_MAX } from "../disk-layout.ts";
import { DiskObjects } from "../disk-objects.ts";
import { RootTable } from "../root-table.ts";
import { indexFailure } from "../sqlite-failure.ts";
import { DirectoryLinks } from "./directory-links.ts";
import { FaultFinder } from "./fault-finder.ts";
import { ObjectList, segmentGroups } from "./object-list.ts";
import { objectTasks } from "./object-tasks.ts";
import type { SegmentShare } from "./segment-plan.ts";
import { Turns } from "./turns.ts";
import { VerifyCrew } from "./verify-crew.ts";
import type { ObjectTask, VerifyOutcome, VerifyTask } from "./verify-messages.ts";
import type { VerifyProgress, VerifyReport } from "./verify-report.ts";
import { newProgress } from "./verify-report.ts";

/** What one thread has done before others would have started. */
const BYTES_ALONE_MAX = 256 * 1024 * 1024;
const OBJECTS_ALONE_MAX = 20_000;
const BLOBS_PER_TASK = 256;

export interface VerifyOptions {
  /** Hashes files of several chunks as a whole, too. */
  readonly wholeBlobs?: boolean;
  /** Worker threads; left out: as many as there are processors, for a store that is worth it. */
  readonly threads?: number;
  readonly onProgress?: (progress: Readonly<VerifyProgress>) => void;
  readonly signal?: AbortSignal;
}

/**
 * Verifies the store in the folder `path`. Damage is reported, not thrown.
 * @throws StoreAbsent, UnsupportedFormat, StoreError when the index itself cannot be read.
 */
export async function verifyStore(
  path: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const database = openIndex(path, "read");
  try {
    using objects = new DiskObjects(path, database);
    return await new Verification(path, database, objects, options).run();
  } catch (error) {
    throw indexFailure(error, indexPath(path));
  } finally {
    database.close();
  }
}

class Verification {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #options: VerifyOptions;
  readonly #progress = newProgress();
  readonly #finder: FaultFinder;
  readonly #links = new DirectoryLinks();
  readonly #turns: Turns;
  readonly #shares = new Map<number, SegmentShare>();

  constructor(path: string, database: DatabaseSync, objects: DiskObjects, options: VerifyOptions) {
    this.#path = path;
    this.#database = database;
    this.#options = options;
    this.#finder = new FaultFinder(objects, this.#progress);
    this.#turns = new Turns(options.signal, () => options.onProgress?.(this.#progress));
  }

  async run(): Promise<VerifyReport> {
    this.#census();
    const data = { directory: this.#path, wholeBlobs: this.#options.wholeBlobs ?? false };
    await using crew = new VerifyCrew(data, this.#threads());
    await this.#eachObject(crew);
    await this.#eachBlob(crew);
    for (const link of this.#links.doubtful()) {
      this.#finder.link(link);
      if (this.#turns.over) await this.#turns.pause();
    }
    this.#finder.roots(new RootTable(this.#database), this.#links);
    this.#options.onProgress?.(this.#progress);
    return { ...this.#progress, listed: this.#finder.listed };
  }

  #threads(): number {
    const { objectsExpected, bytesExpected } = this.#progress;
    const small = objectsExpected <= OBJECTS_ALONE_MAX && bytesExpected <= BYTES_ALONE_MAX;
    return this.#options.threads ?? (small ? 0 : availableParallelism());
  }

  /** What there is, by segment. */
  #census(): void {
    const rows = prepareRows(
      this.#database,
      "SELECT segment, offset, length, length(digest) FROM objects",
    );
    for (const row of rows.iterate()) {
      const [segment, offset, stated, digestBytes] = row as unknown as number[];
      const location = { segment: segment!, offset: offset!, length: stated! };
      // A damaged row may say anything.
      const length = isPlausible(location, SEGMENT_BYTES_MAX) ? location.length : 0;
      if (digestBytes !== DIGEST_BYTES) this.#finder.rowWithoutDigest("chunk");
      let share = this.#shares.get(location.segment);
      if (share === undefined) {
        share = { objects: 0, bytes: 0 };
        this.#shares.set(location.segment, share);
      }
      share.objects += 1;
      share.bytes += length;
      this.#progress.objectsExpected += 1;
      this.#progress.bytesExpected += length;
    }
  }

  /** As they lie on disk: read in order, and read ahead by the kernel. */
  async #eachObject(crew: VerifyCrew): Promise<void> {
    const work = new Work(crew, this.#turns);
    const segments = [...this.#shares.keys()].sort((a, b) => a - b);
    for (const group of segmentGroups(segments, this.#shares)) {
      const list = new ObjectList(this.#database, group);
      for (const task of objectTasks(list)) {
        await work.give(task, (outcome) => this.#takeObjects(task, outcome));
      }
    }
    await work.end();
  }

  #takeObjects(task: ObjectTask, outcome: VerifyOutcome): void {
    if (outcome.kind !== "objects") return;
    for (const [i, kind] of task.kinds.entries()) {
      if (kind === OBJECT_CHUNK) {
        this.#progress.chunks += 1;
      } else {
        this.#progress.directories += 1;
        if (task.whole[i] === 0) this.#progress.partial += 1;
      }
    }
    this.#progress.bytes += outcome.bytes;
    this.#finder.objects(task, outcome);
    this.#links.add(task, outcome);
  }

  async #eachBlob(crew: VerifyCrew): Promise<void> {
    const work = new Work(crew, this.#turns);
    const rotten = this.#finder.rottenChunks();
    for (const digests of this.#blobDigests()) {
      await work.give({ kind: "blobs", digests, rotten }, (outcome) => {
        if (outcome.kind !== "blobs") return;
        this.#progress.blobs += outcome.blobs;
        this.#progress.partial += outcome.partial;
        this.#progress.bytes += outcome.bytes;
        this.#finder.blobs(outcome);
      });
    }
    await work.end();
  }

  /** Some at a time, so that no transaction goes on while they are looked at. */
  *#blobDigests(): Generator<Uint8Array> {
    const next = prepareRows(
      this.#database,
      "SELECT digest FROM blobs WHERE digest > ? ORDER BY digest LIMIT ?",
    );
    let after = new Uint8Array(0);
    for (;;) {
      const rows = next.all(after, BLOBS_PER_TASK) as unknown as [Uint8Array<ArrayBuffer>][];
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last[0];
      const sound = rows.filter(([digest]) => digest.length === DIGEST_BYTES);
      for (let i = sound.length; i < rows.length; i += 1) this.#finder.rowWithoutDigest("blob");
      const digests = new Uint8Array(sound.length * DIGEST_BYTES);
      for (const [i, [digest]] of sound.entries()) digests.set(digest, i * DIGEST_BYTES);
      yield digests;
    }
  }
}

/** Tasks that are under way. */
class Work {
  readonly #crew: VerifyCrew;
  readonly #turns: Turns;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(crew: VerifyCrew, turns: Turns) {
    this.#crew = crew;
    this.#turns = turns;
  }

  /** Settles when there is room for the next. @throws what a task before it threw */
  async give(task: VerifyTask, take: (outcome: VerifyOutcome) => void): Promise<void> {
    const run = this.#crew
      .run(task)
      .then(take)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
    while (this.#running.size >= this.#crew.tasksMax) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#turns.over) await this.#turns.pause();
  }

  async end(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

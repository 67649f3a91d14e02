/**
 * Fetches ahead what somebody is going to read: what was recorded, in that order, or a whole tree.
 * In the background, few objects at a time, until it is done or told to stop.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "../../base/logger.ts";
import type { Digest } from "../../castore/digest.ts";
import { CorruptObject, MissingObject, SourceUnavailable, StoreError } from "../errors.ts";
import type { FetchPriority, WantedObject } from "../object-fetcher.ts";
import { type Clock, sleep, systemClock } from "./clock.ts";
import { eachSeveral } from "./several.ts";
import type { Fetcher } from "./tier-fetcher.ts";
import type { Trace } from "./trace.ts";
import { type FetchOne, fetchContents, fetchDirectories } from "./tree-fetch.ts";

/** Objects that are being fetched ahead at a time. */
export const PREFETCH_OBJECTS_MAX = 64;
/** The pause when sources cannot be reached, doubled each time, and the longest. */
export const PREFETCH_PAUSE_MILLISECONDS = 1000;
export const PREFETCH_PAUSE_MILLISECONDS_MAX = 30_000;
/** Objects after which others get their turn, when all of them are here already. */
const TURN_OBJECTS = 64;

/** All objects below the root, its directories only, or what a trace lists. */
export type PrefetchPlan = "all" | "metadata" | Trace;

export interface PrefetchOptions {
  readonly logger: Logger;
  /** Ends it. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** The background, when left out. */
  readonly priority?: FetchPriority;
}

/** Counted so far. */
export interface PrefetchCounts {
  /** Objects that are in the local store now, whether they were before or not. */
  objects: number;
  /** Objects that no source has, or not as they should be. */
  failed: number;
}

/** Disposing ends it; what is being fetched just then may still come. */
export interface Prefetch extends Disposable {
  readonly counts: Readonly<PrefetchCounts>;
  /** Settles when all is done, or it was told to stop; never rejects. */
  readonly done: Promise<void>;
}

/** `root`: of the tree that is being served; undefined: there is none but what a trace names. */
export function startPrefetch(
  fetcher: Fetcher,
  plan: PrefetchPlan,
  root: Digest | undefined,
  options: PrefetchOptions,
): Prefetch {
  const stop = new AbortController();
  const signal =
    options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const run = new PrefetchRun(fetcher, options, signal);
  return {
    counts: run.counts,
    done: run.run(plan, root),
    [Symbol.dispose]: () => stop.abort(new StoreError("prefetching was stopped")),
  };
}

class PrefetchRun {
  readonly counts: PrefetchCounts = { objects: 0, failed: 0 };
  readonly #fetcher: Fetcher;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #priority: FetchPriority;
  #pause = PREFETCH_PAUSE_MILLISECONDS;

  constructor(fetcher: Fetcher, options: PrefetchOptions, signal: AbortSignal) {
    this.#fetcher = fetcher;
    this.#logger = options.logger;
    this.#clock = options.clock ?? systemClock;
    this.#priority = options.priority ?? "background";
    this.#signal = signal;
  }

  async run(plan: PrefetchPlan, root: Digest | undefined): Promise<void> {
    try {
      if (typeof plan === "object") await this.#trace(plan);
      else if (root !== undefined) await this.#tree(root, plan === "all");
      this.#logger.log("info", "fetched ahead", { ...this.counts });
    } catch (error) {
      if (this.#signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#logger.log("error", "fetching ahead has ended", { ...this.counts, reason });
    }
  }

  async #trace({ objects }: Trace): Promise<void> {
    await eachSeveral(objects, PREFETCH_OBJECTS_MAX, async ({ kind, digest, size }) => {
      const known = kind === "blob" && size !== undefined ? { size } : {};
      await this.#fetch({ kind, digest, heal: false, ...known });
    });
  }

  async #tree(root: Digest, withContents: boolean): Promise<void> {
    const { local } = this.#fetcher;
    const fetch: FetchOne = (wanted) => this.#fetch(wanted);
    const directories = await fetchDirectories(local, root, PREFETCH_OBJECTS_MAX, fetch);
    if (withContents) await fetchContents(local, directories, PREFETCH_OBJECTS_MAX, fetch);
  }

  /** Tries for as long as sources cannot be reached. */
  async #fetch(wanted: WantedObject): Promise<void> {
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        await this.#fetcher.fetch(wanted, this.#priority);
        this.counts.objects += 1;
        this.#pause = PREFETCH_PAUSE_MILLISECONDS;
        if (this.counts.objects % TURN_OBJECTS === 0) await nextTurn();
        return;
      } catch (error) {
        if (error instanceof MissingObject || error instanceof CorruptObject) {
          this.counts.failed += 1;
          return;
        }
        if (!(error instanceof SourceUnavailable)) throw error;
      }
      await sleep(this.#clock, this.#pause, this.#signal);
      this.#pause = Math.min(PREFETCH_PAUSE_MILLISECONDS_MAX, this.#pause * 2);
    }
  }
}

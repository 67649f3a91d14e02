/** A source as the fetcher uses it: not more at a time than it should, and not while it is down. */
import type { Logger } from "../../base/logger.ts";
import type { Source } from "../source.ts";
import { Bandwidth } from "./bandwidth.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import type { Clock } from "./clock.ts";
import type { FetchTally } from "./fetch-tally.ts";
import { PriorityGate } from "./priority-gate.ts";
import { SourceResting } from "./source-errors.ts";
import { SourceVisit, type VisitedSource } from "./source-visit.ts";
import type { Urgency } from "./urgency.ts";

/** Requests to one source at a time, when nothing else is said. */
export const REQUESTS_MAX = 32;
/** The part of them that may be in the background. */
const BACKGROUND_PART = 1 / 4;
/** The same, while there are requests in the foreground: these shall not wait for the line. */
const BACKGROUND_BESIDE_MAX = 2;

export interface GuardOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tally: FetchTally;
  readonly concurrency: number;
  readonly bytesPerSecond: number;
  readonly attemptMilliseconds: number;
}

export class GuardedSource {
  readonly name: string;
  /**
   * It gives directories with the tree that they belong to, and not by themselves. Found out by
   * asking.
   */
  treesOnly = false;
  readonly #visited: VisitedSource;
  readonly #gate: PriorityGate;

  constructor(source: Source, options: GuardOptions) {
    const { clock, logger, tally, concurrency, bytesPerSecond, attemptMilliseconds } = options;
    this.name = source.name;
    const breaker = new CircuitBreaker(clock, (state) => {
      if (state === "open") logger.log("warn", "source fails, left alone", { source: this.name });
      if (state === "closed") logger.log("info", "source answers again", { source: this.name });
    });
    const bandwidth = new Bandwidth(clock, bytesPerSecond);
    this.#visited = { source, breaker, bandwidth, clock, attemptMilliseconds, tally };
    const backgroundMax = Math.max(1, Math.floor(concurrency * BACKGROUND_PART));
    this.#gate = new PriorityGate({
      max: concurrency,
      backgroundMax,
      backgroundBesideMax: Math.min(backgroundMax, BACKGROUND_BESIDE_MAX),
    });
  }

  /**
   * Waits for its turn, then lets `use` make requests, one after another.
   * @throws SourceUnavailable, SourceLied, what `use` throws, the signal's reason
   */
  async visit<T>(
    urgency: Urgency,
    signal: AbortSignal,
    use: (visit: SourceVisit) => Promise<T>,
  ): Promise<T> {
    this.#requireReady();
    using _room = await this.#gate.enter(1, urgency, signal);
    this.#requireReady();
    return await use(new SourceVisit(this.#visited, urgency, signal));
  }

  #requireReady(): void {
    if (!this.#visited.breaker.ready) {
      throw new SourceResting(`${this.name} has failed too often just now`);
    }
  }
}

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
/** The part of them that may be in the background, and beside requests in the foreground. */
const BACKGROUND_PART = 1 / 2;
const BACKGROUND_BESIDE_PART = 1 / 4;
/**
 * Bytes that may be on their way in the background, and beside requests in the foreground: how
 * much of the line is taken when somebody comes who is in a hurry.
 */
export const BACKGROUND_BYTES_MAX = 2 * 1024 * 1024;
export const BACKGROUND_BESIDE_BYTES_MAX = 512 * 1024;

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
  readonly #requests: PriorityGate;
  readonly #line = new PriorityGate({
    max: Number.POSITIVE_INFINITY,
    backgroundMax: BACKGROUND_BYTES_MAX,
    backgroundBesideMax: BACKGROUND_BESIDE_BYTES_MAX,
  });

  constructor(source: Source, options: GuardOptions) {
    const { clock, logger, tally, concurrency, bytesPerSecond, attemptMilliseconds } = options;
    this.name = source.name;
    const breaker = new CircuitBreaker(clock, (state) => {
      if (state === "open") logger.log("warn", "source fails, left alone", { source: this.name });
      if (state === "closed") logger.log("info", "source answers again", { source: this.name });
    });
    const bandwidth = new Bandwidth(clock, bytesPerSecond);
    this.#visited = { source, breaker, bandwidth, clock, attemptMilliseconds, tally };
    this.#requests = new PriorityGate({
      max: concurrency,
      backgroundMax: Math.max(1, Math.floor(concurrency * BACKGROUND_PART)),
      backgroundBesideMax: Math.max(1, Math.floor(concurrency * BACKGROUND_BESIDE_PART)),
    });
  }

  /**
   * Waits for its turn, then lets `use` make requests, one after another. About so many `bytes`
   * will be on their way at a time.
   * @throws SourceUnavailable, SourceLied, what `use` throws, the signal's reason
   */
  async visit<T>(
    urgency: Urgency,
    signal: AbortSignal,
    bytes: number,
    use: (visit: SourceVisit) => Promise<T>,
  ): Promise<T> {
    this.#requireReady();
    using _line = await this.#line.enter(bytes, urgency, signal);
    using _request = await this.#requests.enter(1, urgency, signal);
    this.#requireReady();
    return await use(new SourceVisit(this.#visited, urgency, signal));
  }

  #requireReady(): void {
    if (!this.#visited.breaker.ready) {
      throw new SourceResting(`${this.name} has failed too often just now`);
    }
  }
}

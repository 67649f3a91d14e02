/**
 * Asks sources for an object, near to far, until one has it. A source that fails is asked again
 * after the others, a few times, with pauses that grow and are made uneven by chance.
 */
import type { Logger } from "../../base/logger.ts";
import type { Digest } from "../../castore/digest.ts";
import { AbortScope } from "../abort-scope.ts";
import { CorruptObject, MissingObject, SourceUnavailable } from "../errors.ts";
import { type Clock, sleep } from "./clock.ts";
import type { FetchTally } from "./fetch-tally.ts";
import type { GuardedSource } from "./guarded-source.ts";
import { KnownLies } from "./known-lies.ts";
import { SourceLied, SourceResting } from "./source-errors.ts";

/** How often a source is asked for one object, when it fails. */
export const ROUNDS_MAX = 4;
/** The pause after the first round is up to this, after each further one up to twice as much. */
export const BACKOFF_MILLISECONDS = 100;
export const BACKOFF_MILLISECONDS_MAX = 2000;

export interface ChainOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tally: FetchTally;
  /** How long asking for one object may take in all. */
  readonly deadlineMilliseconds: number;
  /** Ends everything. */
  readonly closing: AbortSignal;
}

/** The object that is asked for, for messages. */
export interface AskedObject {
  readonly what: "directory" | "blob" | "chunk";
  readonly digest: Digest;
}

/** Undefined: the source does not have it. May throw SourceUnavailable and SourceLied. */
export type AskSource<T> = (source: GuardedSource, signal: AbortSignal) => Promise<T | undefined>;

export class SourceChain {
  /** Near to far. */
  readonly sources: readonly GuardedSource[];
  readonly #options: ChainOptions;
  readonly #lies: KnownLies;

  constructor(sources: readonly GuardedSource[], options: ChainOptions) {
    this.sources = sources;
    this.#options = options;
    this.#lies = new KnownLies(options.clock, options.logger, options.tally);
  }

  get closing(): AbortSignal {
    return this.#options.closing;
  }

  /** The sources with `first` before all others. */
  startingWith(first: GuardedSource): readonly GuardedSource[] {
    return [first, ...this.sources.filter((source) => source !== first)];
  }

  /**
   * The first answer that `ask` gets from one of `sources`.
   * @throws MissingObject, CorruptObject, SourceUnavailable; whatever else `ask` throws
   */
  async ask<T>(
    object: AskedObject,
    sources: readonly GuardedSource[],
    ask: AskSource<T>,
  ): Promise<T> {
    const { clock, closing, deadlineMilliseconds } = this.#options;
    using scope = new AbortScope(closing);
    const what = `fetching the ${object.what} ${object.digest}`;
    using _deadline = scope.limit(clock, deadlineMilliseconds, what);
    const round = new Round(object, this.#lies);
    let left = sources;
    for (let count = 1; ; count += 1) {
      const answer = await round.run(left, ask, scope.signal);
      if (answer !== undefined) return answer;
      left = round.failed;
      if (left.length === 0 || round.allRest || count === ROUNDS_MAX) throw round.outcome();
      const pause = Math.min(BACKOFF_MILLISECONDS_MAX, BACKOFF_MILLISECONDS * 2 ** (count - 1));
      await sleep(clock, pause * clock.random(), scope.signal);
    }
  }

  /** Notes that `source` gave wrong data, when that came out later than while it was asked. */
  addLie(source: GuardedSource, { what, digest }: AskedObject, fault: string): void {
    this.#lies.add(source.name, what, digest, fault);
  }
}

/** One round over sources, and what is known of them after it. */
class Round {
  readonly #object: AskedObject;
  readonly #lies: KnownLies;
  #lied: unknown;
  #unavailable: unknown;
  /** Those that failed in the last round: they may have the object. */
  failed: GuardedSource[] = [];
  /** None of these was even asked. */
  allRest = false;

  constructor(object: AskedObject, lies: KnownLies) {
    this.#object = object;
    this.#lies = lies;
  }

  async run<T>(
    sources: readonly GuardedSource[],
    ask: AskSource<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> {
    const { what, digest } = this.#object;
    this.failed = [];
    this.allRest = true;
    for (const source of sources) {
      if (this.#lies.has(source.name, digest)) {
        this.#lied ??= new SourceLied(`${source.name} gave wrong data`);
        continue;
      }
      try {
        const answer = await ask(source, signal);
        if (answer !== undefined) return answer;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof SourceLied) {
          this.#lied = error;
          this.#lies.add(source.name, what, digest, error.message);
        } else if (error instanceof SourceUnavailable) {
          this.#unavailable = error;
          this.failed.push(source);
          if (!(error instanceof SourceResting)) this.allRest = false;
        } else {
          throw error;
        }
      }
    }
    return undefined;
  }

  outcome(): Error {
    const { what, digest } = this.#object;
    if (this.failed.length > 0) {
      const names = this.failed.map((source) => source.name).join(", ");
      return new SourceUnavailable(`${what} ${digest} cannot be fetched now from ${names}`, {
        cause: this.#unavailable,
        remedy: "try again when the source answers",
      });
    }
    if (this.#lied !== undefined) return new CorruptObject(what, digest, { cause: this.#lied });
    return new MissingObject(what, digest);
  }
}

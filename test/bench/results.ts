/** What a run has found, as the JSON file holds it, and what is concluded from it. */
import { DEPTHS, ONE_CORE_GOAL, type Row } from "./rows.ts";
import type { Sample } from "./sample.ts";
import { median, pairedRatio, spread } from "./statistics.ts";

/** The samples of one row at one depth, by the contender's name, one for each round. */
export interface Measured {
  readonly row: Row;
  readonly depth: number;
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
}

export interface Summary {
  readonly operationsPerSecond: number;
  /** Half the range of the rounds over their median. */
  readonly spread: number;
  readonly p50Microseconds: number;
  readonly p99Microseconds: number;
  readonly daemonMicrosecondsPerOperation: number;
  readonly generatorMicrosecondsPerOperation: number;
  readonly disturbance: number;
}

export interface Comparison {
  readonly peer: string;
  /** Ours over theirs, operations per second. */
  readonly speed: number;
  /** Ours over theirs, CPU time of the daemon per operation. */
  readonly cpu: number;
}

export interface Line {
  readonly row: Row;
  readonly depth: number;
  readonly summaries: ReadonlyMap<string, Summary>;
  readonly comparisons: readonly Comparison[];
  /** Against the fastest peer, and against the thriftiest; NaN without peers. */
  readonly speed: number;
  readonly cpu: number;
  readonly goal: number | undefined;
}

export function summarize(samples: readonly Sample[]): Summary {
  const over = (pick: (sample: Sample) => number) => median(samples.map(pick));
  return {
    operationsPerSecond: over((s) => s.operationsPerSecond),
    spread: spread(samples.map((s) => s.operationsPerSecond)),
    p50Microseconds: over((s) => s.p50Microseconds),
    p99Microseconds: over((s) => s.p99Microseconds),
    daemonMicrosecondsPerOperation: over((s) => s.daemonMicrosecondsPerOperation),
    generatorMicrosecondsPerOperation: over((s) => s.generatorMicrosecondsPerOperation),
    disturbance: over((s) => s.disturbance),
  };
}

/** `ours` is the contender that the ratios are about. */
export function concludeLine(
  measured: Measured,
  ours: string,
  peers: readonly string[],
  oneCore: boolean,
): Line {
  const { row, depth, samples } = measured;
  const rates = (name: string) => samples.get(name)?.map((s) => s.operationsPerSecond) ?? [];
  const costs = (name: string) =>
    samples.get(name)?.map((s) => s.daemonMicrosecondsPerOperation) ?? [];
  const comparisons = peers
    .filter((peer) => samples.has(peer))
    .map((peer) => ({
      peer,
      speed: pairedRatio(rates(ours), rates(peer)),
      cpu: pairedRatio(costs(ours), costs(peer)),
    }));
  const some = comparisons.length > 0;
  return {
    row,
    depth,
    summaries: new Map([...samples].map(([name, list]) => [name, summarize(list)])),
    comparisons,
    speed: some ? Math.min(...comparisons.map((c) => c.speed)) : Number.NaN,
    cpu: some ? Math.max(...comparisons.map((c) => c.cpu)) : Number.NaN,
    goal: oneCore ? ONE_CORE_GOAL : row.goals[depth],
  };
}

/** Whether a row is measured at a depth: the walk goes one step after another. */
export function depthsOf(row: Row): readonly number[] {
  return row.share === "walked" ? [1] : DEPTHS;
}

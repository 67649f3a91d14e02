/** Every daemon started, checked and warmed up; then rounds in which each has its turn at each row. */
import type { Contender, Missing } from "./contenders.ts";
import type { BenchOptions } from "./options.ts";
import type { Workload } from "./pump.ts";
import { depthsOf, type Measured } from "./results.ts";
import { DEPTH_MAX, type Row } from "./rows.ts";
import { type Load, loadOf, quietSample, type Sample, sample, walksOf } from "./sample.ts";
import { readTarget, type Target, writeTarget } from "./target.ts";

export interface RoundsPlan extends BenchOptions {
  readonly daemonCore: number;
}

export interface RoundsResult {
  readonly measured: readonly Measured[];
  readonly failed: readonly Missing[];
}

/** A contender with the sessions that the rows need. */
interface Runner {
  readonly contender: Contender;
  readonly targets: Disposable[];
  /** What measures one row at one depth once. */
  readonly trials: ReadonlyMap<string, Trial>;
}

interface Trial {
  warm(): Sample;
  measure(): Sample;
}

export function runRounds(
  contenders: readonly Contender[],
  plan: RoundsPlan,
  progress: (line: string) => void,
): RoundsResult {
  const failed: Missing[] = [];
  const runners: Runner[] = [];
  const places = plan.rows.flatMap((row) => depthsOf(row).map((depth) => ({ row, depth })));
  const samples = new Map(places.map((place) => [keyOf(place), new Map<string, Sample[]>()]));
  try {
    for (const contender of contenders) {
      progress(`starting, checking and warming up ${contender.title}`);
      try {
        runners.push(startRunner(contender, plan));
      } catch (error) {
        failed.push({ name: contender.name, reason: reasonOf(error) });
      }
    }
    for (let round = 0; round < plan.rounds; round++) {
      progress(`round ${round + 1} of ${plan.rounds}`);
      for (const place of places.filter(({ row }) => isMeasuredIn(round, row))) {
        for (let turn = 0; turn < runners.length; turn++) {
          // Each round begins with another daemon.
          const { contender, trials } = runners[(turn + round) % runners.length]!;
          const taken = samples.get(keyOf(place))!;
          const list = taken.get(contender.name) ?? [];
          list.push(trials.get(keyOf(place))!.measure());
          taken.set(contender.name, list);
        }
      }
    }
  } finally {
    for (const { targets } of runners) for (const target of targets) target[Symbol.dispose]();
  }
  const measured = places.map((place) => ({ ...place, samples: samples.get(keyOf(place))! }));
  return { measured, failed };
}

/** Rows of changes have longer windows, and every second round only. */
function isMeasuredIn(round: number, row: Row): boolean {
  return row.share !== "writable" || round % 2 === 0;
}

/** @throws when the daemon does not start, or answers wrongly. */
function startRunner(contender: Contender, plan: RoundsPlan): Runner {
  const targets: Disposable[] = [];
  const trials = new Map<string, Trial>();
  const add = (row: Row, depth: number, target: Target<unknown>, load: Load) => {
    trials.set(keyOf({ row, depth }), {
      warm: () => sample(target, load, plan.warmMilliseconds, plan.oneCore),
      // Of changes every window counts: the daemon disturbs itself when it writes back, and must.
      measure: () =>
        row.share === "writable"
          ? sample(target, load, plan.changeWindowMilliseconds, plan.oneCore)
          : quietSample(target, load, plan.windowMilliseconds, plan.oneCore),
    });
  };
  try {
    const streamPlan = { ...plan, depth: DEPTH_MAX };
    const reading = plan.rows.filter((row) => row.share === "read-only");
    if (reading.length > 0) {
      const target = readTarget(contender, "handles", streamPlan);
      targets.push(target);
      for (const row of reading) addStreams(row, target, plan, add);
    }
    const walk = plan.rows.find((row) => row.share === "walked");
    if (walk !== undefined) {
      const target = readTarget(contender, "linux", { ...plan, depth: 1 });
      targets.push(target);
      add(walk, 1, target, walksOf(target));
    }
    const writing = plan.rows.filter((row) => row.share === "writable");
    if (writing.length > 0) {
      const target = writeTarget(contender, streamPlan);
      targets.push(target);
      for (const row of writing) addStreams(row, target, plan, add);
    }
    for (const trial of trials.values()) trial.warm();
  } catch (error) {
    for (const target of targets) target[Symbol.dispose]();
    throw error;
  }
  return { contender, targets, trials };
}

/** Each row at each depth, on a session of its kind of share. */
function addStreams<F>(
  row: Row & { readonly make: (facts: F, streams: number) => Workload },
  target: Target<F>,
  plan: RoundsPlan,
  add: (row: Row, depth: number, target: Target<unknown>, load: Load) => void,
): void {
  for (const depth of depthsOf(row)) {
    // Kept over all rounds: open handles and places in a listing go on where they were.
    const workload = row.make(target.facts, depth * plan.queues);
    add(row, depth, target, loadOf(target, workload, depth));
  }
}

function keyOf({ row, depth }: { readonly row: Row; readonly depth: number }): string {
  return `${row.name} ${depth}`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : "";
  return `${error.message}${cause}`;
}

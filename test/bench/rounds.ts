/** Every daemon started, checked and warmed up; then rounds in which each has its turn at each row. */
import type { Contender, Missing } from "./contenders.ts";
import type { BenchOptions } from "./options.ts";
import { depthsOf, type Measured } from "./results.ts";
import { DEPTH_MAX, type Row } from "./rows.ts";
import { loadOf, type Sample, sample, walks } from "./sample.ts";
import { Target } from "./target.ts";

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
  readonly targets: Target[];
  /** What measures one row at one depth once. */
  readonly trials: ReadonlyMap<string, (milliseconds: number) => Sample>;
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
      for (const place of places) {
        for (let turn = 0; turn < runners.length; turn++) {
          // Each round begins with another daemon.
          const { contender, trials } = runners[(turn + round) % runners.length]!;
          const taken = samples.get(keyOf(place))!;
          const list = taken.get(contender.name) ?? [];
          list.push(trials.get(keyOf(place))!(plan.windowMilliseconds));
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

/** @throws when the daemon does not start, or answers wrongly. */
function startRunner(contender: Contender, plan: RoundsPlan): Runner {
  const targets: Target[] = [];
  const trials = new Map<string, (milliseconds: number) => Sample>();
  try {
    const streams = plan.rows.filter((row) => row.make !== undefined);
    if (streams.length > 0) {
      const target = new Target(contender, { ...plan, session: "handles", depth: DEPTH_MAX });
      targets.push(target);
      for (const row of streams) addStreams(trials, row, target, plan);
    }
    const walk = plan.rows.find((row) => row.make === undefined);
    if (walk !== undefined) {
      const target = new Target(contender, { ...plan, session: "linux", depth: 1 });
      targets.push(target);
      trials.set(keyOf({ row: walk, depth: 1 }), (milliseconds) =>
        sample(target, walks, milliseconds, plan.oneCore),
      );
    }
    for (const trial of trials.values()) trial(plan.warmMilliseconds);
  } catch (error) {
    for (const target of targets) target[Symbol.dispose]();
    throw error;
  }
  return { contender, targets, trials };
}

function addStreams(
  trials: Map<string, (milliseconds: number) => Sample>,
  row: Row,
  target: Target,
  plan: RoundsPlan,
): void {
  for (const depth of depthsOf(row)) {
    // Kept over all rounds: open handles and places in a listing go on where they were.
    const load = loadOf(row.make!(target.facts, depth * plan.queues), depth);
    trials.set(keyOf({ row, depth }), (milliseconds) =>
      sample(target, load, milliseconds, plan.oneCore),
    );
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

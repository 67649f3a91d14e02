/**
 * One short measurement of one row on one daemon, with what the kernel says of the disturbance: a
 * machine that does other things, too, is measured in short windows, the quietest of which counts.
 */
import { readdirSync, readFileSync } from "node:fs";
import { TreeWalker } from "../frontend/tree-walker.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import type { Counted, Workload } from "./pump.ts";
import type { ShareFacts } from "./share-facts.ts";
import type { Target } from "./target.ts";

export interface Sample {
  readonly operationsPerSecond: number;
  readonly p50Microseconds: number;
  readonly p99Microseconds: number;
  /** CPU time of all threads of the daemon per operation, waiting in a spin included. */
  readonly daemonMicrosecondsPerOperation: number;
  /** CPU time of the generator's thread per operation. */
  readonly generatorMicrosecondsPerOperation: number;
  /** Share of the window in which generator or daemon could have run, but others did. */
  readonly disturbance: number;
}

/** A window with less than this counts at once. */
const QUIET = 0.03;
/** Windows at the most for one sample. */
const ATTEMPTS = 3;
/** What a run may spend on windows that are measured once more: it ends in a known time anyway. */
const AGAIN_MILLISECONDS_MAX = 150_000;

/** A daemon answered what it must not answer. */
export class WrongAnswers extends Error {
  override readonly name = "WrongAnswers";
}

const histogram = new LatencyHistogram();

/** What one window is filled with. */
export interface Load {
  run(milliseconds: number, histogram: LatencyHistogram): Counted;
  /** Before and after the timed part. */
  prepare(): void;
  verify(): void;
}

let spentAgain = 0;

/** One window. @throws WrongAnswers, WrongData, NoAnswer. */
export function sample(
  target: Target<unknown>,
  load: Load,
  milliseconds: number,
  oneCore: boolean,
): Sample {
  return window(target, load, milliseconds, oneCore);
}

/** The quietest of some windows. @throws as `sample`. */
export function quietSample(
  target: Target<unknown>,
  load: Load,
  milliseconds: number,
  oneCore: boolean,
): Sample {
  let best = window(target, load, milliseconds, oneCore);
  for (let attempt = 1; attempt < ATTEMPTS && best.disturbance > QUIET; attempt++) {
    if (spentAgain > AGAIN_MILLISECONDS_MAX) break;
    spentAgain += milliseconds;
    const next = window(target, load, milliseconds, oneCore);
    if (next.disturbance < best.disturbance) best = next;
  }
  return best;
}

function window(
  target: Target<unknown>,
  load: Load,
  milliseconds: number,
  oneCore: boolean,
): Sample {
  histogram.reset();
  load.prepare();
  const daemonBefore = scheduled(taskFiles(target.daemon.pid));
  const ownBefore = scheduled(OWN_THREAD);
  const counted = load.run(milliseconds, histogram);
  const own = difference(scheduled(OWN_THREAD), ownBefore);
  const daemon = difference(scheduled(taskFiles(target.daemon.pid)), daemonBefore);
  if (counted.wrong > 0 || counted.operations === 0) {
    throw new WrongAnswers(
      `${target.contender.title}: ${counted.wrong} of ${counted.operations} answers are wrong`,
    );
  }
  load.verify();
  const elapsed = counted.seconds * 1e9;
  // On one core, each waits for the other all the time: what counts is what neither got.
  const disturbance = oneCore
    ? Math.max(0, 1 - (own.ran + daemon.ran) / elapsed)
    : (own.waited + daemon.waited) / elapsed;
  return {
    operationsPerSecond: counted.operations / counted.seconds,
    p50Microseconds: histogram.microseconds(0.5),
    p99Microseconds: histogram.microseconds(0.99),
    daemonMicrosecondsPerOperation: daemon.ran / 1000 / counted.operations,
    generatorMicrosecondsPerOperation: own.ran / 1000 / counted.operations,
    disturbance,
  };
}

/** A workload as a load. */
export function loadOf(target: Target<unknown>, workload: Workload, depth: number): Load {
  return {
    run: (milliseconds, into) => target.pump.run(workload, depth, milliseconds, into),
    prepare: () => {
      for (const lane of target.lanes) workload.prepare?.(lane);
    },
    verify: () => workload.verify?.(target.lanes[0]!),
  };
}

/** Whole walks as a load. */
export function walksOf(target: Target<ShareFacts>): Load {
  return {
    run: (milliseconds, into) => walks(target, milliseconds, into),
    prepare: () => {},
    verify: () => {},
  };
}

/** Bytes of one READ and of one READDIRPLUS of a walk: the kernel's read-ahead and its page. */
const WALK_READ_BYTES = 131_072;
const WALK_LIST_BYTES = 4096;

/** Whole walks, as many as fit; an operation is a file. Latencies are those of whole walks. */
function walks(target: Target<ShareFacts>, milliseconds: number, into: LatencyHistogram): Counted {
  let operations = 0;
  let requests = 0;
  const begin = performance.now();
  let now = begin;
  while (now - begin < milliseconds) {
    const plan = { readBytes: WALK_READ_BYTES, listBytes: WALK_LIST_BYTES };
    const result = new TreeWalker(target.lanes[0]!, plan).walk(target.facts.walkRoot);
    operations += result.files;
    requests += result.requests;
    const after = performance.now();
    into.record(after - now);
    now = after;
  }
  return { operations, requests, wrong: 0, seconds: (now - begin) / 1000 };
}

const OWN_THREAD = ["/proc/thread-self/schedstat"];

/** One file for each thread of a process. */
function taskFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}/schedstat`);
}

interface Scheduled {
  /** Nanoseconds on a CPU, and runnable without one. */
  readonly ran: number;
  readonly waited: number;
}

function scheduled(files: readonly string[]): Scheduled {
  let ran = 0;
  let waited = 0;
  for (const file of files) {
    const [onCpu, runnable] = readFileSync(file, "utf8").split(" ").map(Number);
    ran += onCpu!;
    waited += runnable!;
  }
  return { ran, waited };
}

function difference(after: Scheduled, before: Scheduled): Scheduled {
  return { ran: after.ran - before.ran, waited: after.waited - before.waited };
}

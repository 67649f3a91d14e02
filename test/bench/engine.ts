/**
 * `make engine-bench`: what V8 does in the daemon beside the requests. For every row, after a warm-up:
 * bytes of garbage per request, garbage collections and their pauses, and functions that were
 * optimized and had to be given up again.
 *
 *   node --conditions=castorefs-source test/bench/engine.ts [--rows A,B] [--seconds N]
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeBenchTree } from "./bench-tree.ts";
import { BUILT_MAIN, CASTOREFS, castorefs, importTree, WRITE_ROOT_NAME } from "./contenders.ts";
import { type EngineEvents, readEvents } from "./engine-log.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import type { Workload } from "./pump.ts";
import { depthsOf } from "./results.ts";
import { DEPTH_MAX, ROWS, type Row } from "./rows.ts";
import { duration, rate, renderTable } from "./table.ts";
import { pinProcess, readTarget, type Target, writeTarget } from "./target.ts";
import { makeWriteTree } from "./write-tree.ts";

const WARM_MILLISECONDS = 2_000;
const SECONDS_DEFAULT = 3;

interface Watched extends EngineEvents {
  readonly row: Row;
  readonly depth: number;
  readonly requests: number;
  readonly seconds: number;
}

function watch<F>(
  target: Target<F>,
  row: Row & { readonly make: (facts: F, streams: number) => Workload },
  depth: number,
  seconds: number,
): Watched {
  const { pump, daemon } = target;
  const load = row.make(target.facts, depth);
  for (const lane of target.lanes) load.prepare?.(lane);
  const histogram = new LatencyHistogram();
  pump.run(load, depth, WARM_MILLISECONDS, histogram);
  const before = daemon.log.length;
  const counted = pump.run(load, depth, seconds * 1000, histogram);
  const events = readEvents(daemon.log, before);
  return { row, depth, requests: counted.requests, seconds: counted.seconds, ...events };
}

function render(watched: readonly Watched[]): string {
  const header = ["", "depth", "requests/s", "bytes/request", "young/s", "old", "longest pause µs"];
  const rows = watched.map((one) => [
    one.row.title,
    String(one.depth),
    rate(one.requests / one.seconds),
    duration(one.garbageBytes / one.requests),
    rate(one.youngCollections / one.seconds),
    String(one.oldCollections),
    duration(one.longestPauseMilliseconds * 1000),
  ]);
  const given = watched.flatMap(({ row, depth, deoptimizations }) =>
    deoptimizations.map((line) => `  ${row.title}, depth ${depth}: ${line}`),
  );
  return [
    renderTable(header, rows),
    `given up after the warm-up: ${given.length === 0 ? "nothing" : ""}`,
    ...given,
  ].join("\n");
}

const { values } = parseArgs({
  options: { rows: { type: "string" }, seconds: { type: "string" } },
});
const names = values.rows?.split(",");
const seconds = Number(values.seconds ?? SECONDS_DEFAULT);
const folder = mkdtempSync(join(tmpdir(), "castorefs-engine-"));
try {
  const tree = join(folder, "tree");
  mkdirSync(tree);
  makeBenchTree(tree);
  const shared = { folder: tree, store: join(folder, "store"), written: join(folder, "layer") };
  importTree(CASTOREFS, shared);
  mkdirSync(join(folder, "write-tree"));
  makeWriteTree(join(folder, "write-tree"));
  importTree(CASTOREFS, { ...shared, folder: join(folder, "write-tree") }, [], WRITE_ROOT_NAME);
  const { command, writableCommand, ...contender } = castorefs(CASTOREFS, "castorefs", shared, []);
  const trace = [process.execPath, "--trace-gc", "--trace-deopt", BUILT_MAIN];
  const traced = {
    ...contender,
    command: [...trace, ...command.slice(1)],
    writableCommand: [...trace, ...writableCommand!.slice(1)],
  };
  const plan = {
    daemonCore: 1,
    oneCore: false,
    queues: 1,
    driverSpinMicroseconds: 50,
    depth: DEPTH_MAX,
  };
  pinProcess(process.pid, 0);
  const rows = ROWS.filter(({ name }) => names?.includes(name) ?? true);
  const watched: Watched[] = [];
  const reading = rows.filter((row) => row.share === "read-only");
  if (reading.length > 0) {
    using target = readTarget(traced, "handles", plan);
    for (const row of reading) {
      for (const depth of depthsOf(row)) watched.push(watch(target, row, depth, seconds));
    }
  }
  const writing = rows.filter((row) => row.share === "writable");
  if (writing.length > 0) {
    using target = writeTarget(traced, plan);
    for (const row of writing) {
      for (const depth of depthsOf(row)) watched.push(watch(target, row, depth, seconds));
    }
  }
  process.stdout.write(`${render(watched)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

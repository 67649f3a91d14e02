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
import { BUILT_MAIN, CASTOREFS, castorefs, importTree } from "./contenders.ts";
import { type EngineEvents, readEvents } from "./engine-log.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { depthsOf } from "./results.ts";
import { DEPTH_MAX, ROWS, type Row } from "./rows.ts";
import { duration, rate, renderTable } from "./table.ts";
import { pinProcess, Target } from "./target.ts";

const WARM_MILLISECONDS = 2_000;
const SECONDS_DEFAULT = 3;

interface Watched extends EngineEvents {
  readonly row: Row;
  readonly depth: number;
  readonly requests: number;
  readonly seconds: number;
}

function watch(target: Target, row: Row, depth: number, seconds: number): Watched {
  const { pump, daemon } = target;
  const load = row.make!(target.facts, DEPTH_MAX);
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
  const shared = { folder: tree, store: join(folder, "store") };
  importTree(CASTOREFS, shared);
  const { command, ...contender } = castorefs(CASTOREFS, "castorefs", shared, []);
  const traced = [process.execPath, "--trace-gc", "--trace-deopt", BUILT_MAIN];
  using target = new Target(
    { ...contender, command: [...traced, ...command.slice(1)] },
    {
      daemonCore: 1,
      oneCore: false,
      queues: 1,
      driverSpinMicroseconds: 50,
      session: "handles",
      depth: DEPTH_MAX,
    },
  );
  pinProcess(process.pid, 0);
  const rows = ROWS.filter(
    ({ name, make }) => make !== undefined && (names?.includes(name) ?? true),
  );
  const watched = rows.flatMap((row) =>
    depthsOf(row).map((depth) => watch(target, row, depth, seconds)),
  );
  process.stdout.write(`${render(watched)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * `make bench`: castorefs beside its peers, in one run, on this machine.
 *
 * Where the machine does other things, too, root may put the bench before them; a session has a
 * scheduling group of its own:
 *
 *     setsid -w sh -c 'echo -20 >/proc/self/autogroup; exec make bench'
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { makeBenchTree } from "./bench-tree.ts";
import { renderChart } from "./chart.ts";
import {
  CASTOREFS,
  type Contender,
  castorefs,
  importTree,
  type Missing,
  peer,
  unbuilt,
  WRITE_ROOT_NAME,
} from "./contenders.ts";
import { fileSystemOf } from "./file-system-name.ts";
import { type Ceiling, generatorCeiling } from "./generator-alone.ts";
import { type BenchOptions, parseOptions, USAGE, UsageError } from "./options.ts";
import { jsonOf, type Report, renderReport } from "./report.ts";
import { concludeLine, depthsOf, type Line } from "./results.ts";
import { runRounds } from "./rounds.ts";
import { pinProcess } from "./target.ts";
import { makeWriteTree } from "./write-tree.ts";

const GENERATOR_CORE = 0;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Progress goes to stderr, so that the table alone can be kept. */
function progress(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

function bench(options: BenchOptions): void {
  const builds = [{ name: "castorefs", program: CASTOREFS, options: [] }, ...options.builds];
  for (const { program } of builds) {
    const problem = unbuilt(program);
    if (problem !== undefined) throw new UsageError(problem);
  }
  if (cpus().length < 2 && !options.oneCore) throw new UsageError("one CPU: only with --one-core");
  const folder = mkdtempSync(join(tmpdir(), "castorefs-bench-"));
  try {
    progress("making the trees, importing them");
    const tree = join(folder, "tree");
    mkdirSync(tree);
    makeBenchTree(tree);
    const written = (name: string) => join(folder, `written-${name}`);
    const writes = options.rows.some((row) => row.share === "writable");
    if (writes) makeWriteTreeIn(join(folder, "write-tree"));
    const contenders: Contender[] = builds.map((build) => {
      const store = join(folder, `store-${build.name}`);
      const shared = { folder: tree, store, written: written(build.name) };
      importTree(build.program, shared);
      if (writes) {
        const writeTree = { ...shared, folder: join(folder, "write-tree") };
        importTree(build.program, writeTree, [], WRITE_ROOT_NAME);
      }
      const more = [...build.options, ...queueOptions(options)];
      return castorefs(build.program, build.name, shared, more);
    });
    const missing: Missing[] = [];
    for (const name of options.peers) {
      const found = peer(name, { folder: tree, store: "", written: written(name) });
      if ("reason" in found) missing.push(found);
      else {
        if (writes) makeWriteTreeIn(written(name));
        contenders.push(found);
      }
    }
    // What was made is on the disk before anything is measured.
    spawnSync("sync");
    const report = measure(options, contenders, missing, fileSystemOf(folder));
    say(renderReport(report));
    if (options.json !== undefined) writeFileSync(options.json, jsonOf(report));
    if (options.svg !== undefined) writeFileSync(options.svg, chartOf(report));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeWriteTreeIn(folder: string): void {
  mkdirSync(folder);
  makeWriteTree(folder);
}

/** Peers take as many queues as the VM manager sets up. */
function queueOptions({ queues }: BenchOptions): string[] {
  return queues === 1 ? [] : ["--queues", String(queues)];
}

function measure(
  options: BenchOptions,
  contenders: readonly Contender[],
  missing: Missing[],
  fileSystem: string,
): Report {
  pinProcess(process.pid, GENERATOR_CORE);
  progress("the generator alone");
  const ceilings = new Map<string, Ceiling>();
  for (const row of options.rows) {
    for (const depth of depthsOf(row)) {
      ceilings.set(`${row.name} ${depth}`, generatorCeiling(row, depth, 50));
    }
  }
  const daemonCore = options.oneCore ? GENERATOR_CORE : GENERATOR_CORE + 1;
  const plan = { ...options, daemonCore };
  const { measured, failed } = runRounds(contenders, plan, progress);
  const broken = failed.find(({ name }) => name === "castorefs");
  if (broken !== undefined)
    throw new Error(`castorefs is not fit to be measured: ${broken.reason}`);
  const ran = contenders.filter(({ name }) => measured.some(({ samples }) => samples.has(name)));
  const peers = ran.filter(({ isOurs }) => !isOurs).map(({ name }) => name);
  const lines: Line[] = measured.map((row) =>
    concludeLine(row, "castorefs", peers, options.oneCore),
  );
  return {
    lines,
    measured,
    ceilings,
    contenders: ran,
    missing: [...missing, ...failed],
    options,
    fileSystem,
    machine: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} CPUs`,
  };
}

function chartOf(report: Report): string {
  const cores = report.options.oneCore ? "one core for both" : "a core each";
  return renderChart(
    "Operations per second, relative to the fastest peer",
    `generator and daemon: ${cores}; ${report.options.rounds} rounds, medians; ${report.machine}`,
    report.lines,
    report.contenders,
  );
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") say(USAGE);
  else bench(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 2;
}

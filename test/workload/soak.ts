/**
 * `make workload-soak`: the two checkers over many seeds, or programs, for as long as one likes.
 *
 *   node --conditions=castorefs-source test/workload/soak.ts [--on GROUND] [--minutes N] [--seed N]
 *       [--steps N] [--cpus N] [--programs WORKLOAD,... [--scale N]] [-- OPTION-OF-SERVE...]
 *
 * Every round is a guest with four more seeds, on a new share; with --programs it is a guest that runs
 * Debian's programs instead (see debian.sh). Exit code 0: no fault was found.
 */
import { parseArgs } from "node:util";
import { prepare, WORKLOAD_TREE } from "../../vm-images/images.ts";
import { runDebianPrograms, WORKLOADS } from "./debian-programs.ts";
import { GROUNDS, Ground, type GroundName } from "./ground.ts";
import { firstDifferences, manifestNow, runRandomOperations } from "./random-operations.ts";

const SEEDS_PER_ROUND = 4;
const SECONDS_PER_SEED_MAX = 240;
const PROGRAMS_SECONDS_MAX = 3600;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    on: { type: "string", default: "castorefs" },
    minutes: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    steps: { type: "string", default: "3000" },
    programs: { type: "string" },
    scale: { type: "string", default: "4" },
    cpus: { type: "string", default: "2" },
  },
});

const say = (line: string) => process.stdout.write(`${line}\n`);

async function round(name: GroundName, first: number): Promise<number> {
  using ground = new Ground(name, undefined, positionals);
  const seeds = Array.from({ length: SEEDS_PER_ROUND }, (_, index) => first + index);
  const found = await runRandomOperations(ground, {
    seeds,
    fileSteps: Number(values.steps),
    treeSteps: Number(values.steps),
    fileProcesses: 2,
    treeProcesses: 4,
    secondsEach: SECONDS_PER_SEED_MAX,
    cpus: Number(values.cpus),
    timeoutSeconds: 2 * SECONDS_PER_SEED_MAX * SEEDS_PER_ROUND + 300,
  });
  const { result, report, manifest } = found;
  say(report.trimEnd());
  let faults = result.exitCode === 0 ? 0 : 1;
  if (result.exitCode !== 0) say(`the guest ended: ${result.end}, ${result.exitCode}`);
  if (result.end !== "script") say(result.console + result.errors);
  const later: [string, string][] = [
    ["after forgetting", found.forgotten],
    ["mounted again", found.mountedAgain],
  ];
  if (name !== "tmpfs") later.push(["from a new daemon", await manifestNow(ground, 300)]);
  for (const [when, then] of later) {
    const differences = firstDifferences(manifest, then);
    if (differences.length === 0) continue;
    faults++;
    say(`${when}, the tree is another:\n${differences.join("\n")}`);
  }
  say(`${name}: seeds ${seeds.join(", ")}: ${faults} faults, ${Math.round(result.seconds)} s`);
  return faults;
}

/** Debian's programs, once. */
async function programs(name: GroundName, wanted: readonly string[]): Promise<number> {
  if (!prepare("workload")) throw new Error("there is no tree of Debian's programs");
  using ground = new Ground(name, WORKLOAD_TREE, positionals);
  const { result } = await runDebianPrograms(ground, {
    workloads: WORKLOADS.filter((workload) => wanted.includes(workload)),
    scale: Number(values.scale),
    cpus: Number(values.cpus),
    timeoutSeconds: PROGRAMS_SECONDS_MAX,
    onLine: say,
  });
  if (result.end !== "script") say(result.console + result.errors);
  say(`${name}: ${result.end}, ${result.exitCode} failed, ${Math.round(result.seconds)} s`);
  return result.exitCode === 0 ? 0 : 1;
}

const on = GROUNDS.find((name) => name === values.on);
if (on === undefined) throw new Error(`--on: one of ${GROUNDS.join(", ")}`);
const until = performance.now() + Number(values.minutes) * 60_000;
let faults = 0;
for (let seed = Number(values.seed); performance.now() < until; seed += SEEDS_PER_ROUND) {
  faults += await (values.programs === undefined
    ? round(on, seed)
    : programs(on, values.programs.split(",")));
}
process.exitCode = faults > 0 ? 1 : 0;

/**
 * `make soak`: a day of requests in fast forward. One daemon, one session, a mixed load until a
 * number of requests has been answered; resident memory and open descriptors on the way.
 *
 *   node --conditions=castorefs-source test/bench/soak.ts [REQUESTS]     200,000,000 by default
 *
 * Ends with 1 when an answer was wrong, a descriptor leaked, or memory grew after the first tenth.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBenchTree } from "./bench-tree.ts";
import { CASTOREFS, castorefs, importTree } from "./contenders.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { mixed } from "./rows.ts";
import { pinProcess, readTarget } from "./target.ts";

const REQUESTS_DEFAULT = 200_000_000;
const DEPTH = 32;
const SLICE_MILLISECONDS = 5_000;
/** What resident memory may gain after the first tenth: V8's young generation comes and goes. */
const GROWTH_BYTES_MAX = 16 << 20;

interface Sample {
  readonly requests: number;
  readonly resident: number;
  readonly descriptors: number;
}

function soak(wanted: number, folder: string): boolean {
  const tree = join(folder, "tree");
  mkdirSync(tree);
  makeBenchTree(tree);
  const shared = { folder: tree, store: join(folder, "store") };
  importTree(CASTOREFS, shared);
  using target = readTarget(castorefs(CASTOREFS, "castorefs", shared, []), "handles", {
    daemonCore: 1,
    oneCore: false,
    queues: 1,
    driverSpinMicroseconds: 50,
    depth: DEPTH,
  });
  pinProcess(process.pid, 0);
  const load = mixed(target.facts, DEPTH);
  const samples: Sample[] = [];
  let requests = 0;
  let seconds = 0;
  let wrong = 0;
  while (requests < wanted) {
    const slice = target.pump.run(load, DEPTH, SLICE_MILLISECONDS, new LatencyHistogram());
    requests += slice.requests;
    seconds += slice.seconds;
    wrong += slice.wrong;
    const { residentBytes: resident, descriptorCount: descriptors } = target.daemon;
    samples.push({ requests, resident, descriptors });
    const rate = Math.round(slice.requests / slice.seconds);
    process.stdout.write(
      `${millions(requests)} M requests, ${rate}/s, ` +
        `${(resident / 2 ** 20).toFixed(1)} MiB resident, ${descriptors} descriptors\n`,
    );
  }
  process.stdout.write(`${millions(requests)} M requests in ${Math.round(seconds)} s\n`);
  return wrong === 0 && isFlat(samples, requests);
}

/** Compares the last tenth of the run with the first. */
function isFlat(samples: readonly Sample[], requests: number): boolean {
  const early = samples.find((sample) => sample.requests >= requests / 10)!;
  const late = samples.at(-1)!;
  const grown = late.resident - early.resident;
  process.stdout.write(`grown after the first tenth: ${(grown / 2 ** 20).toFixed(1)} MiB\n`);
  return grown <= GROWTH_BYTES_MAX && late.descriptors <= early.descriptors;
}

function millions(count: number): string {
  return (count / 1e6).toFixed(1);
}

const wanted = Number(process.argv[2] ?? REQUESTS_DEFAULT);
if (!Number.isSafeInteger(wanted) || wanted < 1) throw new Error("usage: soak.ts [REQUESTS]");
const folder = mkdtempSync(join(tmpdir(), "castorefs-soak-"));
try {
  process.exitCode = soak(wanted, folder) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

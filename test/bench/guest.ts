/**
 * What people feel: find, tar and cat in a real guest, castorefs beside the Rust virtiofsd on the same
 * tree and in the same guest image. Without KVM the emulation takes most of the time, so the
 * daemon's CPU seconds and the number of requests stand beside the wall time.
 *
 *     node --conditions=castorefs-source test/bench/guest.ts [--peers trixie,sid] [--json FILE]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Guest } from "../../vm-images/guest.ts";
import { prepare, ROOT_TREE } from "../../vm-images/images.ts";
import { DaemonProcess } from "../frontend/daemon-process.ts";
import { makeBenchTree } from "./bench-tree.ts";
import { CASTOREFS, type Contender, castorefs, importTree, peer, unbuilt } from "./contenders.ts";
import { bootRoot, type RootBoot } from "./guest-root.ts";
import { duration, ratio, renderTable } from "./table.ts";

const GUEST_SECONDS_MAX = 300;
const TAG = "bench";
const QUEUE_SIZE = 1024;

/** Each is run with the guest's caches empty, and once more. */
const STEPS: readonly (readonly [name: string, command: string])[] = [
  ["find, 14,000 names", "find /mnt/share | wc -l"],
  ["ls -l of 10,000 files", "ls -l /mnt/share/list | wc -l"],
  ["tar of 2,000 files", "tar -cf - -C /mnt/share tree | wc -c"],
  ["cat of 64 MiB", "cat /mnt/share/big | wc -c"],
];

/** Requests are counted where the kernel ends them, whoever served them. */
const SCRIPT = `
mkdir -p /mnt/share
mount -t virtiofs ${TAG} /mnt/share || exit 3
trace=/sys/kernel/tracing
mount -t tracefs tracefs $trace 2>/dev/null
echo 'p:requests fuse_request_end' >$trace/kprobe_events 2>/dev/null &&
  echo 1 >$trace/events/kprobes/requests/enable
hits() { sed -n 's/^ *requests *\\([0-9]*\\).*/\\1/p' $trace/kprobe_profile 2>/dev/null; }
now() { cut -d' ' -f1 /proc/uptime; }
step() {
  echo "@begin"
  read -r go
  before=$(hits)
  begun=$(now)
  out=$(eval "$2")
  ended=$(now)
  after=$(hits)
  echo "@end|$1|$begun|$ended|$((\${after:-0} - \${before:-0}))|$out"
  read -r go
}
both() {
  sync
  echo 3 >/proc/sys/vm/drop_caches
  step "$1, cold" "$2"
  step "$1, warm" "$2"
}
${STEPS.map(([name, command]) => `both "${name}" "${command}"`).join("\n")}
`;

interface Step {
  readonly name: string;
  readonly seconds: number;
  readonly requests: number;
  readonly daemonSeconds: number;
  readonly output: string;
}

interface Visit {
  readonly contender: Contender;
  readonly root: RootBoot | undefined;
  readonly bootSeconds: number;
  readonly accel: string;
  readonly steps: readonly Step[];
}

async function visit(contender: Contender, root: RootBoot | undefined): Promise<Visit> {
  using daemon = DaemonProcess.start(contender.command, contender.socketOption);
  const steps: Step[] = [];
  let before = 0;
  let guest: Guest | undefined;
  guest = await Guest.start({
    script: SCRIPT,
    shares: [{ tag: TAG, socketPath: daemon.socketPath, queueSize: QUEUE_SIZE }],
    timeoutSeconds: GUEST_SECONDS_MAX,
    onLine: (line) => {
      if (line === "@begin") before = daemon.cpuNanoseconds;
      else if (line.startsWith("@end|")) steps.push(stepOf(line, daemon.cpuNanoseconds - before));
      else return;
      guest?.send("go");
    },
  });
  const { exitCode, bootSeconds, accel, output, console } = await guest.result;
  if (exitCode !== 0 || steps.length !== 2 * STEPS.length) {
    throw new Error(`${contender.title}: the guest ended with ${exitCode}: ${output}\n${console}`);
  }
  return { contender, root, bootSeconds: bootSeconds ?? Number.NaN, accel, steps };
}

function stepOf(line: string, daemonNanoseconds: number): Step {
  const [, name = "", begun, ended, requests, output = ""] = line.split("|");
  return {
    name,
    seconds: Number(ended) - Number(begun),
    requests: Number(requests),
    daemonSeconds: daemonNanoseconds / 1e9,
    output: output.trim(),
  };
}

function render(visits: readonly Visit[]): string {
  const [ours, ...others] = visits;
  const header = ["in a guest"];
  for (const { contender } of visits) header.push(contender.title, "requests", "CPU");
  header.push("CPU per request ×");
  const rows = ours!.steps.map((step, index) => {
    const cells = [step.name];
    for (const { steps } of visits) {
      const { seconds, requests, daemonSeconds } = steps[index]!;
      cells.push(`${seconds.toFixed(2)} s`, String(requests), `${duration(daemonSeconds * 1e3)}ms`);
    }
    const cost = ({ daemonSeconds, requests }: Step) => daemonSeconds / requests;
    const least = Math.min(...others.map(({ steps }) => cost(steps[index]!)));
    cells.push(step.requests > 50 ? ratio(cost(step) / least) : "");
    return cells;
  });
  const boot = ["boot to the first command"];
  for (const { bootSeconds } of visits) boot.push(`${bootSeconds.toFixed(2)} s`, "", "");
  const rootBoot = ["boot Debian from the share, to its prompt"];
  for (const { root } of visits) {
    const cells = root && [
      `${root.seconds.toFixed(2)} s`,
      "",
      `${duration(root.daemonSeconds * 1e3)}ms`,
    ];
    rootBoot.push(...(cells ?? ["", "", ""]));
  }
  return renderTable(header, [boot, rootBoot, ...rows]);
}

/** The same commands must have said the same everywhere. */
function compare(visits: readonly Visit[]): void {
  const [ours, ...others] = visits;
  for (const other of others) {
    for (const [index, { name, output }] of ours!.steps.entries()) {
      const theirs = other.steps[index]!.output;
      if (output === theirs) continue;
      throw new Error(
        `${name}: "${output}" with castorefs, "${theirs}" with ${other.contender.title}`,
      );
    }
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { peers: { type: "string" }, json: { type: "string" } },
  });
  const wanted = values.peers?.split(",") ?? ["trixie"];
  const problem = unbuilt(CASTOREFS);
  if (problem !== undefined) throw new Error(problem);
  const folder = mkdtempSync(join(tmpdir(), "castorefs-bench-"));
  try {
    const tree = { folder: join(folder, "tree"), store: join(folder, "store") };
    mkdirSync(tree.folder);
    makeBenchTree(tree.folder);
    importTree(CASTOREFS, tree);
    const rootTree = { folder: ROOT_TREE, store: join(folder, "root-store") };
    const hasRoot = prepare("rootfs");
    if (hasRoot) importTree(CASTOREFS, rootTree, ["--skip-special"]);
    const contenders = [
      [
        castorefs(CASTOREFS, "castorefs", tree, []),
        castorefs(CASTOREFS, "castorefs", rootTree, []),
      ] as const,
    ];
    for (const name of wanted) {
      if (name !== "trixie" && name !== "sid")
        throw new Error(`no Rust virtiofsd is called ${name}`);
      const found = peer(name, tree);
      const onRoot = peer(name, rootTree, ["--readonly"]);
      if ("reason" in found) process.stdout.write(`missing: ${found.name}: ${found.reason}\n`);
      else if (!("reason" in onRoot)) contenders.push([found, onRoot]);
    }
    const visits: Visit[] = [];
    for (const [contender, onRoot] of contenders) {
      process.stderr.write(`bench: guests on ${contender.title}\n`);
      visits.push(await visit(contender, hasRoot ? await bootRoot(onRoot) : undefined));
    }
    compare(visits);
    process.stdout.write(`acceleration: ${visits[0]!.accel}\n${render(visits)}\n`);
    if (values.json !== undefined) {
      writeFileSync(values.json, `${JSON.stringify(visits, undefined, 2)}\n`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();

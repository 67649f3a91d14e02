/**
 * Figures of a running virtio-fs daemon, of any make, over its vhost-user socket:
 *
 *   node --conditions=castorefs-source test/frontend/measure.ts walk SOCKET [DEPTH]
 *   node --conditions=castorefs-source test/frontend/measure.ts inodes SOCKET COUNT [PID]
 *
 * `walk` reads every byte of the share. `inodes` looks up COUNT inodes, keeps them, and reports the
 * daemon's resident memory (the process that listens on the socket, unless PID says which).
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import { RequestLane } from "./request-lane.ts";
import { FIRST_REQUEST_QUEUE, SyntheticVmm } from "./synthetic-vmm.ts";
import { TreeWalker, type WalkResult } from "./tree-walker.ts";

const DATA_BYTES = 1 << 17;
const QUEUE_SIZE = 1024;
const MIB = 1 << 20;

/** Thrown to end a walk that has seen enough. */
class Enough extends Error {}

function begin(socketPath: string, depth: number): { vmm: SyntheticVmm; lane: RequestLane } {
  const vmm = SyntheticVmm.start(socketPath, { queueSize: QUEUE_SIZE });
  vmm.session();
  const queue = vmm.queues[FIRST_REQUEST_QUEUE]!;
  const plan = { depth, dataBytes: DATA_BYTES, indirect: vmm.hasIndirect };
  return { vmm, lane: new RequestLane(vmm.memory, queue, plan) };
}

function walk(socketPath: string, depth: number): void {
  const { vmm, lane } = begin(socketPath, depth);
  const { requests, directories, files, symlinks, bytes, seconds } = new TreeWalker(lane, {
    readBytes: DATA_BYTES,
    listBytes: DATA_BYTES,
  }).walk();
  say(`${files} files, ${directories} directories, ${symlinks} symlinks, ${bytes} bytes`);
  say(`${requests} requests in ${seconds.toFixed(3)} s at depth ${depth}`);
  say(`${Math.round(requests / seconds)} requests/s, ${(bytes / MIB / seconds).toFixed(0)} MiB/s`);
  vmm[Symbol.dispose]();
}

/** Lists directories with READDIRPLUS until `count` inodes have been handed out. */
function lookUp(lane: RequestLane, count: number): WalkResult {
  let found = 0;
  const walker = new TreeWalker(lane, {
    readBytes: DATA_BYTES,
    listBytes: DATA_BYTES,
    skipData: true,
    onEntry: () => {
      if (++found === count) throw new Enough();
    },
  });
  try {
    return walker.walk(FUSE_ROOT_ID);
  } catch (error) {
    if (error instanceof Enough) return walker.result;
    throw error;
  }
}

function inodes(socketPath: string, count: number, pid: number): void {
  const { vmm, lane } = begin(socketPath, 1);
  const before = resident(pid);
  const { files, directories, symlinks } = lookUp(lane, count);
  const after = resident(pid);
  say(`${files} files, ${directories} directories, ${symlinks} symlinks listed and kept`);
  say(`resident: ${before.all} KiB before, ${after.all} KiB after`);
  say(`of it not of files: ${before.anonymous} KiB before, ${after.anonymous} KiB after`);
  const perInode = ((after.anonymous - before.anonymous) * 1024) / count;
  say(`${perInode.toFixed(0)} bytes of it for each of ${count} inodes`);
  vmm[Symbol.dispose]();
}

/** Resident memory in KiB: all of it, and what is not a mapping of a file. */
function resident(pid: number): { all: number; anonymous: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  return { all: field("VmRSS"), anonymous: field("RssAnon") };
}

/** The process that listens on a unix socket, as ss(8) tells it. */
function listenerOf(socketPath: string): number {
  const lines = execFileSync("ss", ["-xlpH"], { encoding: "utf8" }).split("\n");
  const line = lines.find((candidate) => candidate.includes(` ${socketPath} `));
  const pid = /pid=(\d+)/.exec(line ?? "")?.[1];
  if (pid === undefined) throw new Error(`nobody listens on ${socketPath}`);
  return Number(pid);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const [what, socketPath, number, pid] = process.argv.slice(2);
if (what === "walk" && socketPath !== undefined) walk(socketPath, Number(number ?? 1));
else if (what === "inodes" && socketPath !== undefined && number !== undefined) {
  inodes(socketPath, Number(number), Number(pid ?? listenerOf(socketPath)));
} else {
  process.stderr.write("measure.ts walk SOCKET [DEPTH] | inodes SOCKET COUNT [PID]\n");
  process.exitCode = 2;
}

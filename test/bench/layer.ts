/**
 * `make layer-bench`: what a layer costs beside the requests. A million writes of 4 KiB, scattered
 * over a file of 4 GiB: time, memory, extents, bytes on the disk, and the time to open the layer
 * again. Then a commit of a few small changes to a tree, and how much of it the store did not have.
 *
 *   node --conditions=castorefs-source test/bench/layer.ts [WRITES]     1,000,000 by default
 *
 * Needs 4 GiB below TMPDIR.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fuseAttrOut, fuseEntryOut, fuseSetattrIn, fuseSyncfsIn } from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import { ExtentReader } from "../../src/layer/extent-code.ts";
import { sendCreate, sendWrite } from "../frontend/modifying-requests.ts";
import { NameTable } from "../frontend/name-table.ts";
import type { RequestLane } from "../frontend/request-lane.ts";
import { answered } from "./answered.ts";
import { CASTOREFS, castorefs, importTree, WRITE_ROOT_NAME } from "./contenders.ts";
import { BLOCK_BYTES, FileModel } from "./file-model.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { FINISHED, type Workload, WRONG } from "./pump.ts";
import { pinProcess, type Target, writeTarget } from "./target.ts";
import { makeWriteTree, S_IFREG, type WriteFacts } from "./write-tree.ts";

const WRITES_DEFAULT = 1_000_000;
const FILE_BYTES = 4 * 2 ** 30;
const DEPTH = 16;
const CHECKED_BLOCKS = 20_000;
const MIB = 2 ** 20;
const PLAN = {
  daemonCore: 1,
  oneCore: false,
  queues: 1,
  driverSpinMicroseconds: 50,
  depth: DEPTH,
};

/** Writes of 4 KiB, each stamped with its block and a number, until there were enough. */
class ScatteredWrites implements Workload {
  readonly #nodeid: number;
  /** By block: the number of the last write, or 0. */
  readonly writes = new Uint32Array(FILE_BYTES / BLOCK_BYTES);
  #write = 0;
  #state = 0x2545_f491;

  constructor(nodeid: number) {
    this.#nodeid = nodeid;
  }

  send(lane: RequestLane, slot: number, stream: number): void {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    const perStream = this.writes.length / DEPTH;
    const block = ((this.#state >>> 0) % perStream) * DEPTH + stream;
    const word = lane.pageAt(slot, 0) >>> 2;
    this.#write += 1;
    lane.region.words32[word] = block;
    lane.region.words32[word + 1] = this.#write;
    this.writes[block] = this.#write;
    sendWrite(lane, slot, this.#nodeid, 0, block * BLOCK_BYTES, BLOCK_BYTES);
  }

  receive(lane: RequestLane, slot: number): number {
    return lane.error(slot) === 0 ? FINISHED : WRONG;
  }

  /** Reads some of the blocks. @throws when one is not as it was written. */
  check(lane: RequestLane, nodeid: number): void {
    const step = Math.max(1, Math.floor(this.writes.length / CHECKED_BLOCKS));
    for (let block = 0; block < this.writes.length; block += step) {
      lane.read(0, nodeid, 0, block * BLOCK_BYTES, BLOCK_BYTES);
      const status = answered(lane);
      const word = lane.pageAt(0, 0) >>> 2;
      const write = this.writes[block]!;
      const { words32 } = lane.region;
      const isRight = words32[word + 1] === write && (write === 0 || words32[word] === block);
      if (status !== 0 || !isRight) throw new Error(`block ${block} is wrong`);
    }
  }
}

const SCATTERED = new NameTable(["scattered"]);
const ROOT = 1;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function mebibytes(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

/** Of an entry that slot 0 was answered with. */
function entryNodeid(lane: RequestLane): number {
  const word = (lane.replyAt(0) + fuseEntryOut.at.nodeid) >>> 2;
  return lane.region.words32[word + 1]! * 2 ** 32 + lane.region.words32[word]!;
}

/** Makes a file that is one hole; its nodeid. */
function makeHole(lane: RequestLane): number {
  sendCreate(lane, 0, ROOT, SCATTERED, 0, S_IFREG | 0o644);
  if (answered(lane) !== 0) throw new Error("the file cannot be made");
  const nodeid = entryNodeid(lane);
  const words = lane.argumentWords(0);
  lane.region.words32.fill(0, words, words + fuseSetattrIn.size / 4);
  lane.region.words32[words + fuseSetattrIn.at.valid / 4] = op.FATTR_SIZE;
  lane.putU64(words + fuseSetattrIn.at.size / 4, FILE_BYTES);
  lane.submit(0, op.FUSE_SETATTR, nodeid, fuseSetattrIn.size, fuseAttrOut.size);
  if (answered(lane) !== 0) throw new Error("the file cannot be made longer");
  return nodeid;
}

function syncAll(lane: RequestLane): void {
  const words = lane.argumentWords(0);
  lane.region.words32.fill(0, words, words + fuseSyncfsIn.size / 4);
  lane.submit(0, op.FUSE_SYNCFS, ROOT, fuseSyncfsIn.size, 0);
  if (answered(lane) !== 0) throw new Error("SYNCFS failed");
}

function scatter(target: Target<WriteFacts>, wanted: number): ScatteredWrites {
  const lane = target.lanes[0]!;
  const before = target.daemon.residentBytes;
  const nodeid = makeHole(lane);
  FileModel.prepare(lane, BLOCK_BYTES);
  const load = new ScatteredWrites(nodeid);
  let operations = 0;
  let seconds = 0;
  let most = 0;
  while (operations < wanted) {
    const slice = target.pump.run(load, DEPTH, 250, new LatencyHistogram());
    if (slice.wrong > 0) throw new Error(`${slice.wrong} writes failed`);
    operations += slice.operations;
    seconds += slice.seconds;
    most = Math.max(most, target.daemon.residentBytes);
  }
  const begin = performance.now();
  syncAll(lane);
  const synced = (performance.now() - begin) / 1000;
  say(`${operations} writes of 4 KiB over ${FILE_BYTES / 2 ** 30} GiB in ${seconds.toFixed(1)} s`);
  say(`  and ${synced.toFixed(1)} s until all is on the disk`);
  say(`  resident: ${mebibytes(before)} before, ${mebibytes(most)} at the most`);
  say(`  ${mebibytes(target.daemon.residentBytes)} after`);
  load.check(lane, nodeid);
  return load;
}

/** What the rows of the layer say. */
function describeLayer(layer: string): void {
  const database = new DatabaseSync(join(layer, "layer.sqlite"), { readOnly: true });
  let extents = 0;
  let bytes = 0;
  let most = 0;
  const rows = database.prepare("SELECT extents FROM pieces").all() as { extents: Uint8Array }[];
  for (const row of rows) {
    const reader = new ExtentReader(row.extents);
    let count = 0;
    while (reader.next()) count += 1;
    extents += count;
    most = Math.max(most, count);
    bytes += row.extents.length;
  }
  database.close();
  const { blocks } = statSync(join(layer, "data"));
  say(`  ${extents} extents in ${rows.length} pieces, ${most} in one at the most`);
  say(`  ${mebibytes(bytes)} of rows for them; ${mebibytes(blocks * 512)} of contents on the disk`);
}

/** A commit as people make it. */
function commit(layer: string, store: string): void {
  const before = folderBytes(store);
  const begin = performance.now();
  const words = ["layer", "commit", layer, "--name", "committed", "--json"];
  const { status, stdout, stderr } = spawnSync(CASTOREFS, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`the commit failed: ${stderr}`);
  const seconds = (performance.now() - begin) / 1000;
  const grown = folderBytes(store) - before;
  say(`commit: ${seconds.toFixed(2)} s with the start of the program; the store has`);
  say(`  grown by ${mebibytes(grown)}: ${stdout.trim()}`);
}

function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
}

const wanted = Number(process.argv[2] ?? WRITES_DEFAULT);
if (!Number.isSafeInteger(wanted) || wanted < 1) throw new Error("usage: layer.ts [WRITES]");
const folder = mkdtempSync(join(tmpdir(), "castorefs-layer-"));
try {
  const tree = join(folder, "tree");
  mkdirSync(tree);
  makeWriteTree(tree);
  const shared = { folder: tree, store: join(folder, "store"), written: join(folder, "layer") };
  importTree(CASTOREFS, shared, [], WRITE_ROOT_NAME);
  const contender = castorefs(CASTOREFS, "castorefs", shared, []);
  let load: ScatteredWrites;
  {
    using target = writeTarget(contender, PLAN);
    pinProcess(process.pid, 0);
    load = scatter(target, wanted);
  }
  describeLayer(shared.written);
  {
    const begin = performance.now();
    using target = writeTarget(contender, PLAN);
    const seconds = (performance.now() - begin) / 1000;
    say(`opened again, and its first files looked up, in ${seconds.toFixed(2)} s`);
    const lane = target.lanes[0]!;
    const { bytes, starts } = SCATTERED;
    lane.lookup(0, ROOT, bytes, starts[0], starts[1]);
    if (answered(lane) !== 0) throw new Error("the file is gone");
    const nodeid = entryNodeid(lane);
    load.check(lane, nodeid);
    say(`  resident: ${mebibytes(target.daemon.residentBytes)}`);
  }
  const small = { ...shared, written: join(folder, "small-layer") };
  {
    using target = writeTarget(castorefs(CASTOREFS, "castorefs", small, []), PLAN);
    const lane = target.lanes[0]!;
    FileModel.prepare(lane, BLOCK_BYTES);
    for (const file of [target.facts.big, ...target.facts.logs]) {
      sendWrite(lane, 0, file.nodeid, file.fh, 5 * BLOCK_BYTES, BLOCK_BYTES);
      if (answered(lane) !== 0) throw new Error("a write failed");
    }
  }
  say(`4 KiB changed in each of ${1 + DEPTH} files, of 64 MiB and of 64 KiB:`);
  commit(small.written, small.store);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

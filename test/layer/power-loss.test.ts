/**
 * The host loses its power while a layer is written: whatever of the unsynced bytes has reached the
 * disk, the layer opens, shows a state between two batches, and has lost no durable one.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ExtentReader } from "../../src/layer/extent-code.ts";
import { openLayerDatabase } from "../../src/layer/layer-database.ts";
import { dataPath } from "../../src/layer/layer-files.ts";
import { RowReader } from "../../src/layer/row-reader.ts";
import { temporaryFolder } from "../store/temporary.ts";
import { layerFaults } from "./layer-check.ts";
import { BASE, makeTestLayer } from "./layer-rows.ts";
import { BLOCK, PowerBatches } from "./power-batches.ts";
import { Disk, parseTrace, STRACE, type Step } from "./power-cut.ts";

const CHILD = new URL("power-child.ts", import.meta.url).pathname;
const BATCHES = 150;
const CUTS = Number(process.env["LAYER_POWER_CUTS"] ?? 80);
const SEED = Number(process.env["LAYER_POWER_SEED"] ?? 1);

const mayTrace = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;

function trace(): Step[] {
  const folder = temporaryFolder();
  const log = join(temporaryFolder(), "trace");
  const node = [process.execPath, "--conditions=castorefs-source", CHILD];
  const [strace, ...options] = [...STRACE, "-o", log, ...node, folder, `${SEED}`, `${BATCHES}`];
  spawnSync(strace!, options, { stdio: ["ignore", "ignore", "inherit"] });
  return parseTrace(readFileSync(log, "utf8"), join(folder, "layer"));
}

/** Blocks of a batch that must be there: as that batch or a later one has left them. */
function wrongBlocks(
  batches: PowerBatches,
  found: number,
  durable: number,
  data: Buffer,
): number[] {
  const positions = [...batches.states[found]!.files.values()].flat();
  return positions.filter((position) => {
    const versions = batches.blocks.get(position) ?? [];
    const wanted = versions.findLastIndex(({ batch }) => batch <= found);
    // Written by a batch that nobody has promised.
    if (versions[wanted]!.batch > durable) return false;
    const block = data.subarray(position, position + BLOCK);
    return !versions.slice(wanted).some(({ bytes }) => Buffer.compare(bytes, block) === 0);
  });
}

function checkLayer(folder: string, batches: PowerBatches, durable: number): void {
  const layer = makeTestLayer(folder);
  layer.open(BASE)[Symbol.dispose]();
  expect(layerFaults(layer.directory).filter((fault) => !fault.includes("names, not"))).toEqual([]);
  using database = openLayerDatabase(layer.directory, "read");
  const reader = new RowReader(database);
  const found = reader.nextInode - 2;
  expect(found).toBeGreaterThanOrEqual(durable);
  const files = new Map(
    [...reader.allPieces()].map(({ inode, extents }) => [inode, positionsOf(extents!)]),
  );
  expect(files).toEqual(batches.states[found]!.files);
  const data = readFileSync(dataPath(layer.directory));
  expect(wrongBlocks(batches, found, durable, data)).toEqual([]);
}

function positionsOf(extents: Uint8Array): number[] {
  const positions: number[] = [];
  const extent = new ExtentReader(extents);
  while (extent.next()) {
    for (let at = 0; at < extent.length; at += BLOCK) positions.push(extent.source + at);
  }
  return positions;
}

test.skipIf(!mayTrace)(
  `no durable batch is lost, ${CUTS} times`,
  { timeout: 60_000 + CUTS * 2000 },
  () => {
    const steps = trace();
    const batches = new PowerBatches(SEED);
    for (let id = 1; id <= BATCHES; id += 1) batches.next();
    const begin = steps.findIndex((step) => step.kind === "said");
    expect(begin).toBeGreaterThan(0);
    expect(steps.length - begin).toBeGreaterThan(BATCHES);
    let random = SEED * 40_503 + 1;
    const below = (bound: number): number => {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
      return (random >>> 8) % bound;
    };
    const cuts = Array.from({ length: CUTS }, () => begin + 1 + below(steps.length - begin));
    const folder = temporaryFolder();
    const disk = new Disk();
    let durable = 0;
    steps.forEach((step, index) => {
      disk.follow(step);
      if (step.kind === "said") durable = Number.parseInt(step.text, 10);
      for (const _ of cuts.filter((cut) => cut === index)) {
        // All of it, nothing, or some.
        const share = [0, 1, 2, 3, 4][below(5)]!;
        const place = join(folder, `${index}`);
        execFileSync("rm", ["-rf", place]);
        disk.write(join(place, "layer"), () => below(4) < share);
        checkLayer(place, batches, durable);
        execFileSync("rm", ["-rf", place]);
      }
    });
  },
);

/** What a request of each row costs in JavaScript: from the avail ring to the used ring. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mapFile } from "node-vhost-user";
import { silentLogger } from "../../../src/base/logger.ts";
import { parseName } from "../../../src/castore/name.ts";
import { openDiskReader } from "../../../src/store/disk-reader.ts";
import { openDiskStore } from "../../../src/store/disk-store.ts";
import { importPath } from "../../../src/store/import-tree.ts";
import { DriverQueue } from "../../frontend/driver-queue.ts";
import { OPEN_INIT_FLAGS } from "../../frontend/fuse-client.ts";
import { RequestLane } from "../../frontend/request-lane.ts";
import { SyntheticMemory } from "../../frontend/synthetic-memory.ts";
import { makeBenchTree } from "../bench-tree.ts";
import { generatorCeiling } from "../generator-alone.ts";
import { LatencyHistogram } from "../latency-histogram.ts";
import { Pump } from "../pump.ts";
import { DATA_BYTES, DEPTH_MAX, ROWS } from "../rows.ts";
import { learnShare } from "../share-facts.ts";
import { median } from "../statistics.ts";
import { InProcessDevice } from "./in-process-device.ts";
import type { MicroResult } from "./stopwatch.ts";

const WARM_MILLISECONDS = 300;
const WINDOW_MILLISECONDS = 40;
const WINDOWS = 9;
const MEMORY = [{ guestAddress: 0x1_4000_0000, bytes: 48 << 20 }];

export async function requests(): Promise<MicroResult[]> {
  const folder = mkdtempSync(join(tmpdir(), "castorefs-micro-"));
  try {
    const tree = join(folder, "tree");
    mkdirSync(tree);
    makeBenchTree(tree);
    const storeFolder = join(folder, "store");
    using store = openDiskStore(storeFolder, { create: true });
    const { node } = await importPath(store, tree, { name: parseName(Buffer.from("bench")) });
    if (node.kind !== "directory") throw new Error("the tree is no directory");
    const reading = { mapper: { map: mapFile }, logger: silentLogger };
    using reader = openDiskReader(storeFolder, reading);
    using memory = new SyntheticMemory(MEMORY);
    using queue = new DriverQueue(memory, { size: 1024, eventIdx: true });
    const device = new InProcessDevice(queue, reader, node, silentLogger);
    const fuse = device.client();
    fuse.init({ flags: OPEN_INIT_FLAGS });
    const facts = learnShare(fuse, DEPTH_MAX);
    const lanePlan = { depth: DEPTH_MAX, dataBytes: DATA_BYTES, indirect: true };
    const pump = new Pump([new RequestLane(memory, queue, lanePlan)], device);
    const histogram = new LatencyHistogram();
    const results: MicroResult[] = [];
    for (const row of ROWS) {
      if (row.share !== "read-only") continue;
      const load = row.make(facts, DEPTH_MAX);
      const perOperation = (milliseconds: number) => {
        const { operations, seconds, wrong } = pump.run(load, DEPTH_MAX, milliseconds, histogram);
        if (wrong > 0) throw new Error(`${row.name}: wrong answers`);
        return (seconds * 1e9) / operations;
      };
      perOperation(WARM_MILLISECONDS);
      const windows = Array.from({ length: WINDOWS }, () => perOperation(WINDOW_MILLISECONDS));
      const generator = 1e9 / generatorCeiling(row, DEPTH_MAX, WINDOW_MILLISECONDS).awake;
      results.push({
        name: `request: ${row.title}`,
        nanoseconds: Math.max(0, median(windows) - generator),
      });
    }
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

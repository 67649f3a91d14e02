/**
 * Writes batches to a layer, in the thread that strace(1) watches:
 *
 *     node test/layer/power-child.ts FOLDER SEED BATCHES
 *
 * A line for each durable batch, once it is written: its id.
 */
import { writeSync } from "node:fs";
import { silentLogger } from "../../src/base/logger.ts";
import { LayerWriter } from "../../src/layer/layer-writer.ts";
import { makeTestLayer } from "./layer-rows.ts";
import { MEMORY_BYTES, PowerBatches } from "./power-batches.ts";

const [folder = "", seed = "1", count = "1"] = process.argv.slice(2);
const layer = makeTestLayer(folder);
using _held = layer.open();
const memory = new Uint8Array(MEMORY_BYTES);
const writer = new LayerWriter(layer.directory, memory, silentLogger);
const batches = new PowerBatches(Number(seed));
writeSync(1, "0\n");
for (let id = 1; id <= Number(count); id += 1) {
  const next = batches.next();
  memory.set(next.memory);
  if (writer.write(next.batch) !== 0) throw new Error("a batch failed");
  if (next.batch.durable) writeSync(1, `${id}\n`);
  writer.tidy();
}
// As if it were killed: nothing is put in order.
process.kill(process.pid, "SIGKILL");

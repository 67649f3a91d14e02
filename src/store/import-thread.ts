/** A worker of an import. See import-crew.ts for the other end. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { Gatherer } from "./import-gatherer.ts";
import { helpWith } from "./import-helper.ts";
import type { FromImportThread, ImportThreadData, ToImportThread } from "./import-messages.ts";
import { ImportSlots } from "./import-slots.ts";
import { SlotSupply } from "./import-supply.ts";

assert(parentPort !== null, "this file is a worker");
const main = parentPort;
const data = workerData as ImportThreadData;
const slots = new ImportSlots(data.memory);
const supply = new SlotSupply(slots, data.firstSlot, data.slots, ready);
const gatherer = new Gatherer(supply, data.peers, (failure) => tell({ kind: "failure", failure }));

for (const peer of data.peers) helpWith(slots, peer, ready);
main.on("message", (message: ToImportThread) => {
  if (message.kind === "files") void gatherer.take(message.paths);
  else if (message.kind === "free") supply.freed();
  else process.exit();
});

function ready(slot: number): void {
  tell({ kind: "ready", slot });
}

function tell(message: FromImportThread): void {
  main.postMessage(message);
}

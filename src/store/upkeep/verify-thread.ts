/** A worker of a verification. See verify-crew.ts for the other end. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../base/assert.ts";
import { indexPath } from "../disk-layout.ts";
import { StoreError } from "../errors.ts";
import { indexFailure } from "../sqlite-failure.ts";
import type { FromVerifyThread, VerifyTask, VerifyThreadData } from "./verify-messages.ts";
import { VerifyWork } from "./verify-work.ts";

assert(parentPort !== null, "this file is a worker");
const main = parentPort;
const data = workerData as VerifyThreadData;
let work: VerifyWork | undefined;

main.on("message", (task: VerifyTask) => main.postMessage(answer(task)));

function answer(task: VerifyTask): FromVerifyThread {
  try {
    work ??= new VerifyWork(data);
    return { kind: "done", outcome: work.run(task) };
  } catch (error) {
    const failure = indexFailure(error, indexPath(data.directory));
    // An error does not keep its class on the way to another thread.
    if (!(failure instanceof StoreError)) throw failure;
    return { kind: "failed", failure: { message: failure.message, remedy: failure.remedy } };
  }
}

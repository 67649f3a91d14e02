/**
 * A collection that is ended by SIGKILL: before or after the step with the given number, where
 * steps are what reaches the disk (the index's commits, syncs, removed files). 0: never; then it
 * says how many there were.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { DatabaseSync } from "node:sqlite";

const [folder, wasteShare, dieAt] = process.argv.slice(2) as [string, string, string];
let steps = 0;

function step<T>(work: () => T): T {
  steps += 1;
  if (steps === Number(dieAt)) process.kill(process.pid, "SIGKILL");
  const result = work();
  steps += 1;
  if (steps === Number(dieAt)) process.kill(process.pid, "SIGKILL");
  return result;
}

for (const name of ["fdatasyncSync", "unlinkSync", "writeSync"] as const) {
  const original = fs[name] as (...values: unknown[]) => unknown;
  Object.assign(fs, { [name]: (...values: unknown[]) => step(() => original(...values)) });
}
syncBuiltinESMExports();
const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql) {
  step(() => exec.call(this, sql));
};

const { collectGarbage } = await import("../../../src/store/upkeep/gc.ts");
const { SMALL } = await import("./small-stores.ts");
process.stdout.write("begun\n");
await collectGarbage(folder, {
  ...SMALL,
  wasteShare: Number(wasteShare),
  waitMilliseconds: 60_000,
});
process.stdout.write(`${steps}\n`);

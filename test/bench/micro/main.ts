/**
 * The small parts by themselves, so that a change that makes one slower is seen:
 *
 *     node --conditions=castorefs-source test/bench/micro/main.ts [--save FILE] [--against FILE]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ratio, renderTable } from "../table.ts";
import { codecs, summed } from "./codecs.ts";
import { copies } from "./copies.ts";
import { inodes } from "./inodes.ts";
import { requests } from "./requests.ts";
import type { MicroResult } from "./stopwatch.ts";

const { values } = parseArgs({
  options: { save: { type: "string" }, against: { type: "string" } },
});
const before = new Map<string, number>();
if (values.against !== undefined) {
  const saved = JSON.parse(readFileSync(values.against, "utf8")) as MicroResult[];
  for (const { name, nanoseconds } of saved) before.set(name, nanoseconds);
}
const results = [...codecs(), ...copies(), ...inodes(), ...(await requests())];
const rows = results.map(({ name, nanoseconds }) => {
  const was = before.get(name);
  return [name, nanoseconds.toFixed(0), was === undefined ? "" : ratio(nanoseconds / was)];
});
process.stdout.write(`${renderTable(["", "ns", before.size > 0 ? "× before" : ""], rows)}\n`);
if (values.save !== undefined) writeFileSync(values.save, JSON.stringify(results, undefined, 2));
if (Number.isNaN(summed())) process.exitCode = 1;

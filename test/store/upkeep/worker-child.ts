/** Another process on a store: puts trees as they come on its input, or holds a lease on all. */
import { createInterface } from "node:readline";
import { takeLease } from "../../../src/store/upkeep/lease.ts";
import { openSmall, putRoot } from "./small-stores.ts";

const [work, folder] = process.argv.slice(2) as [string, string];
if (work === "lease") {
  takeLease(folder, { roots: "all" });
  process.stdout.write("ready\n");
  setInterval(() => {}, 1000);
} else {
  using store = openSmall(folder);
  process.stdout.write("ready\n");
  for await (const line of createInterface({ input: process.stdin })) {
    const { name, shape } = JSON.parse(line);
    await putRoot(store, name, shape);
    process.stdout.write(`${name}\n`);
  }
}

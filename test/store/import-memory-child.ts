/** Imports a file, and prints how much memory this process has had at the most, in bytes. */
import { readFileSync } from "node:fs";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { importPath } from "../../src/store/import-tree.ts";

const [folder, path, threads] = process.argv.slice(2) as [string, string, string];
using store = await openDiskStore(folder, { create: true });
const { bytes } = await importPath(store, path, { threads: Number(threads) });
const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))!;
process.stdout.write(JSON.stringify({ bytes, peak: Number(peak) * 1024 }));

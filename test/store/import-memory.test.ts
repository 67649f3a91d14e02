/** The memory of an import does not grow with what is imported. */
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noise, temporaryFolder } from "./temporary.ts";

const MIB = 1024 * 1024;
const CHILD = new URL("import-memory-child.ts", import.meta.url).pathname;

/** Holes, with a piece of noise in front of every 16 MiB. */
function writeLarge(path: string, bytes: number): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, bytes);
  for (let at = 0; at < bytes; at += 16 * MIB) writeSync(fd, noise(MIB, at + 1), 0, MIB, at);
  closeSync(fd);
}

test.each([1, 2, 4])(
  "a file of 416 MiB is imported in less than 300 MiB, on %i threads",
  (threads) => {
    const folder = temporaryFolder();
    const file = join(folder, "file");
    writeLarge(file, 416 * MIB);
    const printed = execFileSync(process.execPath, [
      CHILD,
      join(folder, "store"),
      file,
      String(threads),
    ]);
    const { bytes, peak } = JSON.parse(printed.toString()) as { bytes: number; peak: number };
    expect(bytes).toBe(416 * MIB);
    expect(peak).toBeLessThan(300 * MIB);
  },
);

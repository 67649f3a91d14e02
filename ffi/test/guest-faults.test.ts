/**
 * Memory that goes away under us. In a process of its own: where the guard fails, that one dies,
 * and the test says so.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const CHILD = join(import.meta.dirname, "lost-memory.ts");

function run(what: string): { status: number | null; signal: string | null; out: string } {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=castorefs-source", CHILD, what],
    { encoding: "utf8", timeout: 30_000 },
  );
  return { status, signal, out: stdout + stderr };
}

describe("guest memory that the front-end truncated", () => {
  it.each([
    ["touched by JavaScript reads as zeroes and is reported once", "touch"],
    ["touched by a worker is reported in that worker only", "worker"],
    ["touched by libvhost-user ends the connection", "library"],
    ["is reported when a copy writes to it", "copy"],
  ])("%s", (_name, what) => {
    expect(run(what)).toEqual({ status: 0, signal: null, out: "ok\n" });
  });
});

describe("a fault that is not ours", () => {
  it("ends the process as it would have without the guard", () => {
    expect(run("foreign").signal).toBe("SIGBUS");
  });
});

/** The checkers themselves, on this machine: they pass where all is well, and see what is not. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ProgramName, program } from "./programs.ts";
import { firstDifferences } from "./random-operations.ts";

/** Long enough for whoever disturbs it; a fault ends it at once. */
const SECONDS_DISTURBED_MAX = "30";

describe("the checkers of workloads", () => {
  let directory: string;
  const at = (...names: readonly string[]) => join(directory, ...names);
  const run = (name: ProgramName, ...args: readonly string[]) =>
    spawnSync(program(name), [...args, directory], { encoding: "utf8" });

  /** Runs a checker until it ends, with `disturb` called again and again meanwhile. */
  async function disturbed(name: ProgramName, args: readonly string[], disturb: () => void) {
    const words = [...args, "--steps", "1000000", "--seconds", SECONDS_DISTURBED_MAX, directory];
    const child: ChildProcess = spawn(program(name), words, {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let errors = "";
    child.stderr?.on("data", (text: Buffer) => {
      errors += text;
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    while (child.exitCode === null) {
      await sleep(10);
      disturb();
    }
    return { status: await ended, errors };
  }

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "castorefs-checkers-"));
  });

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("find no fault with this machine's file system", () => {
    const files = run("file-ops", "--steps", "1000", "--processes", "2");
    expect(files.stderr).toBe("");
    expect(files.status).toBe(0);
    const tree = run("tree-ops", "run", "--steps", "1000", "--ctime");
    expect(tree.stderr).toBe("");
    expect(tree.status).toBe(0);
  });

  it("take the same steps for the same seed", () => {
    const steps = () => run("file-ops", "--seed", "7", "--steps", "300").stdout;
    expect(steps()).toBe(steps());
  });

  it("go on with a tree that is there already", () => {
    mkdirSync(at("p0", "below"), { recursive: true });
    writeFileSync(at("p0", "below", "file"), "what was there");
    const { status, stderr } = run("tree-ops", "run", "--steps", "300", "--processes", "1");
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  it("see a file that somebody else shortens", async () => {
    const { status, errors } = await disturbed("file-ops", [], () => {
      if (existsSync(at("file-1"))) truncateSync(at("file-1"), 1);
    });
    expect(status).toBe(1);
    expect(errors).toMatch(/^file-ops: seed 1, step \d+: /);
  }, 60_000);

  it("see bytes that somebody else writes", async () => {
    const { status, errors } = await disturbed("file-ops", ["--size", "65536"], () => {
      if (existsSync(at("file-1"))) appendFileSync(at("file-1"), "x");
    });
    expect(status).toBe(1);
    expect(errors).toMatch(/^file-ops: seed 1, step \d+: /);
  }, 60_000);

  it("see a name that somebody else makes", async () => {
    const { status, errors } = await disturbed("tree-ops", ["run", "--processes", "1"], () => {
      if (readdirSync(directory).includes("p0")) writeFileSync(at("p0", "strange"), "");
    });
    expect(status).toBe(1);
    expect(errors).toMatch(/strange|nlink|mtime/);
  }, 60_000);

  it("see in which lines two manifests differ", () => {
    writeFileSync(at("same"), "");
    writeFileSync(at("changed"), "before");
    const manifest = () => run("tree-ops", "manifest").stdout;
    const before = manifest();
    expect(firstDifferences(before, manifest())).toEqual([]);
    writeFileSync(at("changed"), "after!");
    const differences = firstDifferences(before, manifest());
    expect(differences).toHaveLength(2);
    expect(differences.every((line) => line.slice(2).startsWith("/changed "))).toBe(true);
  });
});

/** Runs the real command line from its sources, in a process of its own. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
/** Keeps Node from stripping the same types again for each of some hundred processes. */
const COMPILE_CACHE = fileURLToPath(new URL("../../.cache/compile", import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly out: Buffer;
  /** `out` as text. */
  readonly text: string;
  readonly err: string;
}

export interface RunOptions {
  readonly input?: Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export function castorefs(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = spawn(process.execPath, ["--conditions=castorefs-source", MAIN, ...args], {
    cwd: options.cwd,
    // Nothing of the runner's environment may colour the outcome.
    env: {
      PATH: process.env["PATH"],
      HOME: "/nonexistent",
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      ...options.env,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk) => out.push(chunk));
  child.stderr.on("data", (chunk) => err.push(chunk));
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const all = Buffer.concat(out);
      resolve({ code, out: all, text: all.toString(), err: Buffer.concat(err).toString() });
    });
  });
}

/** A directory that is gone after the test. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "castorefs-cli-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

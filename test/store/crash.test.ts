/** Importers are killed at random moments; what they leave must be whole. */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import { parseName } from "../../src/castore/name.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { StoreAbsent } from "../../src/store/errors.ts";
import { verifyStore } from "../../src/store/upkeep/verify.ts";
import { noise, temporaryFolder } from "./temporary.ts";
import { treeDigest } from "./tree-digest.ts";

/** Importers killed in one run. */
const KILLS = Number(process.env["STORE_CRASH_KILLS"] ?? 20);
const CHILD = new URL("crash-child.ts", import.meta.url).pathname;

function makeTree(root: string): void {
  mkdirSync(root);
  for (let folder = 0; folder < 12; folder += 1) {
    const path = join(root, `folder-${folder}`);
    mkdirSync(path);
    for (let i = 0; i < 40; i += 1) {
      writeFileSync(join(path, `${i}`), noise(200 + folder * i, folder * 100 + i));
    }
    writeFileSync(join(path, "large"), noise(500_000, folder));
  }
}

interface Outcome {
  readonly killed: boolean;
  readonly output: string;
  /** From its first word, when it begins to import, to its end. */
  readonly milliseconds: number;
}

/** Runs an importer; kills it that many milliseconds after it has begun. */
async function runImporter(folder: string, tree: string, killAfter?: number): Promise<Outcome> {
  const child = spawn(process.execPath, [CHILD, folder, tree], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  let began = 0;
  const ended = new Promise<boolean>((resolve) => {
    child.on("close", (_code, signal) => resolve(signal === "SIGKILL"));
  });
  const begun = new Promise<void>((resolve) => {
    child.stdout.on("data", (bytes: Buffer) => {
      if (output === "") began = performance.now();
      output += bytes.toString();
      resolve();
    });
  });
  if (killAfter !== undefined) {
    await Promise.race([begun, ended]);
    await sleep(killAfter);
    child.kill("SIGKILL");
  }
  const killed = await ended;
  return { killed, output, milliseconds: performance.now() - began };
}

async function checkStore(folder: string): Promise<number> {
  try {
    const report = await verifyStore(folder);
    expect(report.listed).toEqual([]);
    return report.chunks + report.directories;
  } catch (error) {
    if (error instanceof StoreAbsent) return 0;
    throw error;
  }
}

test(`an import killed ${KILLS} times leaves nothing half-written, and ends right`, async () => {
  const temporary = temporaryFolder();
  const tree = join(temporary, "tree");
  const folder = join(temporary, "store");
  makeTree(tree);
  const expected = treeDigest(Buffer.from(tree)).digest.toString("hex");
  const first = await runImporter(folder, tree);
  expect(first.output).toBe(`begun\n${expected}\n`);
  rmSync(folder, { recursive: true });
  let kept = 0;
  let kills = 0;
  for (let run = 0; run < KILLS; run += 1) {
    const { killed } = await runImporter(folder, tree, Math.random() * first.milliseconds * 0.8);
    if (killed) kills += 1;
    const objects = await checkStore(folder);
    // What was committed once is never lost again.
    expect(objects).toBeGreaterThanOrEqual(kept);
    kept = objects;
    if (killed && Math.random() < 0.6) continue;
    const { output } = await runImporter(folder, tree);
    expect(output).toBe(`begun\n${expected}\n`);
    await checkStore(folder);
    rmSync(folder, { recursive: true });
    kept = 0;
  }
  expect(kills).toBeGreaterThan(KILLS / 4);
  expect((await runImporter(folder, tree)).output).toBe(`begun\n${expected}\n`);
  using store = openDiskStore(folder);
  expect(await store.roots.get(parseName("tree"))).toBeDefined();
  const large = await store.blobs.stat(blake3(noise(500_000, 3)));
  expect(large?.size).toBe(500_000);
}, 600_000);

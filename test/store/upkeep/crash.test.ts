/** Collections are killed at random moments; what has a name must stay, whatever happens. */
import { spawn } from "node:child_process";
import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { parseName } from "../../../src/castore/name.ts";
import { openDiskStore } from "../../../src/store/disk-store.ts";
import { walkTree } from "../../../src/store/tree-walk.ts";
import { collectGarbage } from "../../../src/store/upkeep/gc.ts";
import { verifyStore } from "../../../src/store/upkeep/verify.ts";
import { temporaryFolder } from "../temporary.ts";
import { openSmall, putRoot, reachable, type Shape, SMALL, stored } from "./small-stores.ts";

/** Collections killed in one run. */
const KILLS = Number(process.env["STORE_CRASH_KILLS"] ?? 20);
const CHILD = new URL("crash-child.ts", import.meta.url).pathname;
const ROOTS = 8;

/** Trees that share files with one another, and have some of their own. */
function tree(root: number): Shape {
  const files: Record<string, Shape> = {};
  for (let i = 0; i < 60; i += 1) {
    const shared = i % 3 === 0 ? (root + i) % 5 : root * 1000;
    files[`file-${i}`] = { bytes: 200 + i * 150, seed: shared + i };
  }
  const large = { bytes: 600_000 + root * 1000, seed: root };
  return { [`folder-${root % 3}`]: { large, files }, common: { bytes: 550_000, seed: -1 } };
}

interface Outcome {
  readonly killed: boolean;
  readonly output: string;
}

async function runChild(
  folder: string,
  wasteShare: number,
  dieAt: number,
  milliseconds?: number,
): Promise<Outcome> {
  const child = spawn(process.execPath, [CHILD, folder, `${wasteShare}`, `${dieAt}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  const begun = Promise.withResolvers<void>();
  child.stdout.on("data", (bytes: Buffer) => {
    output += bytes.toString();
    begun.resolve();
  });
  const ended = new Promise<boolean>((resolve) => {
    child.on("close", (_code, signal) => resolve(signal === "SIGKILL"));
  });
  if (milliseconds !== undefined) {
    await Promise.race([begun.promise, ended]);
    await sleep(milliseconds);
    child.kill("SIGKILL");
  }
  return { killed: await ended, output };
}

/** Every byte of every root that has a name, and the whole store. */
async function checkStore(folder: string, names: readonly string[]): Promise<void> {
  expect((await verifyStore(folder)).listed).toEqual([]);
  using store = openDiskStore(folder);
  const roots = await store.roots.list();
  expect(roots.map(({ name }) => Buffer.from(name).toString())).toEqual(names);
  for (const { node } of roots) {
    for await (const step of walkTree(store.directories, node)) {
      if (step.node.kind !== "file") continue;
      const pieces: Uint8Array[] = [];
      for await (const piece of store.blobs.read(step.node.digest)) {
        pieces.push(Uint8Array.from(piece));
      }
      expect(blake3(Buffer.concat(pieces)).equals(step.node.digest)).toBe(true);
    }
  }
}

/** After a collection that came to its end. */
async function checkClean(folder: string): Promise<void> {
  using store = openDiskStore(folder);
  const nodes = (await store.roots.list()).map(({ node }) => node);
  expect(stored(folder)).toEqual(await reachable(store, nodes));
}

test(`a collection killed ${KILLS} times loses nothing, and the next one ends what it began`, async () => {
  const temporary = temporaryFolder();
  const pristine = join(temporary, "pristine");
  const all: string[] = [];
  {
    using store = openSmall(pristine);
    for (let root = 0; root < ROOTS; root += 1) {
      all.push(`root-${root}`);
      await putRoot(store, `root-${root}`, tree(root));
    }
  }
  const folder = join(temporary, "store");
  let names = all;
  let steps = 0;
  let duration = 0;
  /** A store with some of the roots. */
  const begin = async () => {
    rmSync(folder, { recursive: true, force: true });
    cpSync(pristine, folder, { recursive: true });
    names = all.filter(() => Math.random() < 0.5);
    using store = openSmall(folder);
    for (const name of all) if (!names.includes(name)) await store.roots.delete(parseName(name));
  };
  await begin();
  const whole = performance.now();
  const first = await runChild(folder, 0, 0);
  duration = performance.now() - whole;
  steps = Number(first.output.split("\n")[1]);
  expect(steps).toBeGreaterThan(20);
  await checkStore(folder, names);
  await checkClean(folder);
  let kills = 0;
  for (let run = 0; run < KILLS; run += 1) {
    if (run % 2 === 0) await begin();
    const wasteShare = Math.random() < 0.7 ? 0 : 0.3;
    const { killed } =
      Math.random() < 0.7
        ? await runChild(folder, wasteShare, 1 + Math.floor(Math.random() * steps))
        : await runChild(folder, wasteShare, 0, Math.random() * duration * 0.6);
    if (killed) kills += 1;
    await checkStore(folder, names);
    if (run % 2 === 0 && Math.random() < 0.5) continue;
    await collectGarbage(folder, { ...SMALL, wasteShare: 0 });
    await checkStore(folder, names);
    await checkClean(folder);
    expect(strayFiles(folder)).toEqual([]);
  }
  expect(kills).toBeGreaterThan(KILLS / 3);
}, 600_000);

/** What a store may hold beside its segments is known by name. */
function strayFiles(folder: string): string[] {
  const leases = join(folder, "leases");
  const names = existsSync(leases) ? readdirSync(leases) : [];
  return names.filter((name) => name !== "gate");
}

/** Importers and fillers work on one store at a time, each in its process, and are killed. */
import { spawn } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { verifyStore } from "../../src/store/upkeep/verify.ts";
import type { CheckedStore } from "./store-check.ts";
import { checkStore } from "./store-check.ts";
import { noise, temporaryFolder } from "./temporary.ts";
import { treeDigest } from "./tree-digest.ts";

/** Processes killed in one run. */
const KILLS = Number(process.env["STORE_CRASH_KILLS"] ?? 20);

const IMPORTER = new URL("crash-child.ts", import.meta.url).pathname;
const FILLER = new URL("filler-child.ts", import.meta.url).pathname;

interface Outcome {
  readonly killed: boolean;
  /** Lines, of which the first is "begun". */
  readonly lines: readonly string[];
  /** Between the first line and the end. */
  readonly milliseconds: number;
}

interface Subjects {
  readonly store: string;
  /** A store to fill from. */
  readonly source: string;
  /** Trees that share most of their files; the source has the first. */
  readonly trees: readonly [string, string];
  readonly digests: readonly [string, string];
}

function makeTree(root: string): void {
  mkdirSync(root);
  for (let folder = 0; folder < 8; folder += 1) {
    const path = join(root, `folder-${folder}`);
    mkdirSync(path);
    for (let i = 0; i < 30; i += 1) {
      writeFileSync(join(path, `${i}`), noise(200 + folder * i, folder * 1000 + 2 * i + 1));
    }
    writeFileSync(join(path, "large"), noise(500_000, 2 * folder + 1));
  }
}

/** Runs a child; kills it that many milliseconds after it has begun. */
async function run(child: string, args: readonly string[], killAfter?: number): Promise<Outcome> {
  const running = spawn(process.execPath, [child, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  const ended = new Promise<boolean>((resolve) => {
    running.on("close", (_code, signal) => resolve(signal === "SIGKILL"));
  });
  let beginning = performance.now();
  const begun = new Promise<void>((resolve) => {
    running.stdout.on("data", (bytes: Buffer) => {
      if (output === "") beginning = performance.now();
      output += bytes.toString();
      resolve();
    });
  });
  if (killAfter !== undefined) {
    await Promise.race([begun, ended]);
    await sleep(killAfter);
    running.kill("SIGKILL");
  }
  const killed = await ended;
  const lines = output.split("\n");
  // The last line may have been cut off.
  lines.pop();
  return { killed, lines, milliseconds: performance.now() - beginning };
}

async function makeSubjects(): Promise<Subjects> {
  const temporary = temporaryFolder();
  const trees = [join(temporary, "tree"), join(temporary, "other")] as const;
  makeTree(trees[0]);
  cpSync(trees[0], trees[1], { recursive: true });
  for (const name of ["large", "3", "4"]) appendFileSync(join(trees[1], "folder-2", name), "more");
  const source = join(temporary, "source");
  await run(IMPORTER, [source, trees[0]]);
  const digestOf = (tree: string) => treeDigest(Buffer.from(tree)).digest.toString("hex");
  const digests = [digestOf(trees[0]), digestOf(trees[1])] as const;
  return { store: join(temporary, "store"), source, trees, digests };
}

/** Two importers and a filler at once; what each said. */
async function runAll(
  { store, source, trees }: Subjects,
  killAfter: () => number | undefined,
): Promise<[Outcome, Outcome, Outcome]> {
  openDiskStore(store, { create: true })[Symbol.dispose]();
  return await Promise.all([
    run(IMPORTER, [store, trees[0], "tree"], killAfter()),
    run(IMPORTER, [store, trees[1], "other"], killAfter()),
    run(FILLER, [store, source], killAfter()),
  ]);
}

/** What a filler said is stored, is. */
function expectStored(stored: CheckedStore, { lines }: Outcome): void {
  for (const line of lines) {
    const [kind, hex] = line.split(" ") as [string, string?];
    if (hex === undefined) continue;
    if (kind === "chunk") expect(stored.chunks.has(hex), line).toBe(true);
    if (kind === "directory") expect(stored.directories.has(hex), line).toBe(true);
    if (kind === "blob") expect(stored.blobs.get(hex), line).toBeGreaterThan(0);
  }
}

test("two importers and a filler of one store, each a process, all get done", async () => {
  const subjects = await makeSubjects();
  const { digests, store } = subjects;
  const [first, second, filler] = await runAll(subjects, () => undefined);
  expect(first.lines).toEqual(["begun", digests[0]]);
  expect(second.lines).toEqual(["begun", digests[1]]);
  expect(filler.lines.at(-1)).toBe(digests[0]);
  const stored = checkStore(store);
  expectStored(stored, filler);
  expect(stored.directories.size).toBe(9 + 2);
  expect([...stored.directories.values()].every(({ whole }) => whole)).toBe(true);
  expect((await verifyStore(store)).faults).toBe(0);
}, 60_000);

test(
  `of importers and fillers at once ${KILLS} are killed: what was committed stays, and is whole`,
  async () => {
    const subjects = await makeSubjects();
    const { store } = subjects;
    const whole = await runAll(subjects, () => undefined);
    rmSync(store, { recursive: true });
    const duration = Math.min(...whole.map(({ milliseconds }) => milliseconds));
    let kept = 0;
    for (let kills = 0; kills < KILLS; ) {
      const outcomes = await runAll(subjects, () =>
        Math.random() < 0.9 ? Math.random() * duration : undefined,
      );
      kills += outcomes.filter(({ killed }) => killed).length;
      const stored = checkStore(store);
      expectStored(stored, outcomes[2]);
      expect(stored.size).toBeGreaterThanOrEqual(kept);
      kept = stored.size;
      if (Math.random() < 0.5) continue;
      if (Math.random() < 0.3) await expectAllDone(subjects);
      rmSync(store, { recursive: true });
      kept = 0;
    }
    await expectAllDone(subjects);
  },
  60_000 + KILLS * 20_000,
);

/** Whatever is in the store yet: who is not killed gets done. */
async function expectAllDone(subjects: Subjects): Promise<void> {
  const [first, second, filler] = await runAll(subjects, () => undefined);
  expect([first.lines[1], second.lines[1]]).toEqual(subjects.digests);
  expectStored(checkStore(subjects.store), filler);
  expect((await verifyStore(subjects.store)).faults).toBe(0);
}

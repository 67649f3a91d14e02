/** What is rotten or missing comes back from a source that has it. */
import { cpSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { blake3 } from "../../../src/castore/blake3.ts";
import { parseName } from "../../../src/castore/name.ts";
import type { DirectoryNode } from "../../../src/castore/node.ts";
import { openFetcher } from "../../../src/store/tiers/open-fetcher.ts";
import { inParallel } from "../../../src/store/upkeep/in-parallel.ts";
import { repairStore, type Unrepaired } from "../../../src/store/upkeep/repair.ts";
import { verifyStore } from "../../../src/store/upkeep/verify.ts";
import { temporaryFolder } from "../temporary.ts";
import type { Shape } from "./small-stores.ts";
import { changeIndex, contents, openSmall, putRoot, reachable, stored } from "./small-stores.ts";

const LARGE = { bytes: 1_700_000, seed: 3 };
const SMALL_FILE = { bytes: 2000, seed: 2 };
const TREE: Shape = {
  bin: { run: { bytes: 300, seed: 1, executable: true }, deep: { er: { file: SMALL_FILE } } },
  lib: { large: LARGE, small: SMALL_FILE, empty: { bytes: 0, seed: 0 } },
  none: {},
};

interface Pair {
  readonly folder: string;
  /** As it was before any damage. */
  readonly backup: string;
  readonly root: DirectoryNode;
}

async function makeStores(): Promise<Pair> {
  const temporary = temporaryFolder();
  const [folder, backup] = [join(temporary, "store"), join(temporary, "backup")];
  let root: DirectoryNode;
  {
    using store = openSmall(folder);
    root = await putRoot(store, "tree", TREE);
  }
  cpSync(folder, backup, { recursive: true });
  return { folder, backup, root };
}

async function repair(folder: string, source: string): Promise<Unrepaired[]> {
  const { listed } = await verifyStore(folder);
  expect(listed.length).toBeGreaterThan(0);
  await using fetcher = await openFetcher(folder, [source], { logger: silentLogger });
  return await repairStore(folder, listed, fetcher);
}

async function expectAsNew({ folder, root }: Pair): Promise<void> {
  expect((await verifyStore(folder, { wholeBlobs: true })).listed).toEqual([]);
  using store = openSmall(folder);
  const expected = await reachable(store, [root]);
  for (const digest of expected) expect(stored(folder)).toContain(digest);
  // Whole again: a name may be given.
  await store.roots.put(parseName("again"), root);
}

const damages: Record<string, (pair: Pair) => void> = {
  "every chunk and directory is rotten": ({ folder }) =>
    void changeIndex(folder, "UPDATE objects SET offset = offset + 1 WHERE length > 0"),
  "a segment is lost": ({ folder }) => {
    const names = readdirSync(join(folder, "segments")).sort();
    rmSync(join(folder, "segments", names[0]!));
  },
  "all segments are lost": ({ folder }) => {
    for (const name of readdirSync(join(folder, "segments"))) {
      rmSync(join(folder, "segments", name));
    }
  },
  "all segments are cut short": ({ folder }) => {
    for (const name of readdirSync(join(folder, "segments"))) {
      truncateSync(join(folder, "segments", name), 100);
    }
  },
  "nobody knows how long segments are, and something is rotten": ({ folder }) => {
    changeIndex(folder, "UPDATE segments SET length = length + 1");
    changeIndex(folder, "UPDATE objects SET offset = offset + 1 WHERE kind = 1 AND length > 0");
  },
  "the directories are missing": ({ folder }) =>
    void changeIndex(folder, "DELETE FROM objects WHERE kind = 1"),
  "everything but the root's directory is missing": ({ folder, root }) => {
    changeIndex(folder, "DELETE FROM objects WHERE digest <> ?", root.digest.bytes);
    changeIndex(folder, "DELETE FROM blobs");
  },
  "lists of chunks are damaged": ({ folder }) =>
    void changeIndex(folder, "UPDATE blobs SET chunks = substr(chunks, 2)"),
  "lists of chunks are missing": ({ folder }) => void changeIndex(folder, "DELETE FROM blobs"),
  "something says that it is not whole": ({ folder }) => {
    changeIndex(folder, "UPDATE blobs SET whole = 0");
    changeIndex(folder, "UPDATE objects SET whole = 0 WHERE kind = 1");
  },
};

for (const [name, damage] of Object.entries(damages)) {
  test(`a store where ${name} is mended from another`, async () => {
    const pair = await makeStores();
    damage(pair);
    const unrepaired = await repair(pair.folder, pair.backup);
    expect(unrepaired.map(({ reason }) => reason)).toEqual([]);
    await expectAsNew(pair);
  });
}

test("what no source has is said, and the rest is mended", async () => {
  const pair = await makeStores();
  const { folder, backup, root } = pair;
  damages["every chunk and directory is rotten"]!(pair);
  const small = blake3(contents(SMALL_FILE));
  changeIndex(backup, "DELETE FROM objects WHERE digest = ?", small.bytes);
  const unrepaired = await repair(folder, backup);
  expect(unrepaired.map(({ wanted }) => wanted.digest.hex)).toEqual([small.hex]);
  expect(unrepaired[0]?.reason).toMatch(/is not in the store|no source/);
  const { listed } = await verifyStore(folder);
  expect(listed.map(({ which }) => which)).toEqual([`${small}`]);
  expect(root.size).toBeGreaterThan(0);
});

test("a damaged root and a wrong size want nothing that could be fetched", async () => {
  const { folder, backup } = await makeStores();
  changeIndex(folder, "UPDATE roots SET entry = substr(entry, 2)");
  expect(await repair(folder, backup)).toEqual([]);
  expect((await verifyStore(folder)).listed).toMatchObject([{ what: "root", wanted: undefined }]);
});

test("no more is done at a time than was said, and nothing is begun after a failure", async () => {
  let running = 0;
  let most = 0;
  const begun: number[] = [];
  const work = async (item: number) => {
    begun.push(item);
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running -= 1;
    if (item === 7) throw new Error("seven");
  };
  await inParallel([1, 2, 3, 4, 5], 3, work);
  expect(most).toBe(3);
  expect(begun).toEqual([1, 2, 3, 4, 5]);
  const many = Array.from({ length: 100 }, (_, i) => i);
  await expect(inParallel(many, 3, work)).rejects.toThrow("seven");
  expect(running).toBe(0);
  expect(begun.length).toBeLessThan(20);
});

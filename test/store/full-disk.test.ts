/** A disk that really is full: imports and fillers say so, and nothing that was stored is lost. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import { parseName } from "../../src/castore/name.ts";
import { openStoreFiller } from "../../src/store/disk-filler.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { StoreError } from "../../src/store/errors.ts";
import { importPath } from "../../src/store/import-tree.ts";
import { mayMount, smallDisk } from "./small-disk.ts";
import { checkStore } from "./store-check.ts";
import { noise, temporaryFolder } from "./temporary.ts";

const MEGABYTE = 1_000_000;

/** Files of that many bytes in all, small ones and a large one. */
function makeTree(bytes: number, seed: number): string {
  const tree = join(temporaryFolder(), "tree");
  mkdirSync(tree);
  for (let i = 0; i < 300; i += 1) {
    writeFileSync(join(tree, `${i}`), noise(bytes / 600, seed * 1000 + 2 * i + 1));
  }
  writeFileSync(join(tree, "large"), noise(bytes / 2, seed * 1000 + 1));
  return tree;
}

/** Leaves that many bytes free, at the most. */
function fillUp(disk: string, leave: number): string {
  const path = join(disk, "ballast");
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(path, new Uint8Array(Math.max(0, bavail * bsize - leave)));
  return path;
}

function isFull(error: unknown): boolean {
  return error instanceof StoreError && error.message === "the disk is full";
}

test.skipIf(!mayMount)(
  "an import that fills the disk says so; with more room it goes through",
  async () => {
    const disk = smallDisk(8);
    const folder = join(disk, "store");
    using store = openDiskStore(folder, { create: true });
    const first = await importPath(store, makeTree(2 * MEGABYTE, 1), { name: parseName("first") });
    const second = makeTree(8 * MEGABYTE, 2);
    await expect(importPath(store, second, { name: parseName("second") })).rejects.toMatchObject({
      message: "the disk is full",
      remedy: expect.stringContaining("castorefs gc"),
    });
    expect(checkStore(folder).directories.size).toBe(1);
    execFileSync("mount", ["-o", "remount,size=40m", disk]);
    const { node } = await importPath(store, second, { name: parseName("second") });
    expect((await store.roots.list()).map((root) => root.node)).toEqual([first.node, node]);
    checkStore(folder);
  },
);

test.skipIf(!mayMount)(
  "wherever the disk becomes full, what an import or a filler committed stays",
  async () => {
    const disk = smallDisk(12);
    const folder = join(disk, "store");
    const tree = makeTree(4 * MEGABYTE, 3);
    let refused = 0;
    for (let leave = 20_000; leave < 5 * MEGABYTE; leave = Math.round(leave * 1.6)) {
      using store = openDiskStore(folder, { create: true, batchBytesMax: 500_000 });
      using filler = openStoreFiller(folder);
      const bytes = noise(100_000, 77);
      const chunk = { digest: blake3(bytes), size: bytes.length };
      const ballast = fillUp(disk, leave);
      for (const attempt of [
        () => filler.putChunk(chunk, bytes),
        () => importPath(store, tree, { name: parseName("tree") }),
      ]) {
        const kept = checkStore(folder).size;
        const failure = await attempt().then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(failure === undefined || isFull(failure), `${failure}`).toBe(true);
        if (failure !== undefined) refused += 1;
        expect(checkStore(folder).size).toBeGreaterThanOrEqual(kept);
      }
      rmSync(ballast);
      await filler.putChunk(chunk, bytes);
      await importPath(store, tree);
      checkStore(folder);
      rmSync(folder, { recursive: true });
    }
    expect(refused).toBeGreaterThan(8);
  },
);

test.skipIf(!mayMount)(
  "where there is no room a store is not made, and one that is there is read",
  async () => {
    const disk = smallDisk(4);
    const folder = join(disk, "store");
    const ballast = fillUp(disk, 8192);
    expect(() => openDiskStore(folder, { create: true })).toThrow("the disk is full");
    rmSync(ballast);
    using made = openDiskStore(folder, { create: true });
    const { digest } = await made.blobs.put([noise(1000, 1)]);
    fillUp(disk, 0);
    using store = openDiskStore(folder);
    expect((await store.blobs.stat(digest))?.size).toBe(1000);
    await expect(store.blobs.put([noise(1000, 3)])).rejects.toThrow("the disk is full");
  },
);

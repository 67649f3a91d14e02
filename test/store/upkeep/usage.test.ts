/** What roots take up, compared with a count that remembers everything. */
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseName } from "../../../src/castore/name.ts";
import type { Store } from "../../../src/store/services.ts";
import { walkTree } from "../../../src/store/tree-walk.ts";
import { measureUsage } from "../../../src/store/upkeep/disk-usage.ts";
import { collectGarbage } from "../../../src/store/upkeep/gc.ts";
import { takeLease } from "../../../src/store/upkeep/lease.ts";
import { storeStats } from "../../../src/store/upkeep/stats.ts";
import { temporaryFolder } from "../temporary.ts";
import type { Shape } from "./small-stores.ts";
import { changeIndex, openSmall, putRoot, query, SMALL } from "./small-stores.ts";

const leaf = fc.oneof(
  fc.record({ bytes: fc.nat(3000), seed: fc.nat(6), executable: fc.boolean() }),
  fc.record({ bytes: fc.integer({ min: 520_000, max: 620_000 }), seed: fc.nat(1) }),
  fc.constant({ target: "somewhere" }),
);
const shapes = fc.letrec<{ folder: Shape; shape: Shape }>((tie) => ({
  folder: fc.dictionary(fc.stringMatching(/^[a-d]$/), tie("shape"), { maxKeys: 4 }),
  shape: fc.oneof({ depthSize: "small" }, leaf, tie("folder")),
})).folder;

/** Lengths of all stored objects, by kind and digest. */
function lengths(folder: string): Map<string, number> {
  return query(folder, (database) => {
    const rows = database.prepare("SELECT kind, hex(digest) AS hex, length FROM objects").all();
    return new Map(rows.map(({ kind, hex, length }) => [`${kind}${hex}`, Number(length)]));
  });
}

async function naive(store: Store, folder: string) {
  const sizes = lengths(folder);
  const roots = await store.roots.list();
  const reached: Set<string>[] = [];
  const counts = [];
  for (const { node: root } of roots) {
    const objects = new Set<string>();
    const count = { files: 0, directories: 0, symlinks: 0, bytes: 0 };
    for await (const { node } of walkTree(store.directories, root)) {
      if (node.kind === "symlink") count.symlinks += 1;
      if (node.kind === "directory") {
        count.directories += 1;
        objects.add(`1${node.digest.hex.toUpperCase()}`);
      }
      if (node.kind !== "file") continue;
      count.files += 1;
      count.bytes += node.size;
      for (const { digest } of (await store.blobs.stat(node.digest))!.chunks) {
        objects.add(`0${digest.hex.toUpperCase()}`);
      }
    }
    reached.push(objects);
    counts.push(count);
  }
  const sum = (objects: Iterable<string>) =>
    [...objects].reduce((bytes, object) => bytes + sizes.get(object)!, 0);
  const all = new Set(reached.flatMap((objects) => [...objects]));
  return {
    roots: counts.map((count, i) => {
      const others = new Set(reached.flatMap((objects, j) => (j === i ? [] : [...objects])));
      const own = [...reached[i]!].filter((object) => !others.has(object));
      return { ...count, stored: sum(reached[i]!), own: sum(own) };
    }),
    stored: sum(all),
    storedContents: sum([...all].filter((object) => object.startsWith("0"))),
  };
}

test("usage counts what a count that remembers everything does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(shapes, { minLength: 1, maxLength: 5 }), async (trees) => {
      const folder = join(temporaryFolder(), "store");
      using store = openSmall(folder);
      for (const [i, tree] of trees.entries()) await putRoot(store, `root-${i}`, tree);
      const usage = await measureUsage(folder);
      const roots = usage.roots.map(({ name: _, ...root }) => root);
      expect({ ...usage, roots }).toEqual(await naive(store, folder));
      expect(usage.roots.map(({ name }) => name)).toEqual(
        (await store.roots.list()).map(({ name }) => name),
      );
    }),
    { numRuns: 25 },
  );
}, 120_000);

test("a root of a file or a symlink is counted, and so is a tree under two names", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const file = { bytes: 3000, seed: 1 };
  await putRoot(store, "file", file);
  await putRoot(store, "link", { target: "file" });
  await putRoot(store, "tree", { a: file, b: { bytes: 100, seed: 2 } });
  await putRoot(store, "twin", { a: file, b: { bytes: 100, seed: 2 } });
  const { roots } = await measureUsage(folder);
  expect(roots).toMatchObject([
    { files: 1, directories: 0, symlinks: 0, bytes: 3000, stored: 3000, own: 0 },
    { files: 0, directories: 0, symlinks: 1, bytes: 0, stored: 0, own: 0 },
    { files: 2, directories: 1, own: 0 },
    { files: 2, directories: 1, own: 0 },
  ]);
});

test("statistics say what is there, and what a collection then gives back", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const file = { bytes: 30_000, seed: 1 };
  const large = { bytes: 1_400_000, seed: 2 };
  await putRoot(store, "kept", { a: file, b: { c: file } });
  await putRoot(store, "gone", { large, a: { bytes: 5000, seed: 3 } });
  await store.roots.delete(parseName("gone"));
  const lease = takeLease(folder, { roots: "all" });
  const before = await storeStats(folder);
  expect(before).toMatchObject({
    roots: 1,
    leases: 1,
    directories: { count: 3, partial: 0 },
    blobs: { count: 1, bytes: 1_400_000, partial: 0 },
    trees: { bytesShown: 60_000, bytesStored: 30_000, bytesFreeable: 0 },
  });
  expect(before.chunks.bytes).toBe(1_435_000);
  lease[Symbol.dispose]();
  const { trees } = await storeStats(folder);
  const { bytesFreed } = await collectGarbage(folder, SMALL);
  expect(trees).toMatchObject({ bytesFreeable: bytesFreed, bytesWasted: 0 });
  expect(bytesFreed).toBeGreaterThan(1_400_000);
  const after = await storeStats(folder);
  expect(before.segmentBytes - after.segmentBytes).toBe(bytesFreed);
  expect(after).toMatchObject({ leases: 0, blobs: { count: 0 }, chunks: { count: 1 } });
});

test("statistics of a damaged store say what is damaged, and the rest", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const root = await putRoot(store, "tree", { a: { bytes: 10, seed: 1 } });
  changeIndex(folder, "UPDATE objects SET offset = offset + 1 WHERE kind = 1");
  const { trees, chunks } = await storeStats(folder);
  expect(trees).toBe(`directory ${root.digest} is rotten or unreadable`);
  expect(chunks.count).toBe(1);
});

/** A collection takes what nothing reaches, and nothing else. */
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { parseName } from "../../../src/castore/name.ts";
import type { DirectoryNode, FileNode } from "../../../src/castore/node.ts";
import { rowChecksum } from "../../../src/store/disk-index.ts";
import { CorruptObject, MissingObject, StoreBusy, StoreError } from "../../../src/store/errors.ts";
import type { GcOptions } from "../../../src/store/upkeep/gc.ts";
import { collectGarbage } from "../../../src/store/upkeep/gc.ts";
import { takeLease } from "../../../src/store/upkeep/lease.ts";
import { verifyStore } from "../../../src/store/upkeep/verify.ts";
import { temporaryFolder } from "../temporary.ts";
import type { Shape } from "./small-stores.ts";
import {
  changeIndex,
  contents,
  openSmall,
  put,
  putRoot,
  query,
  reachable,
  SMALL,
  stored,
} from "./small-stores.ts";

const collect = (folder: string, options: GcOptions = {}) =>
  collectGarbage(folder, { ...SMALL, waitMilliseconds: 5000, ...options });

const LARGE = { bytes: 700_000, seed: 3 };
const TREE: Shape = {
  bin: { run: { bytes: 300, seed: 1, executable: true }, link: { target: "run" } },
  lib: { large: LARGE, small: { bytes: 2000, seed: 2 }, empty: { bytes: 0, seed: 0 } },
  none: {},
};
const OTHER: Shape = { lib: { small: { bytes: 2000, seed: 2 }, own: { bytes: 3000, seed: 5 } } };

async function sound(folder: string): Promise<void> {
  expect((await verifyStore(folder)).listed).toEqual([]);
}

function segmentBytes(folder: string): number {
  const names = readdirSync(join(folder, "segments"));
  return names.reduce((sum, name) => sum + statSync(join(folder, "segments", name)).size, 0);
}

const leaf = fc.oneof(
  fc.record({ bytes: fc.nat(5000), seed: fc.nat(30) }),
  fc.record({ bytes: fc.integer({ min: 520_000, max: 700_000 }), seed: fc.nat(2) }),
  fc.constant({ target: "somewhere" }),
);
const shapes = fc.letrec<{ folder: Shape; shape: Shape }>((tie) => ({
  folder: fc.dictionary(fc.stringMatching(/^[a-d]$/), tie("shape"), { maxKeys: 4 }),
  shape: fc.oneof({ depthSize: "small" }, leaf, tie("folder")),
})).folder;

test("exactly what no root reaches is gone, whatever the trees", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(shapes, { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat(4), { maxLength: 4 }),
      // All chunks at once, or some at a time.
      fc.constantFrom({}, { chunksPerStep: 8, exclusiveMillisecondsMax: 0 }),
      async (trees, removals, steps) => {
        const folder = join(temporaryFolder(), "store");
        using store = openSmall(folder);
        for (const [i, tree] of trees.entries()) await putRoot(store, `root-${i}`, tree);
        for (const i of removals) await store.roots.delete(parseName(`root-${i}`));
        const before = stored(folder);
        const roots = (await store.roots.list()).map(({ node }) => node);
        const expected = await reachable(store, roots);
        const planned = await collect(folder, { dryRun: true });
        expect(stored(folder)).toEqual(before);
        const report = await collect(folder, steps);
        expect(stored(folder)).toEqual(expected);
        const { directories, chunks, blobs } = report.deleted;
        expect(directories + chunks + blobs).toBe(before.size - expected.size);
        expect(planned.deleted).toEqual(report.deleted);
        expect(planned.kept).toEqual(report.kept);
        expect(planned.bytesFreed).toBe(report.bytesFreed);
        await sound(folder);
        expect((await collect(folder)).deleted).toMatchObject({ directories: 0, chunks: 0 });
      },
    ),
    { numRuns: 25 },
  );
}, 120_000);

test("a removed root gives its room back, and what others share stays where it can be read", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  await putRoot(store, "tree", TREE);
  const other = await putRoot(store, "other", OTHER);
  const expected = await reachable(store, [other]);
  await store.roots.delete(parseName("tree"));
  const before = segmentBytes(folder);
  const planned = await collect(folder, { dryRun: true });
  expect(segmentBytes(folder)).toBe(before);
  const report = await collect(folder);
  expect(segmentBytes(folder)).toBe(before - report.bytesFreed);
  expect(planned.bytesFreed).toBe(report.bytesFreed);
  expect(report.bytesFreed).toBeGreaterThan(LARGE.bytes);
  expect(report.compaction.segments).toBeGreaterThan(0);
  expect(report.bytesWasted).toBe(0);
  expect(stored(folder)).toEqual(expected);
  await sound(folder);
  // The one who wrote before goes on as if nothing had been.
  const again = await putRoot(store, "tree", TREE);
  expect(await reachable(store, [again, other])).toEqual(stored(folder));
  await sound(folder);
});

test("a segment with little waste is left as it is, unless that is wanted", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  await putRoot(store, "tree", TREE);
  await putRoot(store, "other", OTHER);
  await store.roots.delete(parseName("other"));
  const report = await collect(folder);
  expect(report.deleted.chunks).toBe(1);
  expect(report.compaction.moved).toBe(0);
  expect(report.bytesWasted).toBeGreaterThanOrEqual(3000);
  const thorough = await collect(folder, { wasteShare: 0 });
  expect(thorough.bytesFreed).toBe(report.bytesWasted);
  expect(thorough.bytesWasted).toBe(0);
  expect(thorough.compaction.moved).toBeGreaterThan(700_000);
  await sound(folder);
});

test("what somebody wants to keep stays, and a digest of nothing is refused", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const tree = await putRoot(store, "tree", TREE);
  const other = await putRoot(store, "other", OTHER);
  const expected = await reachable(store, [tree, other]);
  await store.roots.delete(parseName("tree"));
  await store.roots.delete(parseName("other"));
  const nothing = blake3(Buffer.from("never stored"));
  await expect(collect(folder, { keep: [nothing] })).rejects.toBeInstanceOf(MissingObject);
  await collect(folder, { keep: [tree.digest, other.digest] });
  expect(stored(folder)).toEqual(expected);
  const large = blake3(contents(LARGE));
  await collect(folder, { keep: [large] });
  expect(await store.blobs.stat(large)).toMatchObject({ size: LARGE.bytes });
  expect((await collect(folder)).kept).toMatchObject({ directories: 0, chunks: 0, blobs: 0 });
  expect(stored(folder).size).toBe(0);
  expect(segmentBytes(folder)).toBe(0);
});

test("a lease keeps its roots, and a lease on all keeps what loses its name", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const tree = await putRoot(store, "tree", TREE);
  const other = await putRoot(store, "other", OTHER);
  const expected = await reachable(store, [tree, other]);
  const one = takeLease(folder, { roots: [tree] });
  const all = takeLease(folder, { roots: "all" });
  await store.roots.delete(parseName("tree"));
  // Another tree under the same name: the first has lost it, too.
  await putRoot(store, "other", {});
  expect((await collect(folder)).leases).toBe(2);
  for (const digest of expected) expect(stored(folder)).toContain(digest);
  all[Symbol.dispose]();
  await collect(folder);
  for (const digest of await reachable(store, [tree])) expect(stored(folder)).toContain(digest);
  expect(stored(folder)).not.toContain(`directory ${other.digest.hex}`);
  one[Symbol.dispose]();
  await collect(folder);
  expect(stored(folder).size).toBe(1);
  await sound(folder);
});

test("what lost its name long before a lease on all is forgotten", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  await putRoot(store, "tree", TREE);
  await store.roots.delete(parseName("tree"));
  using _lease = takeLease(folder, { roots: "all" });
  await collect(folder);
  // Not long enough before: clocks may be set back.
  expect(stored(folder).size).toBeGreaterThan(0);
  const week = 7 * 24 * 60 * 60 * 1000;
  const [row] = query(folder, (database) =>
    database.prepare("SELECT entry, time FROM removed").all(),
  ) as unknown as [{ entry: Uint8Array; time: number }];
  const time = row.time - week;
  const checksum = rowChecksum(row.entry, Buffer.from(time.toString()));
  changeIndex(folder, "UPDATE removed SET time = ?, checksum = ?", time, checksum);
  await collect(folder);
  expect(stored(folder).size).toBe(0);
});

test("a lease on a tree that is partly here keeps what is here", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const tree = await putRoot(store, "tree", TREE);
  await store.roots.delete(parseName("tree"));
  const bin = (await store.directories.get(tree.digest))!.get(Buffer.from("bin")) as DirectoryNode;
  changeIndex(folder, "DELETE FROM objects WHERE digest = ?", bin.digest.bytes);
  changeIndex(folder, "UPDATE objects SET whole = 0 WHERE kind = 1");
  changeIndex(folder, "UPDATE blobs SET whole = 0");
  const run = `chunk ${blake3(contents({ bytes: 300, seed: 1 })).hex}`;
  const expected = stored(folder);
  expect(expected.delete(run)).toBe(true);
  using _lease = takeLease(folder, { roots: [tree] });
  await collect(folder);
  expect(stored(folder)).toEqual(expected);
});

test("what is fetched for a lease while others are waited for is kept, with all below it", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const tree = await putRoot(store, "tree", TREE);
  await store.roots.delete(parseName("tree"));
  const bin = (await store.directories.get(tree.digest))!.get(Buffer.from("bin")) as DirectoryNode;
  changeIndex(folder, "UPDATE objects SET whole = 0 WHERE kind = 1");
  const expected = stored(folder);
  const place = query(folder, (database) =>
    database.prepare("SELECT * FROM objects WHERE digest = ?").get(bin.digest.bytes),
  ) as Record<string, number>;
  changeIndex(folder, "DELETE FROM objects WHERE digest = ?", bin.digest.bytes);
  using _lease = takeLease(folder, { roots: [tree] });
  let fetched = false;
  await collect(folder, {
    onProgress: ({ phase }) => {
      if (phase !== "waiting" || fetched) return;
      fetched = true;
      const { segment, offset, length } = place;
      changeIndex(
        folder,
        "INSERT INTO objects VALUES (1, ?, ?, ?, ?, 0)",
        ...[bin.digest.bytes, segment!, offset!, length!],
      );
    },
  });
  expect(fetched).toBe(true);
  expect(stored(folder)).toEqual(expected);
});

test("nothing is deleted while something is damaged that may name anything", async () => {
  const tree = { ...TREE, lib: { ...(TREE as { lib: object }).lib } };
  const digestOf = async (folder: string, name: string) => {
    using store = openSmall(folder);
    const root = (await store.roots.get(parseName("tree"))) as DirectoryNode;
    return (await store.directories.get(root.digest))!.get(Buffer.from(name)) as FileNode;
  };
  const damages: [(folder: string) => Promise<void>, new () => StoreError, RegExp][] = [
    [
      async (folder) => {
        const { digest } = await digestOf(folder, "lib");
        changeIndex(
          folder,
          "UPDATE objects SET offset = offset + 1 WHERE digest = ?",
          digest.bytes,
        );
      },
      CorruptObject as never,
      /directory blake3-.* is rotten/,
    ],
    [
      async (folder) => {
        const { digest } = await digestOf(folder, "lib");
        changeIndex(folder, "DELETE FROM objects WHERE digest = ?", digest.bytes);
      },
      MissingObject as never,
      /directory blake3-.* is not in the store/,
    ],
    [
      async (folder) => void changeIndex(folder, "UPDATE blobs SET chunks = substr(chunks, 2)"),
      CorruptObject as never,
      /blob blake3-.* is rotten/,
    ],
    [
      async (folder) => void changeIndex(folder, "DELETE FROM blobs"),
      MissingObject as never,
      /blob blake3-.* is not in the store/,
    ],
    [
      async (folder) => void changeIndex(folder, "UPDATE roots SET entry = substr(entry, 2)"),
      StoreError as never,
      /root node "tree" is damaged/,
    ],
  ];
  for (const [damage, kind, message] of damages) {
    const folder = join(temporaryFolder(), "store");
    using store = openSmall(folder);
    await putRoot(store, "tree", tree);
    await putRoot(store, "other", OTHER);
    await store.roots.delete(parseName("other"));
    await damage(folder);
    const before = stored(folder);
    const bytes = segmentBytes(folder);
    const failure: unknown = await collect(folder).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(kind);
    expect((failure as StoreError).message).toMatch(message);
    expect((failure as StoreError).remedy).toMatch(/verify --repair|import it again/);
    expect(stored(folder)).toEqual(before);
    expect(segmentBytes(folder)).toBe(bytes);
  }
});

test("a damaged removed root holds everybody up who may show it, and nobody else", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  await putRoot(store, "tree", TREE);
  await store.roots.delete(parseName("tree"));
  changeIndex(folder, "UPDATE removed SET time = time + 1");
  const lease = takeLease(folder, { roots: "all" });
  await expect(collect(folder)).rejects.toThrow(/removed root is damaged/);
  lease[Symbol.dispose]();
  await collect(folder);
  expect(stored(folder).size).toBe(0);
  // Nor does it hold up whoever comes later.
  using _later = takeLease(folder, { roots: "all" });
  await collect(folder);
});

test("files of segments that no index knows are removed, others are not", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  await putRoot(store, "tree", TREE);
  writeFileSync(join(folder, "segments", "00000077.seg"), new Uint8Array(1234));
  writeFileSync(join(folder, "segments", "notes.txt"), "mine");
  expect(await collect(folder, { dryRun: true })).toMatchObject({
    strayFiles: 1,
    bytesFreed: 1234,
  });
  expect(await collect(folder)).toMatchObject({ strayFiles: 1, bytesFreed: 1234 });
  expect(readdirSync(join(folder, "segments"))).not.toContain("00000077.seg");
  expect(readdirSync(join(folder, "segments"))).toContain("notes.txt");
  await sound(folder);
});

test("a rotten chunk is not copied: its segment stays as it is, and the others go", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  await putRoot(store, "tree", TREE);
  const own = await putRoot(store, "other", OTHER);
  await store.roots.delete(parseName("tree"));
  const lost = blake3(contents({ bytes: 3000, seed: 5 }));
  changeIndex(folder, "UPDATE objects SET offset = offset - 1 WHERE digest = ?", lost.bytes);
  const report = await collect(folder);
  expect(report.compaction.segmentsDamaged).toBe(1);
  expect(stored(folder)).toEqual(await reachable(store, [own]));
  expect((await verifyStore(folder)).listed.map(({ which }) => which)).toEqual([`${lost}`]);
  // Healed by an offset that is right again, nothing else is missing.
  changeIndex(folder, "UPDATE objects SET offset = offset + 1 WHERE digest = ?", lost.bytes);
  await sound(folder);
});

test("a collection waits for who writes, and gives up after its time", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  await putRoot(store, "tree", TREE);
  await store.roots.delete(parseName("tree"));
  const writer = await store.openWriter();
  await expect(collect(folder, { waitMilliseconds: 0 })).rejects.toBeInstanceOf(StoreBusy);
  expect(stored(folder).size).toBeGreaterThan(0);
  // What it finds is there until it is done.
  const phases: string[] = [];
  const collecting = collect(folder, { onProgress: ({ phase }) => void phases.push(phase) });
  while (!phases.includes("waiting")) await new Promise((resolve) => setTimeout(resolve, 5));
  const node = put(writer, TREE);
  expect(writer.newBytes).toBe(0);
  writer.putRoot(parseName("again"), node);
  writer[Symbol.dispose]();
  expect((await collecting).deleted).toMatchObject({ directories: 0, chunks: 0, blobs: 0 });
  await sound(folder);
});

test("two collections do not go on at a time", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  await putRoot(store, "tree", TREE);
  const both = await Promise.allSettled([collect(folder), collect(folder)]);
  const refused = both.filter(({ status }) => status === "rejected");
  expect(refused).toHaveLength(1);
  expect((refused[0] as PromiseRejectedResult).reason).toBeInstanceOf(StoreBusy);
  await collect(folder);
});

test("a lease that is taken in the last moment is honoured", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const tree = await putRoot(store, "tree", TREE);
  await store.roots.delete(parseName("tree"));
  const expected = stored(folder);
  let lease: Disposable | undefined;
  const report = await collect(folder, {
    onProgress: ({ phase }) => {
      if (phase === "deleting") lease ??= takeLease(folder, { roots: [tree] });
    },
  });
  expect(lease).toBeDefined();
  expect(report.leases).toBe(1);
  expect(stored(folder)).toEqual(expected);
  lease?.[Symbol.dispose]();
});

test("an aborted collection has changed nothing, or only what nobody misses", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const tree = await putRoot(store, "tree", TREE);
  await putRoot(store, "other", OTHER);
  await store.roots.delete(parseName("other"));
  for (const phase of ["marking", "deleting", "compacting"]) {
    const abort = new AbortController();
    const options: GcOptions = {
      signal: abort.signal,
      wasteShare: 0,
      onProgress: (progress) => {
        if (progress.phase === phase) abort.abort(new Error("stop"));
      },
    };
    await expect(collect(folder, options)).rejects.toThrow("stop");
    await sound(folder);
    for (const digest of await reachable(store, [tree])) expect(stored(folder)).toContain(digest);
  }
  await collect(folder, { wasteShare: 0 });
  expect(stored(folder)).toEqual(await reachable(store, [tree]));
});

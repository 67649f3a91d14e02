/** What a verification finds, with workers and without, while others change the store. */
import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { parseName } from "../../../src/castore/name.ts";
import type { DirectoryNode } from "../../../src/castore/node.ts";
import { rowChecksum } from "../../../src/store/disk-index.ts";
import { collectGarbage } from "../../../src/store/upkeep/gc.ts";
import { verifyStore } from "../../../src/store/upkeep/verify.ts";
import type { VerifyReport } from "../../../src/store/upkeep/verify-report.ts";
import { temporaryFolder } from "../temporary.ts";
import type { Shape } from "./small-stores.ts";
import { changeIndex, contents, openSmall, putRoot, query, SMALL } from "./small-stores.ts";

const LARGE = { bytes: 1_700_000, seed: 3 };
const TREE: Shape = {
  bin: { run: { bytes: 300, seed: 1, executable: true }, link: { target: "run" } },
  lib: { large: LARGE, small: { bytes: 2000, seed: 2 }, empty: { bytes: 0, seed: 0 } },
  none: {},
};

async function makeStore(): Promise<{ folder: string; root: DirectoryNode }> {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const root = await putRoot(store, "tree", TREE);
  return { folder, root };
}

/** Faults in an order that does not depend on who found them. */
function faults({ listed }: VerifyReport): string[] {
  return listed.map(({ what, which, fault }) => `${what} ${which} ${fault}`).sort();
}

async function childOf(folder: string, root: DirectoryNode, name: string) {
  using store = openSmall(folder);
  const node = (await store.directories.get(root.digest))!.get(Buffer.from(name));
  return (node as DirectoryNode).digest;
}

test("every object is read once, whoever does it", async () => {
  const { folder } = await makeStore();
  for (const threads of [0, 1, 3]) {
    let last = 0;
    const report = await verifyStore(folder, {
      threads,
      onProgress: ({ bytes }) => {
        expect(bytes).toBeGreaterThanOrEqual(last);
        last = bytes;
      },
    });
    expect(report).toMatchObject({ faults: 0, partial: 0, notFetched: 0, roots: 1, blobs: 1 });
    expect(report.directories).toBe(4);
    expect(report.bytes).toBe(report.bytesExpected);
    expect(report.chunks + report.directories).toBe(report.objectsExpected);
    expect(last).toBe(report.bytes);
  }
  const { bytes } = await verifyStore(folder);
  expect((await verifyStore(folder, { wholeBlobs: true })).bytes).toBe(bytes + LARGE.bytes);
});

test("workers find the same damage as one thread does, wherever it is", async () => {
  const { folder } = await makeStore();
  const segments = readdirSync(join(folder, "segments")).map((name) =>
    join(folder, "segments", name),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.nat(segments.length - 1),
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      fc.integer({ min: 1, max: 255 }),
      async (segment, position, change) => {
        const path = segments[segment]!;
        const at = Math.floor(statSync(path).size * position);
        flip(path, at, change);
        const alone = await verifyStore(folder, { threads: 0 });
        expect(alone.faults).toBeGreaterThan(0);
        expect(faults(await verifyStore(folder, { threads: 2 }))).toEqual(faults(alone));
        flip(path, at, change);
      },
    ),
    { numRuns: 4 },
  );
  expect((await verifyStore(folder)).faults).toBe(0);
});

test("a rotten chunk is named, and so is the file that it is a part of", async () => {
  const { folder } = await makeStore();
  const rotten = query(folder, (database) =>
    database.prepare("SELECT digest, offset FROM objects ORDER BY length DESC LIMIT 1").get(),
  ) as { digest: Uint8Array };
  changeIndex(folder, "UPDATE objects SET offset = offset + 1 WHERE digest = ?", rotten.digest);
  const { listed } = await verifyStore(folder);
  const large = blake3(contents(LARGE));
  expect(listed.map(({ what, wanted }) => [what, wanted])).toMatchObject([
    ["chunk", { kind: "chunk", digest: { bytes: rotten.digest }, heal: true }],
    ["blob", { kind: "chunk", digest: { bytes: rotten.digest }, heal: true, within: large }],
  ]);
});

test("what is missing below something whole is damage, and says what to fetch", async () => {
  const { folder, root } = await makeStore();
  const bin = await childOf(folder, root, "bin");
  const small = blake3(contents({ bytes: 2000, seed: 2 }));
  changeIndex(folder, "DELETE FROM objects WHERE digest IN (?, ?)", bin.bytes, small.bytes);
  changeIndex(folder, "DELETE FROM blobs");
  const report = await verifyStore(folder);
  const lib = await childOf(folder, root, "lib");
  expect(faults(report)).toEqual(
    [
      `directory ${lib} "large": blob ${blake3(contents(LARGE))} is missing`,
      `directory ${lib} "small": blob ${small} is missing`,
      `directory ${root.digest} "bin": directory ${bin} is missing`,
    ].sort(),
  );
  expect(report.listed.map(({ wanted }) => wanted?.kind).sort()).toEqual([
    "blob",
    "blob",
    "directory",
  ]);
  expect(report.notFetched).toBe(0);
});

test("what is missing below something partial is not fetched yet, and that is all", async () => {
  const { folder, root } = await makeStore();
  using store = openSmall(folder);
  await store.roots.delete(parseName("tree"));
  const bin = await childOf(folder, root, "bin");
  const small = blake3(contents({ bytes: 2000, seed: 2 }));
  const chunk = query(folder, (database) =>
    database.prepare("SELECT digest FROM objects ORDER BY length DESC LIMIT 1").get(),
  ) as { digest: Uint8Array };
  const gone = [bin.bytes, small.bytes, chunk.digest];
  changeIndex(folder, "DELETE FROM objects WHERE digest IN (?, ?, ?)", ...gone);
  changeIndex(folder, "UPDATE objects SET whole = 0 WHERE kind = 1");
  changeIndex(folder, "UPDATE blobs SET whole = 0");
  const report = await verifyStore(folder);
  expect(report).toMatchObject({ faults: 0, partial: 4, notFetched: 3 });
  // A name promises all of it.
  await expect(
    (async () => {
      using writer = await store.openWriter();
      writer.putRoot(parseName("again"), root);
    })(),
  ).rejects.toThrow();
});

test("a list of chunks that was forged with its checksum is found when files are hashed as a whole", async () => {
  const { folder } = await makeStore();
  const [row] = query(folder, (database) =>
    database.prepare("SELECT digest, chunks FROM blobs").all(),
  ) as [{ digest: Uint8Array; chunks: Uint8Array }];
  const forged = Buffer.concat([row.chunks.subarray(36, 72), row.chunks.subarray(0, 36)]);
  const list = Buffer.concat([forged, row.chunks.subarray(72)]);
  const checksum = rowChecksum(row.digest, list);
  changeIndex(folder, "UPDATE blobs SET chunks = ?, checksum = ?", list, checksum);
  expect((await verifyStore(folder)).faults).toBe(0);
  for (const threads of [0, 2]) {
    const report = await verifyStore(folder, { wholeBlobs: true, threads });
    expect(report.listed).toMatchObject([
      { what: "blob", fault: "its chunks make up something else", wanted: { heal: true } },
    ]);
  }
});

test("sizes that are not those of what is named are damage", async () => {
  const { folder } = await makeStore();
  const small = blake3(contents({ bytes: 2000, seed: 2 }));
  changeIndex(folder, "UPDATE objects SET length = length - 1 WHERE digest = ?", small.bytes);
  const { listed } = await verifyStore(folder);
  expect(listed.map(({ what, fault }) => `${what} ${fault}`).sort()).toEqual([
    "chunk rotten or unreadable",
    `directory "small": blob ${small} has another size`,
  ]);
});

test("a verification beside importers and collections finds nothing to complain of", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  await putRoot(store, "kept", TREE);
  let changing = true;
  const changes = (async () => {
    for (let i = 0; changing; i += 1) {
      const shape = { files: { a: { bytes: 4000, seed: i }, b: { bytes: 900_000, seed: i % 3 } } };
      await putRoot(store, "moving", shape);
      const limits = { ...SMALL, wasteShare: 0, waitMilliseconds: 10_000 };
      if (i % 2 === 0) await collectGarbage(folder, limits);
    }
  })();
  for (let run = 0; run < 10; run += 1) {
    const report = await verifyStore(folder, {
      threads: run % 4 === 3 ? 2 : 0,
      wholeBlobs: run % 2 === 0,
    });
    expect(faults(report)).toEqual([]);
  }
  changing = false;
  await changes;
}, 120_000);

test("a verification ends when it is told to", async () => {
  const { folder } = await makeStore();
  for (const threads of [0, 2]) {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(verifyStore(folder, { threads, signal })).rejects.toThrow("enough");
  }
});

function flip(path: string, at: number, change: number): void {
  const fd = openSync(path, "r+");
  const byte = new Uint8Array(1);
  readSync(fd, byte, 0, 1, at);
  byte[0]! ^= change;
  writeSync(fd, byte, 0, 1, at);
  closeSync(fd);
}

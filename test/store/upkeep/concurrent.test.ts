/** Collections beside those who import and read, in other processes and in this one. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { parseName } from "../../../src/castore/name.ts";
import type { FileNode, Node } from "../../../src/castore/node.ts";
import { openDiskReader } from "../../../src/store/disk-reader.ts";
import type { BlobReader } from "../../../src/store/local-reader.ts";
import { walkTree } from "../../../src/store/tree-walk.ts";
import type { GcOptions } from "../../../src/store/upkeep/gc.ts";
import { collectGarbage } from "../../../src/store/upkeep/gc.ts";
import { liveLeases } from "../../../src/store/upkeep/lease-list.ts";
import { verifyStore } from "../../../src/store/upkeep/verify.ts";
import { TestFileMapper, TestSink } from "../file-mapper.ts";
import { temporaryFolder } from "../temporary.ts";
import type { Shape } from "./small-stores.ts";
import { contents, openSmall, putRoot, reachable, SMALL, stored } from "./small-stores.ts";

const CHILD = new URL("worker-child.ts", import.meta.url).pathname;
const IMPORTERS = 3;
const TREES_EACH = 8;

interface Worker {
  readonly child: ChildProcess;
  /** The next line that it writes. */
  line(): Promise<string>;
}

async function start(work: string, folder: string): Promise<Worker> {
  const child = spawn(process.execPath, [CHILD, work, folder], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value as string;
  expect(await line()).toBe("ready");
  return { child, line };
}

/** Files of its own, and others that all trees share again and again. */
function tree(seed: number): Shape {
  const files: Record<string, Shape> = {};
  for (let i = 0; i < 30; i += 1) {
    files[`${i}`] = { bytes: 100 + i * 100, seed: i % 2 === 0 ? i : seed * 100 + i };
  }
  return {
    files,
    large: { bytes: 600_000, seed: seed % 3 },
    deep: { er: { [`${seed % 4}`]: files } },
  };
}

const collect = (folder: string, options: GcOptions = {}) =>
  collectGarbage(folder, { ...SMALL, wasteShare: 0, waitMilliseconds: 60_000, ...options });

test("importers in other processes lose nothing to collections that go on all the time", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const workers = await Promise.all(
    Array.from({ length: IMPORTERS }, () => start("import", folder)),
  );
  let importing = true;
  let collections = 0;
  const collecting = (async () => {
    while (importing) {
      // Every other one lets importers in while it deletes.
      const steps = { chunksPerStep: 30, exclusiveMillisecondsMax: 0 };
      await collect(folder, collections % 2 === 0 ? steps : {});
      collections += 1;
    }
  })();
  const names: string[] = [];
  await Promise.all(
    workers.map(async ({ child, line }, worker) => {
      for (let i = 0; i < TREES_EACH; i += 1) {
        const name = `${worker}-${i}`;
        const shape = tree(worker * TREES_EACH + i);
        child.stdin!.write(`${JSON.stringify({ name, shape })}\n`);
        expect(await line()).toBe(name);
        // Half of them go again while the others still find their files there.
        if (i % 2 === 0) await store.roots.delete(parseName(name));
        else names.push(name);
      }
    }),
  );
  importing = false;
  await collecting;
  expect(collections).toBeGreaterThan(1);
  await collect(folder);
  const roots = await store.roots.list();
  expect(roots.map(({ name }) => Buffer.from(name).toString())).toEqual(names.sort());
  expect(stored(folder)).toEqual(
    await reachable(
      store,
      roots.map(({ node }) => node),
    ),
  );
  expect((await verifyStore(folder)).listed).toEqual([]);
}, 120_000);

test("what another process shows stays until that process ends", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const shown = await putRoot(store, "shown", tree(1));
  await putRoot(store, "kept", tree(2));
  const { child } = await start("lease", folder);
  const expected = await reachable(store, [shown]);
  await store.roots.delete(parseName("shown"));
  expect((await collect(folder)).leases).toBe(1);
  for (const digest of expected) expect(stored(folder)).toContain(digest);
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await ended;
  expect(liveLeases(folder)).toEqual([]);
  expect(await collect(folder)).toMatchObject({ leases: 0, deadLeases: 1 });
  expect(stored(folder)).not.toContain(`directory ${shown.digest.hex}`);
  expect(readdirSync(join(folder, "leases"))).toEqual(["gate"]);
});

test("a device's reader goes on with right bytes, whatever was moved and removed under it", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const kept = await putRoot(store, "kept", tree(1));
  await putRoot(store, "removed", { more: tree(2), large: { bytes: 2_000_000, seed: 9 } });
  const mapper = new TestFileMapper();
  using reader = openDiskReader(folder, { mapper, logger: silentLogger });
  const sink = new TestSink(mapper);
  const files = await filesBelow(store, kept);
  const open = files.map(({ digest }) => reader.blob(digest.bytes, 0)!);
  const read = (blob: BlobReader): Uint8Array => {
    expect(blob.read(0, blob.size, sink)).toBe(0);
    return sink.take();
  };
  // Some were read before, so that their segments are mapped; some were located only.
  const before = open.slice(0, 20).map(read);
  await store.roots.delete(parseName("removed"));
  const segments = readdirSync(join(folder, "segments"));
  await collect(folder);
  const left = new Set(readdirSync(join(folder, "segments")));
  expect(segments.some((name) => left.has(name))).toBe(false);
  expect(open.slice(0, 20).map(read)).toEqual(before);
  const expected = new Map(allFiles(tree(1)).map((bytes) => [bytes.length, bytes]));
  for (const [i, { digest, size }] of files.entries()) {
    const bytes = read(open[i]!);
    expect(bytes.length).toBe(size);
    expect(read(reader.blob(digest.bytes, 0)!)).toEqual(bytes);
    expect(bytes).toEqual(expected.get(size));
  }
  expect(reader.directory(kept.digest.bytes, 0)).toBeDefined();
});

async function filesBelow(store: Parameters<typeof reachable>[0], root: Node): Promise<FileNode[]> {
  const files: FileNode[] = [];
  for await (const { node } of walkTree(store.directories, root)) {
    if (node.kind === "file") files.push(node);
  }
  return files;
}

function allFiles(shape: Shape): Uint8Array[] {
  if ("seed" in shape && typeof shape.seed === "number") {
    return [contents(shape as { bytes: number; seed: number })];
  }
  return Object.values(shape).flatMap((child) => allFiles(child as Shape));
}

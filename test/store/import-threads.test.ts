/** Importing with worker threads: everything is as it is without them. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { parseName } from "../../src/castore/name.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { ImportError } from "../../src/store/errors.ts";
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN } from "../../src/store/fastcdc.ts";
import { ImportCrew } from "../../src/store/import-crew.ts";
import { SHARED_FILE_BYTES_MIN } from "../../src/store/import-pieces.ts";
import type { ImportOptions, ImportProgress } from "../../src/store/import-session.ts";
import { SLOT_CONTENT_BYTES } from "../../src/store/import-slots.ts";
import { importPath } from "../../src/store/import-tree.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { Store } from "../../src/store/services.ts";
import { verifyStore } from "../../src/store/upkeep/verify.ts";
import { makeCorpus } from "./corpus.ts";
import { noise, temporaryFolder } from "./temporary.ts";
import { treeDigest } from "./tree-digest.ts";

/** Without workers; with two, which help each other; with more, who share that out. */
const THREADS = [1, 2, 4];

/** Made once; no test changes it. */
let tree: string;

beforeAll(() => {
  tree = join(mkdtempSync(join(tmpdir(), "castorefs-threads-")), "tree");
  makeTree(tree);
});

afterAll(() => rmSync(dirname(tree), { recursive: true, force: true }));

async function newStore(folder: string, name: string): Promise<Store & { path: string }> {
  const store = await openDiskStore(join(folder, name), { create: true, segmentBytesMax: 30e6 });
  onTestFinished(() => store[Symbol.dispose]());
  return store;
}

/** A digest of all that the segment files of a store hold. */
function segmentsDigest(store: string): string {
  const hash = createHash("sha256");
  const folder = join(store, "segments");
  for (const name of readdirSync(folder).sort()) {
    hash.update(name).update(readFileSync(join(folder, name)));
  }
  return hash.digest("hex");
}

/** A file of holes, but for some noise in front, in the middle and at the end. */
function writeSparse(path: string, size: number): void {
  const fd = openSync(path, "w");
  ftruncateSync(fd, size);
  for (const at of [0, Math.floor(size / 2) - 300_000, size - 700_001]) {
    writeSync(fd, noise(700_001, at + 1), 0, 700_001, Math.max(0, at));
  }
  ftruncateSync(fd, size);
  closeSync(fd);
}

/** Files of every size that makes a difference, among them many small ones. */
function makeTree(root: string): void {
  makeCorpus(root);
  const sizes = join(root, "sizes");
  mkdirSync(sizes);
  const around = [CHUNK_BYTES_MIN, CHUNK_BYTES_MAX, SLOT_CONTENT_BYTES, 2 * SLOT_CONTENT_BYTES];
  for (const size of around.flatMap((edge) => [edge - 1, edge, edge + 1])) {
    writeFileSync(join(sizes, `${size}`), noise(size, size));
  }
  writeSparse(join(sizes, "large"), SHARED_FILE_BYTES_MIN - 1);
  writeSparse(join(sizes, "shared"), SHARED_FILE_BYTES_MIN + SLOT_CONTENT_BYTES);
  for (let folder = 0; folder < 20; folder += 1) {
    const path = join(root, `folder-${folder}`);
    mkdirSync(path);
    for (let i = 0; i < 50; i += 1) writeFileSync(join(path, `${i}`), noise(i * folder, i + 1));
    symlinkSync("../dir", join(path, "link"));
  }
}

test("a tree gives the same store, to the byte, on any number of threads", async () => {
  const folder = temporaryFolder();
  const results = [];
  for (const threads of THREADS) {
    const store = await newStore(folder, `store-${threads}`);
    const result = await importPath(store, tree, { threads, name: parseName("tree") });
    results.push({ result, segments: segmentsDigest(store.path) });
    expect(await verifyStore(store.path)).toMatchObject({ faults: 0, roots: 1 });
  }
  const [alone, ...others] = results;
  expect(alone!.result.node).toMatchObject({ kind: "directory" });
  for (const other of others) expect(other).toEqual(alone);
  const { node } = alone!.result;
  const digest = node.kind === "directory" ? node.digest.hex : "";
  expect(digest).toBe(treeDigest(Buffer.from(tree)).digest.toString("hex"));
});

test("left to itself, an import of many files uses threads and gives the same", async () => {
  const alone = await importPath(new MemoryStore(), tree, { threads: 1 });
  expect(await importPath(new MemoryStore(), tree)).toEqual(alone);
});

test("files of any sizes are the same blobs, chunk by chunk", async () => {
  const folder = temporaryFolder();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.nat({ max: 3000 }),
          fc.nat({ max: 3 * CHUNK_BYTES_MAX }),
          fc.nat({ max: 2 * SLOT_CONTENT_BYTES }),
        ),
        { maxLength: 12 },
      ),
      async (sizes) => {
        run += 1;
        const files = join(folder, `${run}`);
        mkdirSync(files);
        for (const [i, size] of sizes.entries()) {
          writeFileSync(join(files, `${i}`), noise(size, size));
        }
        const [alone, many] = [new MemoryStore(), new MemoryStore()];
        const expected = await importPath(alone, files, { threads: 1 });
        expect(await importPath(many, files, { threads: 2 })).toEqual(expected);
        const root = expected.node.kind === "directory" ? expected.node.digest : undefined;
        for (const { node } of (await alone.directories.get(root!))!.entries) {
          if (node.kind !== "file") continue;
          expect(await many.blobs.stat(node.digest)).toEqual(await alone.blobs.stat(node.digest));
        }
      },
    ),
    { numRuns: 6 },
  );
});

/** How an import fails. */
async function failure(path: string, options: ImportOptions): Promise<unknown> {
  try {
    await importPath(new MemoryStore(), path, options);
  } catch (error) {
    const { name, message, remedy, path: at } = error as ImportError;
    return { name, message, remedy, path: at };
  }
  return "imported";
}

test("what cannot be read is refused with the same words, and the first in order", async () => {
  const folder = temporaryFolder();
  const many = join(folder, "many");
  mkdirSync(many);
  for (let i = 0; i < 2000; i += 1) writeFileSync(join(many, `${i}`), `${i}`);
  // The walk takes the last of a listing first.
  const listed = readdirSync(many);
  for (const threads of THREADS) {
    // Reading it fails with EIO at its first byte, which belongs to no memory.
    expect(await failure("/proc/self/mem", { threads })).toEqual({
      name: "ImportError",
      message: "cannot be read: EIO",
      remedy: undefined,
      path: "/proc/self/mem",
    });
    // Both are listed, and gone before they are read.
    const [earlier, later] = [join(many, listed[3]!), join(many, listed[1]!)];
    const refusal = await failure(many, {
      threads,
      onProgress: () => {
        for (const path of [later, earlier]) rmSync(path, { force: true });
      },
    });
    expect(refusal).toMatchObject({ message: "cannot be read: ENOENT", path: earlier });
    for (const path of [later, earlier]) writeFileSync(path, "again");
  }
});

test("special files are listed in the same order, or the first is refused", async () => {
  const folder = temporaryFolder();
  const special = join(folder, "special");
  mkdirSync(special);
  for (let i = 0; i < 20; i += 1) {
    mkdirSync(join(special, `${i}`));
    writeFileSync(join(special, `${i}`, "file"), "x");
    execFileSync("mkfifo", [join(special, `${i}`, "pipe")]);
  }
  const alone = await importPath(new MemoryStore(), special, { threads: 1, skipSpecial: true });
  expect(alone.skipped).toHaveLength(20);
  const refusal = await failure(special, { threads: 1 });
  expect(refusal).toMatchObject({ message: "a FIFO cannot be stored" });
  for (const threads of THREADS) {
    const options = { threads, skipSpecial: true };
    expect(await importPath(new MemoryStore(), special, options)).toEqual(alone);
    expect(await failure(special, { threads })).toEqual(refusal);
  }
});

test("what was a file when it was listed, and is a folder now, is imported as one", async () => {
  const folder = temporaryFolder();
  const many = join(folder, "many");
  mkdirSync(many);
  for (let i = 0; i < 2000; i += 1) writeFileSync(join(many, `${i}`), `${i}`);
  const path = join(many, readdirSync(many)[0]!);
  for (const threads of THREADS) {
    rmSync(path, { recursive: true });
    writeFileSync(path, "a file for now");
    let changed = false;
    const { node, directories } = await importPath(new MemoryStore(), many, {
      threads,
      onProgress: () => {
        if (changed) return;
        changed = true;
        unlinkSync(path);
        mkdirSync(path);
        writeFileSync(join(path, "inside"), noise(300_000, 4));
      },
    });
    expect(directories).toBe(2);
    const digest = node.kind === "directory" ? node.digest.hex : "";
    expect(digest).toBe(treeDigest(Buffer.from(many)).digest.toString("hex"));
  }
});

test("a large file that changes is read again, and refused when it will not hold still", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "file");
  for (const threads of [2, 3]) {
    writeSparse(file, 80_000_001);
    const alone = await importPath(new MemoryStore(), file, { threads: 1 });
    let changes = 0;
    // Chunks are stored long before the last of the file is read: there are not as many slots.
    const meddling = (changesMax: number): Store => {
      const store = new MemoryStore();
      const open = store.openWriter.bind(store);
      store.openWriter = async () => {
        const writer = await open();
        const put = writer.putChunk.bind(writer);
        writer.putChunk = (chunk, bytes) => {
          put(chunk, bytes);
          if (changes < changesMax) appendFileSync(file, "y");
          changes += 1;
        };
        return writer;
      };
      return store;
    };
    await expect(importPath(meddling(1e6), file, { threads })).rejects.toMatchObject({
      message: "the file changes while it is being read",
      path: file,
    });
    writeSparse(file, 80_000_001);
    changes = 0;
    const once = await importPath(meddling(1), file, { threads });
    expect(once.bytes).toBe(80_000_002);
    writeSparse(file, 80_000_001);
    changes = 0;
    expect((await importPath(meddling(0), file, { threads })).node).toEqual(alone.node);
  }
});

test("progress is exact at the end, whatever it was before", async () => {
  for (const threads of THREADS) {
    const seen: ImportProgress[] = [];
    const result = await importPath(new MemoryStore(), tree, {
      threads,
      onProgress: (progress) => seen.push({ ...progress }),
    });
    expect(seen.filter(({ path }) => !path.startsWith(tree))).toEqual([]);
    const { files, directories, symlinks, bytes, newBytes } = result;
    expect(seen.at(-1)).toMatchObject({ files, directories, symlinks, bytes, newBytes });
  }
});

test("an import with threads ends when its signal says so", async () => {
  const controller = new AbortController();
  const store = new MemoryStore();
  const run = importPath(store, tree, {
    threads: 2,
    name: parseName("never"),
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await expect(run).rejects.toMatchObject({ name: "AbortError" });
  expect(await store.roots.list()).toEqual([]);
  expect((await importPath(store, tree, { threads: 2 })).files).toBeGreaterThan(1000);
});

test("a worker that dies is said to be what ends the import", async () => {
  const dying = (code: string) => new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  for (const code of ["process.exit(7)", 'throw new Error("out of luck")']) {
    await using crew = new ImportCrew(2, dying(code));
    const member = crew.submit(Buffer.from("/etc/passwd"));
    crew.flush();
    const news = async () => {
      while (member.take() === undefined) await crew.news(undefined);
    };
    await expect(news()).rejects.toBeInstanceOf(ImportError);
    await expect(news()).rejects.toThrow(/a thread of the import died: .*(code 7|out of luck)/);
  }
});

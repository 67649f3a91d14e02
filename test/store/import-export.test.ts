import { execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { parseName } from "../../src/castore/name.ts";
import type { Node } from "../../src/castore/node.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { ExportError, ImportError } from "../../src/store/errors.ts";
import { exportTar } from "../../src/store/export-tar.ts";
import { exportTree } from "../../src/store/export-tree.ts";
import { Folder } from "../../src/store/folder.ts";
import type { ImportOptions, ImportProgress } from "../../src/store/import-session.ts";
import { importTar } from "../../src/store/import-tar.ts";
import { importPath } from "../../src/store/import-tree.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { verifyStore } from "../../src/store/upkeep/verify.ts";
import { makeCorpus } from "./corpus.ts";
import { temporaryFolder } from "./temporary.ts";
import { treeDigest } from "./tree-digest.ts";

/** The corpus, made once; no test changes it. */
let tree: string;

beforeAll(() => {
  tree = join(mkdtempSync(join(tmpdir(), "castorefs-corpus-")), "tree");
  makeCorpus(tree);
});

afterAll(() => rmSync(dirname(tree), { recursive: true, force: true }));

function newStore(folder: string) {
  const store = openDiskStore(join(folder, "store"), { create: true });
  onTestFinished(() => store[Symbol.dispose]());
  return store;
}

function hex(node: Node | undefined): string {
  if (node === undefined || node.kind === "symlink") throw new Error("a digest was expected");
  return node.digest.hex;
}

function diff(a: string, b: string): string {
  return execFileSync("diff", ["-r", "--no-dereference", a, b]).toString();
}

test("importing a tree gives the digest that an independent encoder gives", async () => {
  const folder = temporaryFolder();
  const store = newStore(folder);
  const result = await importPath(store, tree, { name: parseName("corpus") });
  const expected = treeDigest(Buffer.from(tree));
  expect(hex(result.node)).toBe(expected.digest.toString("hex"));
  expect(result.node).toMatchObject({ kind: "directory", size: expected.size });
  expect(await store.roots.get(parseName("corpus"))).toEqual(result.node);
  expect(result).toMatchObject({ symlinks: 4, directories: 5, skipped: [] });
  expect(result.lost.hardLinks).toBe(2);
  expect(result.newBytes).toBeLessThanOrEqual(result.bytes + 1_000_000);
  const again = await importPath(store, tree);
  expect(again).toMatchObject({ node: result.node, files: result.files, newBytes: 0 });
  const memory = await importPath(new MemoryStore(), tree);
  expect(hex(memory.node)).toBe(hex(result.node));
  expect(memory.newBytes).toBe(result.newBytes);
  const report = await verifyStore(store.path);
  expect(report).toMatchObject({ faults: 0, listed: [], roots: 1 });
  expect(report.chunks + report.directories).toBe(report.objectsExpected);
});

test("what is exported is byte for byte what was imported", async () => {
  const folder = temporaryFolder();
  const store = newStore(folder);
  const { node, bytes, files } = await importPath(store, tree);
  const out = join(folder, "out");
  expect(await exportTree(store, node, out)).toMatchObject({ bytes, files });
  expect(diff(tree, out)).toBe("");
  expect(treeDigest(Buffer.from(out)).digest.toString("hex")).toBe(hex(node));
  expect(statSync(join(out, "run.sh")).mode & 0o111).not.toBe(0);
  expect(statSync(join(out, "run.sh-not-executable")).mode & 0o111).toBe(0);
  await expect(exportTree(store, node, out)).rejects.toBeInstanceOf(ExportError);
});

test("a single file and a symlink are imported and exported as such", async () => {
  const folder = temporaryFolder();
  const store = newStore(folder);
  const file = await importPath(store, join(tree, "run.sh"));
  expect(file.node).toMatchObject({ kind: "file", executable: true });
  const link = await importPath(store, join(tree, "raw-target"));
  expect(link.node).toMatchObject({ kind: "symlink", target: Uint8Array.of(0xff, 0x2f, 0xfe) });
  await exportTree(store, file.node, join(folder, "file"));
  await exportTree(store, link.node, join(folder, "link"));
  expect(readFileSync(join(folder, "file")).equals(readFileSync(join(tree, "run.sh")))).toBe(true);
  expect(lstatSync(join(folder, "link")).isSymbolicLink()).toBe(true);
});

test("a chain of folders far beyond PATH_MAX is imported and exported", async () => {
  const folder = temporaryFolder();
  const store = newStore(folder);
  const name = Buffer.from("d".repeat(200));
  const top = join(folder, "deep");
  mkdirSync(top);
  const chain = [Folder.at(Buffer.from(top))];
  for (let depth = 0; depth < 60; depth += 1) {
    const parent = chain[chain.length - 1]!;
    mkdirSync(parent.child(name));
    chain.push(parent.enter(name));
  }
  writeFileSync(chain[chain.length - 1]!.child(Buffer.from("leaf")), "at the bottom");
  for (const part of chain) part[Symbol.dispose]();
  const { node } = await importPath(store, top);
  expect(node).toMatchObject({ kind: "directory", size: 61 });
  await exportTree(store, node, join(folder, "out"));
  expect((await importPath(store, join(folder, "out"))).node).toEqual(node);
});

test("special files are refused, or left out and listed", async () => {
  const folder = temporaryFolder();
  const special = join(folder, "special");
  mkdirSync(special);
  execFileSync("mkfifo", [join(special, "pipe")]);
  const store = newStore(folder);
  const refusal = importPath(store, special, { name: parseName("x") });
  await expect(refusal).rejects.toBeInstanceOf(ImportError);
  await expect(refusal).rejects.toMatchObject({ path: join(special, "pipe") });
  const { skipped, node } = await importPath(store, special, { skipSpecial: true });
  expect(skipped).toEqual([{ path: join(special, "pipe"), kind: "FIFO" }]);
  expect(node).toMatchObject({ kind: "directory", size: 0 });
  expect(await store.roots.list()).toEqual([]);
});

test("an absent path and a store inside what is imported are refused with a reason", async () => {
  const folder = temporaryFolder();
  const store = newStore(folder);
  const absent = importPath(store, join(folder, "absent"));
  await expect(absent).rejects.toMatchObject({ name: "ImportError", path: join(folder, "absent") });
  await expect(importPath(store, folder)).rejects.toMatchObject({
    message: "the store lies in what is to be imported",
  });
});

test("a file that keeps changing is refused, one that is quiet again is imported", async () => {
  const folder = temporaryFolder();
  const file = join(folder, "file");
  writeFileSync(file, "");
  // Nothing but a hole: large enough for some turns of the event loop.
  truncateSync(file, 150_000_000);
  const store = newStore(folder);
  let changes = 0;
  // Progress comes between the pieces of a large file: a good moment to change it.
  const meddle = (most: number): ImportOptions => ({
    onProgress: () => {
      if (changes < most) appendFileSync(file, "y");
      changes += 1;
    },
  });
  await expect(importPath(store, file, meddle(1000))).rejects.toMatchObject({
    message: "the file changes while it is being read",
  });
  changes = 0;
  const { node, bytes } = await importPath(store, file, meddle(1));
  expect(node).toMatchObject({ size: statSync(file).size });
  expect(bytes).toBe(statSync(file).size);
});

test("an import ends when its signal says so, and nothing names what it left", async () => {
  const folder = temporaryFolder();
  const store = newStore(folder);
  const controller = new AbortController();
  const seen: ImportProgress[] = [];
  const run = importPath(store, tree, {
    name: parseName("never"),
    signal: controller.signal,
    onProgress: (progress) => {
      seen.push({ ...progress });
      controller.abort();
    },
  });
  await expect(run).rejects.toMatchObject({ name: "AbortError" });
  expect(seen[0]!.path.startsWith(tree)).toBe(true);
  expect(await store.roots.list()).toEqual([]);
  const again = await importPath(store, tree, { name: parseName("now") });
  expect(hex(again.node)).toBe(treeDigest(Buffer.from(tree)).digest.toString("hex"));
});

/** Runs GNU tar and gives what it writes. */
function tarOf(tree: string, format: string): Readable {
  const child = spawn("tar", [`--format=${format}`, "-C", tree, "-cf", "-", "."], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return child.stdout;
}

test.each(["gnu", "pax"])("a %s archive gives the same digest as the tree", async (format) => {
  const folder = temporaryFolder();
  const store = newStore(folder);
  const { node } = await importPath(store, tree);
  const fromTar = await importTar(store, tarOf(tree, format), { name: parseName("tar") });
  expect(hex(fromTar.node)).toBe(hex(node));
  expect(fromTar.newBytes).toBe(0);
  expect(fromTar).toMatchObject({ directories: 5, symlinks: 4, lost: { hardLinks: 1 } });
});

test("an exported archive unpacks with GNU tar to the same tree, and imports again", async () => {
  const folder = temporaryFolder();
  const store = newStore(folder);
  const { node } = await importPath(store, tree);
  const archive = join(folder, "out.tar");
  const fd = openSync(archive, "w");
  for await (const bytes of exportTar(store, node)) appendFileSync(fd, bytes);
  closeSync(fd);
  const out = join(folder, "out");
  mkdirSync(out);
  execFileSync("tar", ["-C", out, "-xf", archive]);
  expect(diff(tree, out)).toBe("");
  expect(readdirSync(out).length).toBe(readdirSync(tree).length);
  const bytes = readFileSync(archive);
  const again = await importTar(new MemoryStore(), Readable.from([bytes]));
  expect(hex(again.node)).toBe(hex(node));
  const file = (await importPath(store, join(tree, "run.sh"))).node;
  await expect(exportTar(store, file).next()).rejects.toBeInstanceOf(ExportError);
});

/** Differences between trees, compared with those between two lists of everything. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseName } from "../../../src/castore/name.ts";
import type { DirectoryNode, Node } from "../../../src/castore/node.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { Store } from "../../../src/store/services.ts";
import { walkTree } from "../../../src/store/tree-walk.ts";
import type { Difference } from "../../../src/store/upkeep/tree-diff.ts";
import { diffTrees } from "../../../src/store/upkeep/tree-diff.ts";
import { put, type Shape } from "./small-stores.ts";

/** Names that sort around the slash, and below one another. */
const NAMES = ["a", "a-", "a0", "a.b", "b", "é", "a b"];

const leaf = fc.oneof(
  fc.record({ bytes: fc.nat(3), seed: fc.nat(2), executable: fc.boolean() }),
  fc.constantFrom({ target: "here" }, { target: "there" }),
);
const shapes = fc.letrec<{ folder: Shape; shape: Shape }>((tie) => ({
  folder: fc.dictionary(fc.constantFrom(...NAMES), tie("shape"), { maxKeys: 5 }),
  shape: fc.oneof({ depthSize: "medium" }, leaf, tie("folder")),
})).folder;

async function store(shape: Shape): Promise<{ store: Store; node: Node }> {
  const memory = new MemoryStore();
  using writer = await memory.openWriter();
  return { store: memory, node: put(writer, shape) };
}

async function listed(directories: Store["directories"], root: Node): Promise<Map<string, Node>> {
  const found = new Map<string, Node>();
  for await (const { path, node } of walkTree(directories, root)) {
    found.set(pathText(path), node);
  }
  return found;
}

function pathText(path: readonly Uint8Array[]): string {
  return path.map((name) => Buffer.from(name).toString("latin1")).join("/");
}

/** What can be seen of a node without looking below it. */
function seen(node: Node | undefined): string {
  if (node === undefined) return "";
  if (node.kind === "directory") return "directory";
  if (node.kind === "symlink") return `link ${Buffer.from(node.target)}`;
  return `file ${node.digest.hex} ${node.executable}`;
}

async function differences(a: Shape, b: Shape): Promise<Difference[]> {
  const memory = new MemoryStore();
  using writer = await memory.openWriter();
  const [before, after] = [put(writer, a), put(writer, b)];
  return await gathered(diffTrees(memory.directories, before, after));
}

async function gathered(differences: AsyncIterable<Difference>): Promise<Difference[]> {
  const found: Difference[] = [];
  for await (const difference of differences) found.push(difference);
  return found;
}

test("differences are those between two lists of everything, in byte order", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, shapes, async (a, b) => {
      const before = await store(a);
      const after = await store(b);
      const inA = await listed(before.store.directories, before.node);
      const inB = await listed(after.store.directories, after.node);
      const paths = [...new Set([...inA.keys(), ...inB.keys()])];
      const expected = paths
        .filter((path) => seen(inA.get(path)) !== seen(inB.get(path)))
        .sort((x, y) => Buffer.compare(Buffer.from(x, "latin1"), Buffer.from(y, "latin1")))
        .map((path) => `${path}: ${seen(inA.get(path))} -> ${seen(inB.get(path))}`);
      const found = await differences(a, b);
      expect(
        found.map(
          (found) => `${pathText(found.path)}: ${seen(found.before)} -> ${seen(found.after)}`,
        ),
      ).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test("a change says in which ways", async () => {
  const found = await differences(
    {
      both: { bytes: 5, seed: 1 },
      bit: { bytes: 5, seed: 1 },
      bytes: { bytes: 5, seed: 1 },
      kind: { bytes: 5, seed: 1 },
      link: { target: "here" },
      tree: { inside: { bytes: 1, seed: 1 } },
    },
    {
      both: { bytes: 6, seed: 1, executable: true },
      bit: { bytes: 5, seed: 1, executable: true },
      bytes: { bytes: 5, seed: 2 },
      kind: { target: "there" },
      link: { target: "there" },
      tree: { target: "elsewhere" },
    },
  );
  expect(found.map(({ path, changes }) => [pathText(path), changes.join()])).toEqual([
    ["bit", "executable"],
    ["both", "content,executable"],
    ["bytes", "content"],
    ["kind", "type"],
    ["link", "target"],
    ["tree", "type"],
    ["tree/inside", ""],
  ]);
});

test("roots that are no directories are compared, too", async () => {
  expect(await differences({ target: "a" }, { target: "a" })).toEqual([]);
  expect(await differences({ target: "a" }, { bytes: 1, seed: 1 })).toMatchObject([
    { path: [], changes: ["type"] },
  ]);
  expect(await differences({ bytes: 1, seed: 1 }, { a: { target: "x" } })).toMatchObject([
    { path: [], changes: ["type"] },
    { path: [parseName("a")], before: undefined },
  ]);
});

test("directories that are the same are not looked at", async () => {
  const memory = new MemoryStore();
  using writer = await memory.openWriter();
  const same = { deep: { er: { bytes: 1, seed: 1 } } };
  const a = put(writer, { same, other: { x: { bytes: 1, seed: 1 } } });
  const b = put(writer, { same, other: { x: { bytes: 2, seed: 1 } } });
  const asked: string[] = [];
  const directories: Store["directories"] = Object.assign(Object.create(memory.directories), {
    get: (digest: DirectoryNode["digest"]) => {
      asked.push(digest.hex);
      return memory.directories.get(digest);
    },
  });
  expect(await gathered(diffTrees(directories, a, b))).toHaveLength(1);
  expect(asked).toHaveLength(4);
});

import { describe, expect, it } from "vitest";
import { FakeStore } from "../fake-store.ts";
import { RandomTree } from "./random-tree.ts";
import { type ModelInode, modelInode } from "./tree-model.ts";

/** More when the environment says so. */
const SEEDS = Number(process.env["CASTOREFS_TREE_SEEDS"] ?? 12);
const STEPS = 1500;

function withEntries(inode: ModelInode, entries: Record<string, ModelInode>): ModelInode {
  for (const [name, child] of Object.entries(entries)) {
    inode.entries.set(name, child);
    if (child.kind === "directory") inode.links += 1;
  }
  return inode;
}

/** A tree in a store, and the model of it. */
function base() {
  const store = new FakeStore();
  const content = Buffer.from("the contents of a file of the base, which is not long");
  const file = () => Object.assign(modelInode("file", 0o644), { content });
  const program = () => Object.assign(modelInode("file", 0o755), { content });
  const symlink = () => Object.assign(modelInode("symlink", 0o777), { target: "dir/a" });
  const sub = store.tree([
    ["a", store.file(content)],
    ["e0", store.file(content, true)],
  ]);
  const directory = store.tree([
    ["a", store.file(content)],
    ["dir", sub],
    ["link", store.symlink("dir/a")],
    ["sub", sub],
  ]);
  const root = store.tree([
    ["a", store.file(content)],
    ["b", store.file(content, true)],
    ["dir", directory],
    ["link", store.symlink("dir/a")],
    ["sub", store.tree([])],
  ]);
  const subModel = () => withEntries(modelInode("directory", 0o755), { a: file(), e0: program() });
  const model = withEntries(modelInode("directory", 0o755), {
    a: file(),
    b: program(),
    dir: withEntries(modelInode("directory", 0o755), {
      a: file(),
      dir: subModel(),
      link: symlink(),
      sub: subModel(),
    }),
    link: symlink(),
    sub: modelInode("directory", 0o755),
  });
  return { store, root, model };
}

describe("random operations on a writable share", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`leave the tree that a model says they leave, through crashes, too (seed ${seed})`, () => {
      const { store, root, model } = base();
      // Every other one with so little room in memory that all is let go again and again.
      const options = seed % 2 === 0 ? { maxNames: 6, maxOpenFiles: 2, maxXattrBytes: 40 } : {};
      const tree = new RandomTree(store, root, model, seed, options);
      tree.check();
      for (let step = 0; step < STEPS; step++) {
        tree.step();
        if (step % 100 === 99) tree.check();
      }
      tree.check();
      expect(tree.done.get("rename")).toBeGreaterThan(0);
    });
  }
});

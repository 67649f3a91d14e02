/** Layers that a file system has made, with random operations: committed, compared, rebased. */
import { describe, expect, it } from "vitest";
import { Directory } from "../../../src/castore/directory.ts";
import { parseName } from "../../../src/castore/name.ts";
import { type DirectoryNode, fileNode, type Node, symlinkNode } from "../../../src/castore/node.ts";
import { LayerCommit } from "../../../src/layer/commit/commit-layer.ts";
import { joinedPath } from "../../../src/layer/commit/manifest.ts";
import { discardPath } from "../../../src/layer/edit/discard-path.ts";
import { RowEdits } from "../../../src/layer/edit/layer-editor.ts";
import { Rebase } from "../../../src/layer/edit/rebase-layer.ts";
import { diffLayer } from "../../../src/layer/tree/layer-diff.ts";
import { LayerTree } from "../../../src/layer/tree/layer-tree.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { StoreWriter } from "../../../src/store/store-writer.ts";
import { walkTree } from "../../../src/store/tree-walk.ts";
import { diffTrees } from "../../../src/store/upkeep/tree-diff.ts";
import { FakeStore } from "../../fs/fake-store.ts";
import { FakeLayer, type FakeLayerDisk } from "../../fs/writable/fake-layer.ts";
import { RandomTree } from "../../fs/writable/random-tree.ts";
import { type ModelInode, modelInode, shownByKernel } from "../../fs/writable/tree-model.ts";
import { shareOf } from "../../fs/writable/writing-kernel.ts";

const SEEDS = Number(process.env["CASTOREFS_TREE_SEEDS"] ?? 8);
const STEPS = 600;
const CHECKS = 4;

/** The base, in both stores. */
class Base {
  readonly fake = new FakeStore();
  readonly memory: MemoryStore;
  readonly writer: StoreWriter;
  readonly root: DirectoryNode;

  private constructor(memory: MemoryStore, writer: StoreWriter) {
    this.memory = memory;
    this.writer = writer;
    this.root = this.put(baseModel()) as DirectoryNode;
  }

  static async make(): Promise<Base> {
    const memory = new MemoryStore();
    return new Base(memory, await memory.openWriter());
  }

  /** Stores what a model shows as an import would. */
  put(inode: ModelInode): Node {
    if (inode.kind === "symlink") return symlinkNode(inode.target);
    if (inode.kind === "file") {
      const executable = (inode.mode & 0o100) !== 0;
      this.fake.file(inode.content, executable);
      const { digest, size } = this.writer.putBlob(inode.content);
      return fileNode(digest, size, executable);
    }
    const entries = [...inode.entries].map(([name, child]): [string, Node] => [
      name,
      this.put(child),
    ]);
    this.fake.tree(entries);
    const named = entries.map(([name, node]) => ({ name: parseName(name), node }));
    return this.writer.putDirectory(Directory.of(named));
  }
}

function baseModel(): ModelInode {
  const file = (text: string, mode = 0o644) =>
    Object.assign(modelInode("file", mode), { content: Buffer.from(text) });
  const link = () => Object.assign(modelInode("symlink", 0o777), { target: "dir/a" });
  const sub = () => folder({ a: file("in sub"), e0: file("run", 0o755) });
  return folder({
    a: file("the contents of a file of the base"),
    b: file("run", 0o755),
    dir: folder({ a: file("another"), dir: sub(), link: link(), sub: sub() }),
    link: link(),
    sub: folder({}),
  });
}

function folder(entries: Readonly<Record<string, ModelInode>>): ModelInode {
  const made = modelInode("directory", 0o755);
  for (const [name, child] of Object.entries(entries)) {
    made.entries.set(name, child);
    if (child.kind === "directory") made.links += 1;
  }
  return made;
}

async function commit(base: Base, root: DirectoryNode, disk: FakeLayerDisk) {
  const layer = new FakeLayer(disk);
  const tree = new LayerTree(layer.reader, root, base.memory.directories);
  const readData = (target: Uint8Array, position: number) => {
    target.set(disk.read(position, target.length));
    return target.length;
  };
  const { blobs } = base.memory;
  await using work = new LayerCommit(tree, base.writer, { readData, blobs });
  return { node: await work.run(), tree };
}

/** Paths with contents, as a tree in the store has them. */
async function shownByStore(base: Base, root: DirectoryNode): Promise<Map<string, string>> {
  const shown = new Map<string, string>();
  for await (const { path, node } of walkTree(base.memory.directories, root)) {
    const name = path.length === 0 ? "" : `/${joinedPath(path).toString("latin1")}`;
    if (node.kind === "directory") shown.set(name, "");
    else if (node.kind === "symlink") shown.set(name, Buffer.from(node.target).toString("latin1"));
    else {
      const parts: Uint8Array[] = [];
      for await (const piece of base.memory.blobs.read(node.digest)) parts.push(piece.slice());
      shown.set(name, Buffer.concat(parts).toString("latin1"));
    }
  }
  return shown;
}

/** A file system on the layer shows what a commit of it stores. Returns it. */
async function expectServed(base: Base, root: DirectoryNode, disk: FakeLayerDisk) {
  const { node } = await commit(base, root, disk);
  const { kernel } = shareOf(base.fake, root, new FakeLayer(disk));
  const shown = new Map<string, string>();
  for (const [path, text] of shownByKernel(kernel)) shown.set(path, contentsIn(text));
  const expected = await shownByStore(base, node);
  expect([...shown.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [path, text] of expected) expect([path, shown.get(path)]).toEqual([path, text]);
  return shown;
}

describe("a layer that a file system has made", () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    it(`is committed as what it shows (seed ${seed})`, async () => {
      const base = await Base.make();
      const random = new RandomTree(base.fake, base.root, baseModel(), seed);
      for (let check = 0; check < CHECKS; check += 1) {
        for (let step = 0; step < STEPS / CHECKS; step += 1) random.step();
        random.settleAll();
        const { node, tree } = await commit(base, base.root, random.share.layer.disk);
        expect(node.digest.toString()).toBe(digestOf(base.put(random.model)));
        const said: string[] = [];
        for await (const { path } of diffLayer(tree)) said.push(joinedPath(path).toString());
        const { directories } = base.memory;
        for await (const { path } of diffTrees(directories, base.root, node)) {
          expect(said).toContain(joinedPath(path).toString());
        }
      }
    });

    it(`is served upon another base as it is committed there (seed ${seed})`, async () => {
      const base = await Base.make();
      const random = new RandomTree(base.fake, base.root, baseModel(), seed + 1000);
      for (let step = 0; step < STEPS; step += 1) random.step();
      random.settleAll();
      const { disk } = random.share.layer;
      const next = otherModel(seed);
      const onto = base.put(next) as DirectoryNode;
      const edits = new RowEdits();
      const rebase = new Rebase(new FakeLayer(disk).reader, base.memory.directories, edits);
      await rebase.run(base.root, onto);
      disk.apply({ ...NO_BATCH, ...edits, nextInode: disk.nextInode });
      const shown = await expectServed(base, onto, disk);
      expect(shown.get("/0")).toBe("new, and before all others");
    });

    it(`is served as it is committed after some of it was discarded (seed ${seed})`, async () => {
      const base = await Base.make();
      const random = new RandomTree(base.fake, base.root, baseModel(), seed + 2000);
      for (let step = 0; step < STEPS; step += 1) random.step();
      random.settleAll();
      const { disk } = random.share.layer;
      for (let round = 0; round < 3; round += 1) {
        const { tree } = await commit(base, base.root, disk);
        const steps = [...tree.steps()].filter(({ path }) => path.length > 0);
        const chosen = steps[(seed * 7 + round * 3) % Math.max(1, steps.length)];
        if (chosen === undefined) break;
        const edits = new RowEdits();
        discardPath(tree.rows, chosen.path, edits);
        disk.apply({ ...NO_BATCH, ...edits, nextInode: disk.nextInode });
        await expectServed(base, base.root, disk);
      }
      disk.recover();
      const named = [...disk.entries.values()].flatMap((rows) => [...rows.values()]);
      const reached = new Set([1, ...named.map(({ inode }) => inode)]);
      expect([...disk.inodes.keys()].filter((id) => !reached.has(id))).toEqual([]);
    });
  }
});

/** A base that differs from the first in places: entries come before, between, and go. */
function otherModel(seed: number): ModelInode {
  const model = baseModel();
  const file = (text: string) =>
    Object.assign(modelInode("file", 0o644), { content: Buffer.from(text) });
  model.entries.set("0", file("new, and before all others"));
  const inner = model.entries.get("dir")!;
  inner.entries.set("c", file("between"));
  if (seed % 2 === 0) inner.entries.delete("a");
  if (seed % 3 === 0) model.entries.set("sub", file("no directory any more"));
  if (seed % 4 === 0) model.entries.delete("b");
  return model;
}

/** Of a line of shownByKernel(): mode, owner, links, contents, attributes, first name. */
function contentsIn(text: string): string {
  const [mode = "", uid = "", links = ""] = text.split(" ", 3);
  const rest = text.slice(mode.length + uid.length + links.length + 3);
  return rest.slice(0, rest.lastIndexOf(" ["));
}

function digestOf(node: Node): string {
  return node.kind === "symlink" ? "" : node.digest.toString();
}

const NO_BATCH = {
  id: 0,
  durable: true,
  writes: new Float64Array(0),
  freed: new Float64Array(0),
  xattrs: [],
};

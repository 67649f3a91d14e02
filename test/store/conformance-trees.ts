/** What every service of directories must do with whole trees. */
import { expect, test } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import { Directory } from "../../src/castore/directory.ts";
import { parseName } from "../../src/castore/name.ts";
import type { Node } from "../../src/castore/node.ts";
import { directoryNode, fileNode, symlinkNode } from "../../src/castore/node.ts";
import { encodeDirectory } from "../../src/castore/proto.ts";
import { InvalidGraph, MissingObject } from "../../src/store/errors.ts";
import type { BlobService, DirectoryService } from "../../src/store/services.ts";

export interface TreeSubject {
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
}

const CONTENT = Buffer.from("a file in a tree");

/** Directories of one tree, leaves first, and the node of its root. */
interface Tree {
  readonly leavesFirst: readonly Directory[];
  readonly root: Directory;
}

/**
 * A tree in which one directory is named three times, at two depths:
 *
 *     root ─┬─ a ─── shared ─── empty
 *           ├─ b ─┬─ shared
 *           │     └─ link
 *           └─ shared
 */
function makeTree(file: Node): Tree {
  const empty = directoryOf({});
  const shared = directoryOf({ empty: nodeOf(empty), file });
  const a = directoryOf({ shared: nodeOf(shared) });
  const b = directoryOf({ link: symlinkNode("../a"), shared: nodeOf(shared) });
  const root = directoryOf({ a: nodeOf(a), b: nodeOf(b), shared: nodeOf(shared) });
  return { leavesFirst: [empty, shared, a, b, root], root };
}

function directoryOf(entries: Record<string, Node>): Directory {
  return Directory.of(
    Object.entries(entries).map(([name, node]) => ({ name: parseName(name), node })),
  );
}

function nodeOf(directory: Directory) {
  return directoryNode(blake3(encodeDirectory(directory)), directory.size);
}

function keyOf(directory: Directory): string {
  return nodeOf(directory).digest.hex;
}

async function putFile({ blobs }: TreeSubject): Promise<Node> {
  const { digest, size } = await blobs.put([CONTENT]);
  return fileNode(digest, size, false);
}

async function collect(directories: AsyncIterable<Directory>): Promise<Directory[]> {
  const all: Directory[] = [];
  for await (const directory of directories) all.push(directory);
  return all;
}

async function* asynchronously(directories: readonly Directory[]): AsyncGenerator<Directory> {
  for (const directory of directories) {
    await Promise.resolve();
    yield directory;
  }
}

export interface TreeTraits {
  /** Trees are stored as a whole: what is below a root cannot be asked for by itself. */
  readonly rootsOnly?: boolean;
}

/** Runs the suite over the services that `make` gives, each empty. */
export function treeConformance(
  kind: string,
  make: () => TreeSubject | Promise<TreeSubject>,
  traits: TreeTraits = {},
): void {
  test(`${kind}: a tree of directories is put leaves first and comes back root first, each once`, async () => {
    const subject = await make();
    const { directories } = subject;
    const { leavesFirst, root } = makeTree(await putFile(subject));
    const node = await directories.putRecursive(asynchronously(leavesFirst));
    expect(node).toEqual(nodeOf(root));
    const all = await collect(directories.getRecursive(node.digest));
    expect(all[0]).toEqual(root);
    expect(all.map(keyOf).sort()).toEqual(leavesFirst.map(keyOf).sort());
    const seen = new Set<string>([node.digest.hex]);
    for (const directory of all) {
      expect(seen.has(keyOf(directory)), "named before it comes").toBe(true);
      for (const entry of directory.entries) {
        if (entry.node.kind === "directory") seen.add(entry.node.digest.hex);
      }
    }
    for (const directory of leavesFirst) {
      const alone = traits.rootsOnly !== true || directory === root;
      const expected = alone ? directory : undefined;
      expect(await directories.get(nodeOf(directory).digest)).toEqual(expected);
    }
  });

  test(`${kind}: a tree whose root is absent is no directory at all`, async () => {
    const { directories } = await make();
    expect(await collect(directories.getRecursive(blake3(CONTENT)))).toEqual([]);
  });

  test(`${kind}: a subtree that is there already need not be put again`, async () => {
    const subject = await make();
    const { directories } = subject;
    const { leavesFirst, root } = makeTree(await putFile(subject));
    const [empty, shared, a, b] = leavesFirst as [Directory, Directory, Directory, Directory];
    await directories.putRecursive([empty, shared]);
    expect(await directories.putRecursive([b, a, root])).toEqual(nodeOf(root));
    expect((await collect(directories.getRecursive(nodeOf(root).digest))).length).toBe(5);
  });

  test(`${kind}: a tree that lacks a directory, or has it too late, is refused`, async () => {
    const subject = await make();
    const { directories } = subject;
    const { leavesFirst, root } = makeTree(await putFile(subject));
    for (const wrong of [leavesFirst.slice(1), leavesFirst.toReversed()]) {
      await expect(directories.putRecursive(wrong)).rejects.toBeInstanceOf(MissingObject);
      expect(await directories.get(nodeOf(root).digest)).toBeUndefined();
    }
  });

  test(`${kind}: directories that are not one tree are refused`, async () => {
    const subject = await make();
    const { directories } = subject;
    const stray = directoryOf({ stray: await putFile(subject) });
    const { leavesFirst } = makeTree(await putFile(subject));
    for (const wrong of [[], [stray, ...leavesFirst], [...leavesFirst, stray]]) {
      await expect(directories.putRecursive(wrong)).rejects.toBeInstanceOf(InvalidGraph);
    }
  });
}

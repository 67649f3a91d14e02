import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import type { Directory } from "../../src/castore/directory.ts";
import { type DirectoryNode, symlinkNode } from "../../src/castore/node.ts";
import { encodeDirectory } from "../../src/castore/proto.ts";
import { leavesFirst, rootFirst } from "../../src/store/directory-graph.ts";
import { MissingObject } from "../../src/store/errors.ts";
import { directoryOf, nodeOf } from "./conformance-services.ts";

/** Directories of which each names some of those before it; the last one is the root. */
const graph = fc
  .array(fc.array(fc.nat({ max: 1000 }), { maxLength: 4 }), { minLength: 1, maxLength: 15 })
  .map((references) => {
    const nodes: DirectoryNode[] = [];
    const directories = new Map<string, Directory>();
    for (const [i, named] of references.entries()) {
      const children = named.filter(() => i > 0).map((n, j) => [`c${j}`, nodes[n % i]!] as const);
      const self = [`self${i}`, symlinkNode("x")] as const;
      const directory = directoryOf(Object.fromEntries([...children, self]));
      const node = nodeOf(directory);
      nodes.push(node);
      directories.set(node.digest.key, directory);
    }
    return { directories, root: nodes.at(-1)!.digest };
  });

function keyOf(directory: Directory): string {
  return blake3(encodeDirectory(directory)).key;
}

async function collect(directories: AsyncIterable<Directory>): Promise<Directory[]> {
  const all: Directory[] = [];
  for await (const directory of directories) all.push(directory);
  return all;
}

function children({ entries }: Directory): string[] {
  return entries.flatMap(({ node }) => (node.kind === "directory" ? [node.digest.key] : []));
}

describe("leavesFirst()", () => {
  it("gives every directory once, after all that it names, the root last: rootFirst's reverse", async () => {
    await fc.assert(
      fc.asyncProperty(graph, async ({ directories, root }) => {
        const get = async (digest: { readonly key: string }) => directories.get(digest.key);
        const up = await collect(leavesFirst(root, get));
        const seen = new Set<string>();
        for (const directory of up) {
          expect(children(directory).every((child) => seen.has(child))).toBe(true);
          expect(seen.has(keyOf(directory))).toBe(false);
          seen.add(keyOf(directory));
        }
        expect(keyOf(up.at(-1)!)).toBe(root.key);
        const down = await collect(rootFirst(root, get));
        expect(new Set(down.map(keyOf))).toEqual(seen);
        expect(down.length).toBe(up.length);
      }),
    );
  });

  it("says which directory is missing, the root not excepted", async () => {
    const root = directoryOf({ absent: nodeOf(directoryOf({})) });
    const get = async (digest: { readonly key: string }) =>
      digest.key === keyOf(root) ? root : undefined;
    await expect(collect(leavesFirst(nodeOf(root).digest, get))).rejects.toBeInstanceOf(
      MissingObject,
    );
    const absent = nodeOf(directoryOf({})).digest;
    await expect(collect(leavesFirst(absent, get))).rejects.toThrow(absent.toString());
  });
});

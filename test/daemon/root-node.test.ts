import { beforeAll, describe, expect, test } from "vitest";
import type { Digest } from "../../src/castore/digest.ts";
import { Directory } from "../../src/castore/directory.ts";
import { parseName } from "../../src/castore/name.ts";
import { type DirectoryNode, fileNode } from "../../src/castore/node.ts";
import { DaemonError } from "../../src/daemon/errors.ts";
import { findShareRoot } from "../../src/daemon/root-node.ts";
import { CorruptObject } from "../../src/store/errors.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { Store } from "../../src/store/services.ts";

const store = new MemoryStore();
let tree: DirectoryNode;

beforeAll(async () => {
  const blob = await store.blobs.put([Buffer.from("Hello World!")]);
  const file = fileNode(blob.digest, blob.size, false);
  tree = await store.directories.put(Directory.of([{ name: name("hello"), node: file }]));
  await store.roots.put(name("tree"), tree);
  await store.roots.put(name("file"), file);
});

function name(text: string) {
  return parseName(Buffer.from(text));
}

async function refusal(root: string): Promise<DaemonError> {
  const error = await findShareRoot(store, root).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DaemonError);
  return error as DaemonError;
}

describe("findShareRoot()", () => {
  test("finds a directory by its root's name", async () => {
    expect(await findShareRoot(store, "tree")).toEqual(tree);
  });

  test("finds a directory by its digest, in base64 and in hexadecimal", async () => {
    expect(await findShareRoot(store, tree.digest.toString())).toEqual(tree);
    expect(await findShareRoot(store, tree.digest.hex)).toEqual(tree);
  });

  test("names an absent root and says how to list those that exist", async () => {
    const error = await refusal("nothing");
    expect(error.message).toBe("no root is named nothing");
    expect(error.hint).toContain("castorefs roots");
  });

  test("refuses a root that is a file", async () => {
    expect((await refusal("file")).message).toBe("root file is a file, not a directory");
  });

  test("refuses what can be no name at all", async () => {
    expect((await refusal("a/b")).message).toContain("cannot be a root's name");
  });

  test("fetches a directory that the store lacks, once, and says so when that does not help", async () => {
    const cold = new MemoryStore();
    const asked: [digest: string, heal: boolean][] = [];
    const fetch = async (digest: Digest, heal: boolean) => {
      asked.push([digest.hex, heal]);
      const directory = await store.directories.get(digest);
      if (directory === undefined) return;
      await cold.blobs.put([Buffer.from("Hello World!")]);
      await cold.directories.put(directory);
    };
    for (let round = 0; round < 2; round++) {
      expect(await findShareRoot(cold, tree.digest.hex, fetch)).toEqual(tree);
    }
    expect(asked).toEqual([[tree.digest.hex, false]]);
    await expect(findShareRoot(cold, "00".repeat(32), fetch)).rejects.toThrow("no directory");
  });

  test("has a rotten directory healed", async () => {
    let rotten = true;
    const damaged = {
      roots: store.roots,
      directories: {
        get: async (digest: Digest) => {
          if (rotten) throw new CorruptObject("directory", digest);
          return await store.directories.get(digest);
        },
      },
    } as unknown as Store;
    const fetch = async (_: Digest, heal: boolean) => {
      rotten = !heal;
    };
    expect(await findShareRoot(damaged, "tree", fetch)).toEqual(tree);
    rotten = true;
    await expect(findShareRoot(damaged, "tree")).rejects.toThrow(CorruptObject);
  });

  test("tells a misspelt digest from an absent one", async () => {
    expect((await refusal("blake3-oops")).message).toBe("bad digest: blake3-oops");
    expect((await refusal("00".repeat(32))).message).toContain("no directory with the digest");
  });
});

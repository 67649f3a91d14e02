/** Trees that are copied from store to store: whole, resumed, while others collect garbage. */
import { describe, expect, it, onTestFinished, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { parseName } from "../../../src/castore/name.ts";
import { type DirectoryNode, fileNode, symlinkNode } from "../../../src/castore/node.ts";
import { openDiskStore } from "../../../src/store/disk-store.ts";
import { CorruptObject, MissingObject, SourceUnavailable } from "../../../src/store/errors.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { openSource } from "../../../src/store/open-source.ts";
import type { Store } from "../../../src/store/services.ts";
import type { Source } from "../../../src/store/source.ts";
import { systemClock } from "../../../src/store/tiers/clock.ts";
import { findNode, pullTree } from "../../../src/store/tiers/pull-tree.ts";
import { PUSH_BLOBS_MAX, pushTree } from "../../../src/store/tiers/push-tree.ts";
import { collectGarbage } from "../../../src/store/upkeep/gc.ts";
import { directoryOf, LARGE, readAll, SMALL, serviceConformance } from "../conformance-services.ts";
import { treeConformance } from "../conformance-trees.ts";
import { checkStore } from "../store-check.ts";
import { noise, temporaryFolder } from "../temporary.ts";
import { compose, sourceOver } from "./composition.ts";
import { FakeClock } from "./fake-clock.ts";
import { FaultySource } from "./faulty-source.ts";

const FILES = 30;

/** A tree with some directories, one of them in two places, and files, some of them alike. */
async function putTree(store: Store): Promise<DirectoryNode> {
  const large = await store.blobs.put([LARGE]);
  const files = await Promise.all(
    Array.from({ length: FILES }, (_, i) => store.blobs.put([noise(1000 + i, 2 * (i >> 1) + 1)])),
  );
  const entries = Object.fromEntries(
    files.map(({ digest, size }, i) => [`f${i}`, fileNode(digest, size, i % 2 === 0)]),
  );
  const shared = await store.directories.put(directoryOf(entries));
  const below = await store.directories.put(
    directoryOf({ shared, large: fileNode(large.digest, large.size, false) }),
  );
  return await store.directories.put(directoryOf({ below, shared, link: symlinkNode("below") }));
}

async function expectSameTree(store: Store, other: Store, root: DirectoryNode): Promise<void> {
  for await (const directory of store.directories.getRecursive(root.digest)) {
    for (const { node } of directory.entries) {
      if (node.kind !== "file") continue;
      const bytes = await readAll(store.blobs.read(node.digest));
      expect((await readAll(other.blobs.read(node.digest))).equals(bytes)).toBe(true);
    }
  }
}

describe("pullTree()", () => {
  it("makes a tree whole and gives it a name, and fetches nothing twice", async () => {
    const remote = new MemoryStore();
    const root = await putTree(remote);
    const source = new FaultySource("remote", remote, systemClock);
    const { folder, local, fetcher } = compose([source]);
    const name = parseName("tree");
    const progress: number[] = [];
    const onProgress = ({ files }: { files: number }) => void progress.push(files);
    const result = await pullTree(local, fetcher, root, { name, onProgress });
    expect(result).toMatchObject({ node: root, directories: 3, files: FILES + 1 });
    expect(result.fetchedBytes).toBeGreaterThan(LARGE.length);
    expect(progress.at(-1)).toBe(FILES + 1);
    expect(await local.roots.get(name)).toEqual(root);
    await expectSameTree(remote, local, root);
    checkStore(folder);
    const asked = source.asked.length;
    expect((await pullTree(local, fetcher, root, { name })).fetchedBytes).toBe(0);
    expect(source.asked.length).toBe(asked);
  });

  it("finds out what a digest names", async () => {
    const remote = new MemoryStore();
    const root = await putTree(remote);
    const { digest } = await remote.blobs.put([LARGE]);
    const { fetcher } = compose([sourceOver("remote", remote)]);
    expect(await findNode(fetcher, root.digest)).toEqual(root);
    expect(await findNode(fetcher, digest)).toEqual(fileNode(digest, LARGE.length, false));
    const absent = blake3(Buffer.from("absent"));
    await expect(findNode(fetcher, absent)).rejects.toBeInstanceOf(MissingObject);
  });

  it("goes on after it was cut short, and names nothing that is not whole", async () => {
    const remote = new MemoryStore();
    const root = await putTree(remote);
    const source = new FaultySource("remote", remote, systemClock);
    const { local, fetcher } = compose([source]);
    const name = parseName("tree");
    source.fault = () => (source.asked.length > 12 ? "down" : "none");
    await expect(pullTree(local, fetcher, root, { name })).rejects.toBeInstanceOf(
      SourceUnavailable,
    );
    expect(await local.roots.list()).toEqual([]);
    const again = compose([sourceOver("remote", remote)], { folder: local.path });
    const result = await pullTree(again.local, again.fetcher, root, { name });
    expect(result.fetchedBytes).toBeLessThan(LARGE.length + FILES * 1100);
    await expectSameTree(remote, again.local, root);
  });

  it("keeps what it has fetched from a collection that runs meanwhile", async () => {
    const remote = new MemoryStore();
    const root = await putTree(remote);
    const source = new FaultySource("remote", remote, systemClock);
    source.latency = 5;
    const { folder, local, fetcher } = compose([source]);
    let collecting = true;
    const collections = (async () => {
      for (; collecting; ) await collectGarbage(folder, { wasteShare: 0 });
    })();
    await pullTree(local, fetcher, root, { name: parseName("tree") });
    collecting = false;
    await collections;
    await expectSameTree(remote, local, root);
    checkStore(folder);
  });

  it("ends by its signal", async () => {
    const remote = new MemoryStore();
    const root = await putTree(remote);
    const { local, fetcher } = compose([sourceOver("remote", remote)]);
    const abort = new AbortController();
    const pulling = pullTree(local, fetcher, root, {
      signal: abort.signal,
      onProgress: ({ files }) => files > 3 && abort.abort(new Error("enough")),
    });
    await expect(pulling).rejects.toThrow("enough");
  });
});

/** A store as a target that counts, and fails when told. */
function target(store: Store): {
  source: Source;
  puts: () => number;
  failNext: (n: number) => void;
} {
  let puts = 0;
  let failures = 0;
  const source = sourceOver("target", store);
  const put: Source["blobs"]["put"] = async (pieces) => {
    puts += 1;
    if (failures > 0) {
      failures -= 1;
      throw new SourceUnavailable("not now");
    }
    return await store.blobs.put(pieces);
  };
  const blobs = {
    stat: source.blobs.stat.bind(source.blobs),
    read: source.blobs.read.bind(source.blobs),
    put,
  };
  return {
    source: { ...source, blobs },
    puts: () => puts,
    failNext: (count) => {
      failures = count;
    },
  };
}

describe("pushTree()", () => {
  it("sends each blob once, then the directories, and nothing that is there", async () => {
    const origin = new MemoryStore();
    const root = await putTree(origin);
    const far = new MemoryStore();
    const { source, puts } = target(far);
    const result = await pushTree(origin, root, source);
    expect(result).toMatchObject({ directories: 3, files: FILES + 1, sentFiles: FILES + 1 });
    expect(puts()).toBe(FILES + 1);
    await expectSameTree(origin, far, root);
    expect(await pushTree(origin, root, source)).toMatchObject({ sentFiles: 0, sentBytes: 0 });
    expect(puts()).toBe(FILES + 1);
  });

  it("tries again when the target is away for a moment, and gives up when for longer", async () => {
    const origin = new MemoryStore();
    const root = await putTree(origin);
    const clock = new FakeClock();
    const { source, failNext } = target(new MemoryStore());
    failNext(PUSH_BLOBS_MAX);
    const progress: number[] = [];
    const onProgress = ({ bytes }: { bytes: number }) => void progress.push(bytes);
    const result = await clock.run(pushTree(origin, root, source, { clock, onProgress }));
    expect(result.sentFiles).toBe(FILES + 1);
    expect(Math.max(...progress)).toBe(result.bytes);
    const other = target(new MemoryStore());
    other.failNext(1000);
    const failing = clock.run(pushTree(origin, root, other.source, { clock }));
    await expect(failing).rejects.toBeInstanceOf(SourceUnavailable);
  });

  it("copies a file alone, and says why a symlink cannot be", async () => {
    const origin = new MemoryStore();
    const { digest, size } = await origin.blobs.put([SMALL]);
    const { source, puts } = target(new MemoryStore());
    await pushTree(origin, fileNode(digest, size, false), source);
    expect(puts()).toBe(1);
    await expect(pushTree(origin, symlinkNode("x"), source)).rejects.toThrow("a symlink");
  });

  it("does not send what is rotten", async () => {
    const origin = new MemoryStore();
    const root = await putTree(origin);
    const broken = sourceOver("origin", origin);
    const store: Store = {
      ...broken,
      roots: origin.roots,
      openWriter: () => origin.openWriter(),
      [Symbol.dispose]: () => {},
      blobs: {
        stat: broken.blobs.stat.bind(broken.blobs),
        put: broken.blobs.put.bind(broken.blobs),
        read: (digest) => {
          throw new CorruptObject("blob", digest);
        },
      },
    };
    const far = new MemoryStore();
    const { source } = target(far);
    await expect(pushTree(store, root, source)).rejects.toBeInstanceOf(CorruptObject);
    expect(await far.directories.get(root.digest)).toBeUndefined();
  });
});

async function anotherStore(): Promise<Source> {
  const folder = temporaryFolder();
  openDiskStore(folder, { create: true })[Symbol.dispose]();
  const source = await openSource(folder, { timeoutMilliseconds: 1000 });
  onTestFinished(() => source[Symbol.asyncDispose]());
  return source;
}

serviceConformance("another local store", async () => {
  const source = await anotherStore();
  return { read: source, write: source };
});
treeConformance("another local store", anotherStore);

test("what is copied to another local store is safe from a collection until it is named", async () => {
  const origin = new MemoryStore();
  const root = await putTree(origin);
  const source = await anotherStore();
  const collection = { wait: Promise.resolve() as Promise<unknown>, done: false };
  let begun = false;
  await pushTree(origin, root, source, {
    onProgress: ({ files }) => {
      if (begun || files < 3) return;
      begun = true;
      collection.wait = collectGarbage(source.name).then(() => {
        collection.done = true;
      });
    },
  });
  await source.roots!.put(parseName("tree"), root);
  expect(begun).toBe(true);
  expect(collection.done).toBe(false);
  await source[Symbol.asyncDispose]();
  await collection.wait;
  expect(checkStore(source.name).directories.size).toBe(3);
});

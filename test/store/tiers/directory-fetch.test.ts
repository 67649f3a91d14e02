/** Directories come with the tree below them, and from sources that know them only in a tree. */
import { describe, expect, it } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import type { Digest } from "../../../src/castore/digest.ts";
import { Directory } from "../../../src/castore/directory.ts";
import { symlinkNode } from "../../../src/castore/node.ts";
import { encodeDirectory } from "../../../src/castore/proto.ts";
import { CorruptObject, MissingObject, SourceUnavailable } from "../../../src/store/errors.ts";
import { idle } from "./fake-clock.ts";
import { FetchRig, type RigOptions } from "./fetch-rig.ts";

/** A chain of directories, each in the one before; the outermost first. */
async function putChain(rig: FetchRig, depth: number): Promise<Digest[]> {
  let node = await rig.putDirectory({ end: symlinkNode("nowhere") });
  const digests = [node.digest];
  for (let i = 1; i < depth; i += 1) {
    node = await rig.putDirectory({ [`d${i}`]: node, link: symlinkNode(`${i}`) });
    digests.unshift(node.digest);
  }
  return digests;
}

function isHere(rig: FetchRig, digest: Digest): boolean {
  return rig.local.directoryBytes(digest) !== undefined;
}

async function treesOnly(options: RigOptions = {}): Promise<{ rig: FetchRig; chain: Digest[] }> {
  const rig = new FetchRig(options);
  const chain = await putChain(rig, 10);
  rig.source.treeRoots.add(chain[0]!.key);
  return { rig, chain };
}

describe("directories", () => {
  it("one that is wanted is there at once, and all below it soon, in one request", async () => {
    const rig = new FetchRig({ bytesPerSecond: 100 });
    const chain = await putChain(rig, 10);
    await rig.fetch("directory", chain[0]!);
    expect(isHere(rig, chain[0]!)).toBe(true);
    expect(isHere(rig, chain[9]!)).toBe(false);
    await rig.clock.advance(20_000);
    expect(chain.every((digest) => isHere(rig, digest))).toBe(true);
    expect(rig.source.asked.length).toBe(1);
    expect(rig.fetcher.tally).toMatchObject({ directories: 10, requests: 1 });
  });

  it("one that is wanted before its tree has brought it is asked for by itself", async () => {
    const rig = new FetchRig({ bytesPerSecond: 100 });
    const chain = await putChain(rig, 10);
    await rig.fetch("directory", chain[0]!);
    const begun = rig.clock.now();
    await rig.fetch("directory", chain[1]!);
    expect(rig.source.asked.map(({ kind }) => kind)).toEqual(["tree", "get"]);
    expect(rig.clock.now() - begun).toBeLessThan(1500);
    expect(isHere(rig, chain[9]!)).toBe(false);
  });

  it("one that comes with a tree only is waited for, and such a source is not asked twice so", async () => {
    const { rig, chain } = await treesOnly({ bytesPerSecond: 100 });
    await rig.fetch("directory", chain[0]!);
    for (const digest of chain.slice(1)) await rig.fetch("directory", digest);
    expect(rig.source.asked.map(({ kind }) => kind)).toEqual(["tree", "get"]);
  });

  it("one that is absent everywhere by itself is found in the tree of a known root", async () => {
    const { rig, chain } = await treesOnly();
    await expect(rig.fetch("directory", chain[5]!)).rejects.toBeInstanceOf(MissingObject);
    rig.fetcher.addRoot(chain[0]!);
    rig.source.asked.length = 0;
    await rig.clock.run(
      Promise.all(
        chain
          .slice(3)
          .map((digest) =>
            rig.fetcher.fetch({ kind: "directory", digest, heal: false }, "foreground"),
          ),
      ),
    );
    expect(chain.every((digest) => isHere(rig, digest))).toBe(true);
    // However many look for it there, the tree of the root comes once.
    expect(rig.source.counts("tree").get(chain[0]!.key)).toBe(1);
  });

  it("a root that came as a whole is not fetched again for what is not in it", async () => {
    const { rig, chain } = await treesOnly();
    rig.fetcher.addRoot(chain[0]!);
    await rig.fetch("directory", chain[0]!);
    await idle();
    const absent = blake3(Buffer.from("absent"));
    await expect(rig.fetch("directory", absent)).rejects.toBeInstanceOf(MissingObject);
    expect(rig.source.counts("tree").get(chain[0]!.key)).toBe(1);
  });

  it("a rotten one is replaced, also where it comes with a tree only", async () => {
    const { rig, chain } = await treesOnly();
    rig.fetcher.addRoot(chain[0]!);
    await rig.fetch("directory", chain[4]!);
    rig.local.directories.set(chain[4]!.key, Buffer.from("rotten"));
    await rig.fetch("directory", chain[4]!, { heal: true });
    expect(rig.wrongObjects()).toEqual([]);
  });

  it("a tree that breaks off leaves what came, and the rest is fetched when it is wanted", async () => {
    const rig = new FetchRig();
    const chain = await putChain(rig, 10);
    rig.source.fault = "breaks";
    await rig.fetch("directory", chain[0]!);
    await idle();
    expect(isHere(rig, chain[1]!)).toBe(false);
    rig.source.fault = "none";
    await rig.fetch("directory", chain[1]!);
    await idle();
    expect(chain.every((digest) => isHere(rig, digest))).toBe(true);
  });

  it("a tree with a stranger in it is a lie, and what came before it is kept", async () => {
    const rig = new FetchRig();
    const chain = await putChain(rig, 3);
    const stranger = Directory.of([]);
    const { getRecursive } = rig.source.directories;
    rig.source.directories.getRecursive = async function* (digest, options) {
      for await (const directory of getRecursive(digest, options)) {
        yield directory;
        yield stranger;
      }
    };
    await rig.fetch("directory", chain[0]!);
    await idle();
    expect(isHere(rig, blake3(encodeDirectory(stranger)))).toBe(false);
    expect(isHere(rig, chain[1]!)).toBe(false);
    await rig.fetch("directory", chain[1]!);
    rig.source.fault = "garbles";
    await expect(rig.fetch("directory", chain[2]!)).rejects.toBeInstanceOf(CorruptObject);
  });

  it("a directory in many places of a tree comes once, in whatever order a source likes", async () => {
    const rig = new FetchRig();
    const leaf = await rig.putDirectory({ end: symlinkNode("x") });
    const left = await rig.putDirectory({ a: leaf, b: leaf });
    const right = await rig.putDirectory({ a: leaf, left });
    const root = await rig.putDirectory({ left, right, leaf });
    await rig.fetch("directory", root.digest);
    await idle();
    expect(rig.fetcher.tally.directories).toBe(4);
    expect(rig.source.asked.length).toBe(1);
  });

  it("one that only a far source has comes from there", async () => {
    const rig = new FetchRig({ sources: 2 });
    const leaf = await rig.remotes[1]!.directories.put(Directory.of([]));
    await rig.fetch("directory", leaf.digest);
    expect(isHere(rig, leaf.digest)).toBe(true);
    expect(rig.sources.map(({ asked }) => asked.length)).toEqual([1, 1]);
  });

  it("many at a time from a source that is down fail in time", async () => {
    const rig = new FetchRig();
    const chain = await putChain(rig, 10);
    rig.source.fault = "down";
    const fetches = chain.map((digest) =>
      rig.fetcher.fetch({ kind: "directory", digest, heal: false }, "foreground"),
    );
    for (const result of await rig.clock.run(Promise.allSettled(fetches))) {
      expect(result).toMatchObject({ reason: expect.any(SourceUnavailable) });
    }
    expect(rig.clock.now()).toBeLessThan(30_000);
  });
});

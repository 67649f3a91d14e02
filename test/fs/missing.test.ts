/** What the file system does while parts of the tree are still elsewhere. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NodeId } from "../../src/base/brands.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { MISSING } from "../../src/base/missing.ts";
import type { Digest } from "../../src/castore/digest.ts";
import {
  CastoreFileSystem,
  type CastoreFileSystemOptions,
} from "../../src/fs/castore-file-system.ts";
import { FakeStore } from "./fake-store.ts";
import { Kernel, type Listed, ROOT } from "./kernel.ts";

/** one/data, two/inner/data, zero: every directory and every blob by name. */
function sample(options: Partial<CastoreFileSystemOptions> = {}) {
  const store = new FakeStore();
  const data = store.file("0123456789");
  const inner = store.tree([["data", data]]);
  const one = store.tree([["data", data]]);
  const two = store.tree([
    ["inner", inner],
    ["more", store.file("more")],
  ]);
  const zero = store.file("");
  const root = store.tree([
    ["one", one],
    ["two", two],
    ["zero", zero],
  ]);
  const digests = { root: root.digest, two: two.digest, inner: inner.digest, data: data.digest };
  const fs = new CastoreFileSystem(store, {
    root,
    listRoot: true,
    showXattr: false,
    logger: silentLogger,
    ...options,
  });
  return { store, digests, fs, kernel: new Kernel(fs) };
}

function listed(answer: Listed[] | number): Listed[] {
  if (typeof answer === "number") throw new Error(`status ${answer}`);
  return answer;
}

describe("CastoreFileSystem over a store that is being filled", () => {
  it("lookup() of a directory that is elsewhere is MISSING and remembers nothing", () => {
    const { store, digests, fs, kernel } = sample();
    store.takeAway(digests.two);
    for (let round = 0; round < 3; round++) {
      expect(kernel.lookup(ROOT, "two")).toBe(MISSING);
      expect(fs.inodes).toBe(1);
    }
    store.bringBack();
    expect(kernel.lookup(ROOT, "two")).toBe(0);
    expect(kernel.entry.attributes).toMatchObject({ nlink: 3, size: 3 });
    fs.forget(kernel.entry.nodeid, 1);
    expect(fs.inodes).toBe(1);
  });

  it("lookup() of a file needs no more than the directory it is in", () => {
    const { store, digests, kernel } = sample();
    store.takeAway(digests.data);
    expect(kernel.walk("one/data").attributes.size).toBe(10);
  });

  it("read() is MISSING until the blob is there", () => {
    const { store, digests, kernel } = sample();
    const { nodeid } = kernel.walk("one/data");
    store.takeAway(digests.data);
    expect(kernel.read(nodeid, 2, 3)).toBe(MISSING);
    expect(kernel.read(nodeid, 10, 3)).toEqual(Buffer.alloc(0));
    store.bringBack();
    expect(kernel.read(nodeid, 2, 3)).toEqual(Buffer.from("234"));
  });

  it("a directory that is elsewhere cannot be listed, nor can names be looked up in it", () => {
    const { store, digests, kernel } = sample({ directoryCacheBytes: 1 });
    const two = kernel.walk("two").nodeid;
    kernel.walk("one");
    store.takeAway(digests.two);
    expect(kernel.readdir(two)).toBe(MISSING);
    expect(kernel.readdirplus(two)).toBe(MISSING);
    expect(kernel.lookup(two, "more")).toBe(MISSING);
    store.bringBack();
    expect(kernel.lookup(two, "more")).toBe(0);
    expect(kernel.readdir(two)).toHaveLength(4);
  });

  it("readdirplus() does not wait for directories that nobody has asked for", () => {
    const { store, digests, fs, kernel } = sample();
    store.takeAway(digests.two);
    const entries = listed(kernel.readdirplus(ROOT));
    expect(entries.map(({ name, type }) => [name, type])).toEqual([
      [".", 4],
      ["..", 4],
      ["one", 4],
      ["two", 4],
      ["zero", 8],
    ]);
    expect(entries[3]?.entry).toMatchObject({ nodeid: 0, validSeconds: 0 });
    expect(entries[2]?.entry?.nodeid).toBeGreaterThan(0);
    expect(fs.inodes).toBe(3);
    store.bringBack();
    const { nodeid } = kernel.walk("two");
    expect(listed(kernel.readdirplus(ROOT))[3]?.entry?.nodeid).toBe(nodeid);
  });

  it("a request that is run again after what it lacked has come answers as if nothing had been", () => {
    const path = fc.constantFrom("one", "two", "zero", "inner", "data", "more", "absent");
    const step = fc.record({
      away: fc.subarray(["root", "two", "inner", "data"]),
      name: path,
      action: fc.constantFrom("lookup", "read", "readdir", "readdirplus", "forget"),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tested = sample({ directoryCacheBytes: 1 });
        const model = sample();
        const nodes: [tested: NodeId, model: NodeId][] = [[ROOT, ROOT]];
        for (const { away, name, action, which } of steps) {
          const [node, twin] = nodes[which % nodes.length]!;
          const act = (kernel: Kernel, fs: CastoreFileSystem, on: NodeId): unknown => {
            if (action === "lookup") return kernel.lookup(on, name);
            if (action === "read") return kernel.read(on, 0, 5);
            if (action === "readdir") return kernel.readdir(on);
            if (action === "forget") return fs.forget(on, 1);
            const answer = kernel.readdirplus(on);
            if (typeof answer === "number") return answer;
            for (const { entry } of answer) {
              if (entry !== undefined && entry.nodeid !== 0) fs.forget(entry.nodeid, 1);
            }
            return answer.map((entry) => [entry.name, entry.type, entry.next]);
          };
          const gone = away.map(
            (key): Digest => tested.digests[key as keyof typeof tested.digests],
          );
          tested.store.takeAway(...gone);
          const before = tested.fs.inodes;
          let answer = act(tested.kernel, tested.fs, node);
          if (answer === MISSING) {
            expect(tested.fs.inodes).toBe(before);
            tested.store.bringBack();
            answer = act(tested.kernel, tested.fs, node);
          }
          tested.store.bringBack();
          expect(answer).toEqual(act(model.kernel, model.fs, twin));
          if (action === "lookup" && answer === 0) {
            nodes.push([tested.kernel.entry.nodeid, model.kernel.entry.nodeid]);
          }
          expect(tested.fs.inodes).toBe(model.fs.inodes);
        }
      }),
      { numRuns: 200 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NodeId } from "../../src/base/brands.ts";
import {
  EACCES,
  EINVAL,
  EIO,
  EISDIR,
  ENFILE,
  ENODATA,
  ENOENT,
  ENOSYS,
  ENOTDIR,
  ENXIO,
  EPERM,
  EROFS,
  ESTALE,
} from "../../src/base/errno.ts";
import { silentLogger } from "../../src/base/logger.ts";
import type { DirectoryNode } from "../../src/castore/node.ts";
import {
  CastoreFileSystem,
  type CastoreFileSystemOptions,
} from "../../src/fs/castore-file-system.ts";
import { READDIRPLUS_ENTRIES_MAX } from "../../src/fs/listing.ts";
import { FOREVER, LISTING_CHANGES, newStatistics } from "../../src/fuse/file-system.ts";
import { FakeStore } from "./fake-store.ts";
import { Bytes, inoOf, Kernel, type Listed, ROOT } from "./kernel.ts";

const O_RDONLY = 0;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_TRUNC = 0o1000;
const O_DIRECTORY = 0o200000;
const SEEK_SET = 0;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

function share(
  store: FakeStore,
  root: DirectoryNode | undefined,
  options: Partial<CastoreFileSystemOptions> = {},
): { fs: CastoreFileSystem; kernel: Kernel } {
  const fs = new CastoreFileSystem(store, {
    root,
    listRoot: true,
    showXattr: true,
    logger: silentLogger,
    ...options,
  });
  return { fs, kernel: new Kernel(fs) };
}

/**
 * bin/tool (executable), bin/same (plain, the same bytes), bin/link → ../lib, empty, one/data,
 * two/data (one and two are equal), zero (an empty file).
 */
function sample(options: Partial<CastoreFileSystemOptions> = {}) {
  const store = new FakeStore();
  const data = store.tree([["data", store.file("0123456789")]]);
  const bin = store.tree([
    ["tool", store.file("#!/bin/sh", true)],
    ["same", store.file("#!/bin/sh")],
    ["link", store.symlink("../lib")],
  ]);
  const root = store.tree([
    ["bin", bin],
    ["empty", store.tree([])],
    ["one", data],
    ["two", data],
    ["zero", store.file("")],
  ]);
  return { store, root, bin, data, ...share(store, root, options) };
}

function names(listed: Listed[] | number): string[] {
  if (typeof listed === "number") throw new Error(`listing: ${listed}`);
  return listed.map(({ name }) => name);
}

describe("CastoreFileSystem", () => {
  it("lookup() gives an inode with its attributes, valid for ever", () => {
    const { kernel } = sample();
    const entry = kernel.walk("one/data");
    expect(entry.validSeconds).toBe(FOREVER);
    expect(entry.attributes).toMatchObject({
      size: 10,
      blocks: 1,
      mode: 0o100444,
      nlink: 1,
      uid: 0,
      gid: 0,
      validSeconds: FOREVER,
    });
    expect(kernel.attributes(entry.nodeid)).toEqual(entry.attributes);
  });

  it("getattr() says the mode, links and size that each kind has", () => {
    const { kernel } = sample();
    const mode = (path: string) => kernel.walk(path).attributes;
    expect(kernel.attributes(ROOT)).toMatchObject({
      mode: 0o40555,
      nlink: 2 + 4,
      size: 5 + 3 + 1 + 1,
      blocks: 0,
      inoLow: 1,
      inoHigh: 0,
    });
    expect(mode("bin/tool")).toMatchObject({ mode: 0o100555, nlink: 1, size: 9, blocks: 1 });
    expect(mode("bin/link")).toMatchObject({ mode: 0o120777, nlink: 1, size: 6, blocks: 1 });
    expect(mode("bin")).toMatchObject({ mode: 0o40555, nlink: 2, size: 3, blocks: 0 });
    expect(mode("empty")).toMatchObject({ mode: 0o40555, nlink: 2, size: 0, blocks: 0 });
    expect(mode("zero")).toMatchObject({ mode: 0o100444, nlink: 1, size: 0, blocks: 0 });
  });

  it("lookup() answers -ENOENT for an absent name, to be remembered for ever", () => {
    const { kernel } = sample();
    expect(kernel.lookup(ROOT, "absent")).toBe(-ENOENT);
    expect(kernel.entry.validSeconds).toBe(FOREVER);
    for (const name of [".", "..", "bi", "binn", "x".repeat(5000)]) {
      expect(kernel.lookup(ROOT, name)).toBe(-ENOENT);
    }
  });

  it("lookup() answers -ENOTDIR in a file or a symlink", () => {
    const { kernel } = sample();
    for (const path of ["zero", "bin/link", "bin/tool"]) {
      expect(kernel.lookup(kernel.walk(path).nodeid, "x")).toBe(-ENOTDIR);
    }
  });

  it("every request answers -ESTALE for an unknown nodeid", () => {
    const { fs, kernel } = sample();
    const forgotten = kernel.walk("zero").nodeid;
    fs.forget(forgotten, 1);
    for (const node of [0, 2 ** 32 + 1, 99, 2 ** 53 - 1, forgotten] as NodeId[]) {
      expect(kernel.lookup(node, "x")).toBe(-ESTALE);
      expect(fs.getattr(node, kernel.entry.attributes)).toBe(-ESTALE);
      expect(fs.access(node, 4)).toBe(-ESTALE);
      expect(kernel.readlink(node)).toBe(-ESTALE);
      expect(fs.open(node, O_RDONLY)).toBe(-ESTALE);
      expect(kernel.read(node, 0, 1)).toBe(-ESTALE);
      expect(fs.lseek(node, 0, SEEK_DATA)).toBe(-ESTALE);
      expect(fs.opendir(node)).toBe(-ESTALE);
      expect(kernel.readdir(node)).toBe(-ESTALE);
      expect(kernel.readdirplus(node)).toBe(-ESTALE);
      expect(fs.statfs(node, newStatistics())).toBe(-ESTALE);
      expect(kernel.xattr(node, "user.x")).toBe(-ESTALE);
      expect(kernel.xattrs(node)).toBe(-ESTALE);
      fs.forget(node, 3);
    }
  });

  it("equal files are one inode; an executable with the same bytes is another", () => {
    const { kernel } = sample();
    const [one, two] = [kernel.walk("one/data"), kernel.walk("two/data")];
    expect(two.nodeid).toBe(one.nodeid);
    const [tool, same] = [kernel.walk("bin/tool"), kernel.walk("bin/same")];
    expect(same.nodeid).not.toBe(tool.nodeid);
    expect(inoOf(same.attributes)).not.toBe(inoOf(tool.attributes));
  });

  it("equal directories are two inodes, each with its own parent", () => {
    const store = new FakeStore();
    const inner = store.tree([["x", store.tree([])]]);
    const a = store.tree([["same", inner]]);
    const b = store.tree([
      ["same", inner],
      ["other", store.file("")],
    ]);
    const root = store.tree([
      ["a", a],
      ["b", b],
    ]);
    const { kernel } = share(store, root);
    const [one, two] = [kernel.walk("a/same"), kernel.walk("b/same")];
    expect(two.nodeid).not.toBe(one.nodeid);
    expect(inoOf(two.attributes)).not.toBe(inoOf(one.attributes));
    for (const [parent, child] of [
      ["a", one],
      ["b", two],
    ] as const) {
      const listed = kernel.readdir(child.nodeid) as Listed[];
      expect(inoOf(listed[0] as Listed)).toBe(inoOf(child.attributes));
      expect(inoOf(listed[1] as Listed)).toBe(inoOf(kernel.walk(parent).attributes));
    }
  });

  it("inode numbers are the same in another session and another daemon", () => {
    const { store, root, fs, kernel } = sample();
    const paths = ["bin", "bin/tool", "bin/link", "one", "two", "one/data"];
    const all = () => paths.map((path) => inoOf(kernel.walk(path).attributes));
    const before = all();
    expect(new Set(before).size).toBe(paths.length);
    fs.reset();
    expect(all()).toEqual(before);
    const other = share(store, root).kernel;
    expect(paths.map((path) => inoOf(other.walk(path).attributes))).toEqual(before);
  });

  it("nodeids of an earlier session are stale in this one", () => {
    const { fs, kernel } = sample();
    const before = kernel.walk("bin/tool").nodeid;
    fs.reset();
    expect(fs.inodes).toBe(1);
    expect(kernel.read(before, 0, 1)).toBe(-ESTALE);
    kernel.walk("bin/tool");
    expect(kernel.read(before, 0, 1)).toBe(-ESTALE);
  });

  it("read() gives exactly the bytes asked for, fewer only at the end", () => {
    const { kernel } = sample();
    const node = kernel.walk("one/data").nodeid;
    const read = (offset: number, length: number) => String(kernel.read(node, offset, length));
    expect(read(0, 10)).toBe("0123456789");
    expect(read(3, 4)).toBe("3456");
    expect(read(8, 100)).toBe("89");
    expect(read(9, 1)).toBe("9");
    expect(read(10, 1)).toBe("");
    expect(read(2 ** 52, 1)).toBe("");
    expect(read(0, 0)).toBe("");
    expect(read(0, 2 ** 32 - 1)).toBe("0123456789");
  });

  it("read() refuses what is no file and what is no offset", () => {
    const { kernel } = sample();
    const node = kernel.walk("one/data").nodeid;
    expect(kernel.read(ROOT, 0, 1)).toBe(-EISDIR);
    expect(kernel.read(kernel.walk("bin/link").nodeid, 0, 1)).toBe(-EINVAL);
    for (const hostile of [-1, 2 ** 63, Number.NaN, 0.5]) {
      expect(kernel.read(node, hostile, 1)).toBe(-EINVAL);
      expect(kernel.read(node, 0, hostile)).toBe(-EINVAL);
    }
  });

  it("readlink() gives the target, and refuses the rest", () => {
    const { kernel } = sample();
    expect(String(kernel.readlink(kernel.walk("bin/link").nodeid))).toBe("../lib");
    expect(kernel.readlink(ROOT)).toBe(-EINVAL);
    expect(kernel.readlink(kernel.walk("zero").nodeid)).toBe(-EINVAL);
  });

  it("open() refuses to write, and to open what is no file", () => {
    const { fs, kernel } = sample();
    const node = kernel.walk("one/data").nodeid;
    expect(fs.open(node, O_RDONLY)).toBe(0);
    for (const flags of [O_WRONLY, O_RDWR, O_TRUNC]) expect(fs.open(node, flags)).toBe(-EROFS);
    expect(fs.open(ROOT, O_RDONLY | O_DIRECTORY)).toBe(-EISDIR);
    expect(fs.open(kernel.walk("bin/link").nodeid, O_RDONLY)).toBe(-EINVAL);
  });

  it("access() refuses to write anywhere, and to execute a plain file", () => {
    const { fs, kernel } = sample();
    const [tool, same] = [kernel.walk("bin/tool").nodeid, kernel.walk("bin/same").nodeid];
    for (const node of [ROOT, tool, same]) {
      expect(fs.access(node, 0)).toBe(0);
      expect(fs.access(node, 4)).toBe(0);
      expect(fs.access(node, 2)).toBe(-EROFS);
      expect(fs.access(node, 7)).toBe(-EROFS);
      expect(fs.access(node, 8)).toBe(-EINVAL);
    }
    expect(fs.access(ROOT, 1)).toBe(0);
    expect(fs.access(tool, 5)).toBe(0);
    expect(fs.access(same, 5)).toBe(-EACCES);
  });

  it("lseek() finds data everywhere and the one hole at the end", () => {
    const { fs, kernel } = sample();
    const node = kernel.walk("one/data").nodeid;
    expect(fs.lseek(node, 4, SEEK_DATA)).toBe(4);
    expect(fs.lseek(node, 4, SEEK_HOLE)).toBe(10);
    for (const offset of [10, 11, -1, 2 ** 63]) {
      expect(fs.lseek(node, offset, SEEK_DATA)).toBe(-ENXIO);
      expect(fs.lseek(node, offset, SEEK_HOLE)).toBe(-ENXIO);
    }
    expect(fs.lseek(node, 0, SEEK_SET)).toBe(-EINVAL);
    expect(fs.lseek(kernel.walk("zero").nodeid, 0, SEEK_DATA)).toBe(-ENXIO);
    expect(fs.lseek(ROOT, 0, SEEK_DATA)).toBe(-EISDIR);
  });

  it("statfs() counts the inodes of the tree", () => {
    const { fs } = sample();
    const statistics = newStatistics();
    expect(fs.statfs(ROOT, statistics)).toBe(0);
    expect(statistics).toEqual({
      blocks: 0,
      freeBlocks: 0,
      files: 11,
      freeFiles: 0,
      bsize: 4096,
      nameLength: 255,
    });
  });

  it("shows digests as extended attributes under three names", () => {
    const { kernel, bin, data, store } = sample();
    const tool = kernel.walk("bin/tool").nodeid;
    for (const prefix of ["user.castore", "user.snix.castore", "user.tvix.castore"]) {
      expect(kernel.xattr(tool, `${prefix}.blob.digest`)).toBe(
        store.file("#!/bin/sh").digest.toString(),
      );
      expect(kernel.xattr(kernel.walk("bin").nodeid, `${prefix}.directory.digest`)).toBe(
        bin.digest.toString(),
      );
      expect(kernel.xattr(kernel.walk("one").nodeid, `${prefix}.directory.digest`)).toBe(
        data.digest.toString(),
      );
    }
    expect(kernel.xattrs(tool)).toEqual([
      "user.castore.blob.digest",
      "user.snix.castore.blob.digest",
      "user.tvix.castore.blob.digest",
    ]);
    const link = kernel.walk("bin/link").nodeid;
    expect(kernel.xattrs(link)).toEqual([]);
    expect(kernel.xattr(link, "user.castore.blob.digest")).toBe(-ENODATA);
    for (const name of ["user.castore.directory.digest", "security.capability", "user.castore"]) {
      expect(kernel.xattr(tool, name)).toBe(-ENODATA);
    }
  });

  it("answers -ENOSYS for extended attributes when they are not to be shown", () => {
    const { kernel } = sample({ showXattr: false });
    expect(kernel.xattr(ROOT, "user.castore.directory.digest")).toBe(-ENOSYS);
    expect(kernel.xattrs(ROOT)).toBe(-ENOSYS);
  });

  it("passes on what a sink says when it is full", () => {
    const { fs, kernel } = sample();
    const full = Object.assign(new Bytes(), { append: () => -34 });
    expect(fs.readlink(kernel.walk("bin/link").nodeid, full)).toBe(-34);
    expect(fs.read(kernel.walk("bin/tool").nodeid, 0, 1, full)).toBe(-34);
    expect(fs.listxattr(ROOT, full)).toBe(-34);
  });

  it("lists names in order, `.` and `..` first, and d_ino is what stat says", () => {
    const { kernel } = sample();
    const listed = kernel.readdir(ROOT) as Listed[];
    expect(names(listed)).toEqual([".", "..", "bin", "empty", "one", "two", "zero"]);
    expect(listed.map(({ type }) => type)).toEqual([4, 4, 4, 4, 4, 4, 8]);
    for (const entry of listed.slice(2)) {
      expect(inoOf(entry)).toBe(inoOf(kernel.walk(entry.name).attributes));
    }
    expect(listed.slice(0, 2).map(inoOf)).toEqual(["0:1", "0:1"]);
    const bin = kernel.walk("bin").nodeid;
    const inner = kernel.readdir(bin) as Listed[];
    expect(inner.map(({ type }) => type)).toEqual([4, 4, 10, 8, 8]);
    expect(inoOf(inner[2] as Listed)).toBe(inoOf(kernel.walk("bin/link").attributes));
  });

  it("a listing goes on at any offset that was handed out, with any room", () => {
    const { kernel } = sample();
    const whole = kernel.readdir(ROOT) as Listed[];
    for (const list of ["readdir", "readdirplus"] as const) {
      for (const room of [1, 2, 3, 7]) {
        const seen: string[] = [];
        let offset = 0;
        for (;;) {
          const part = kernel[list](ROOT, offset, room) as Listed[];
          if (part.length === 0) break;
          seen.push(...names(part));
          offset = part.at(-1)?.next ?? 0;
        }
        expect(seen).toEqual(names(whole));
      }
      for (const [at, { next }] of whole.entries()) {
        expect(names(kernel[list](ROOT, next))).toEqual(names(whole).slice(at + 1));
      }
    }
  });

  it("a listing at an offset that nobody handed out is empty or refused", () => {
    const { kernel } = sample();
    for (const list of ["readdir", "readdirplus"] as const) {
      for (const offset of [8, 1000, 2 ** 31, 2 ** 32 + 3, 2 ** 53 - 1]) {
        expect(kernel[list](ROOT, offset)).toEqual([]);
      }
      for (const offset of [-1, 0.5, Number.NaN, 2 ** 53, 2 ** 63]) {
        expect(kernel[list](ROOT, offset)).toBe(-EINVAL);
      }
      expect(kernel[list](kernel.walk("zero").nodeid)).toBe(-ENOTDIR);
    }
  });

  it("readdirplus() counts one lookup for each entry that was written, and no other", () => {
    const { fs, kernel } = sample();
    const listed = kernel.readdirplus(ROOT, 0, 4) as Listed[];
    expect(names(listed)).toEqual([".", "..", "bin", "empty"]);
    expect(listed.map(({ entry }) => entry?.nodeid !== 0)).toEqual([false, false, true, true]);
    expect(fs.inodes).toBe(3);
    for (const { entry, name } of listed.slice(2)) {
      const again = kernel.walk(name);
      expect(entry).toEqual(again);
      fs.forget(again.nodeid, 1);
      expect(fs.getattr(again.nodeid, again.attributes)).toBe(0);
      fs.forget(again.nodeid, 1);
      expect(fs.getattr(again.nodeid, again.attributes)).toBe(-ESTALE);
    }
    expect(fs.inodes).toBe(1);
  });

  it("readdirplus() ends a huge answer early, and goes on from there", () => {
    const store = new FakeStore();
    const file = store.file("");
    const count = READDIRPLUS_ENTRIES_MAX + 10;
    const root = store.tree(Array.from({ length: count }, (_, at) => [`${at}`, file] as const));
    const { kernel } = share(store, root);
    const first = kernel.readdirplus(ROOT) as Listed[];
    expect(first.length).toBe(2 + READDIRPLUS_ENTRIES_MAX);
    const second = kernel.readdirplus(ROOT, first.at(-1)?.next) as Listed[];
    expect(second.length).toBe(10);
    expect(kernel.readdirplus(ROOT, second.at(-1)?.next)).toEqual([]);
    expect(new Set([...first, ...second].map(({ name }) => name)).size).toBe(2 + count);
  });

  it("answers -ENFILE when the table is full, and lists on without lookups", () => {
    const { fs, kernel } = sample({ maxInodes: 3 });
    kernel.walk("bin");
    kernel.walk("one");
    expect(kernel.lookup(ROOT, "two")).toBe(-ENFILE);
    expect(kernel.lookup(ROOT, "bin")).toBe(0);
    const listed = kernel.readdirplus(ROOT) as Listed[];
    expect(names(listed)).toEqual([".", "..", "bin", "empty", "one", "two", "zero"]);
    expect(listed[5]?.entry?.nodeid).toBe(0);
    expect(listed[5]?.type).toBe(4);
    expect(fs.inodes).toBe(3);
  });

  it("missing and rotten objects give -EIO for that request only", () => {
    const { store, fs, kernel, bin, data } = sample();
    store.directories.delete(bin.digest.hex);
    store.rotten.add(store.file("0123456789").digest.hex);
    expect(kernel.lookup(ROOT, "bin")).toBe(-EIO);
    expect(kernel.read(kernel.walk("one/data").nodeid, 0, 1)).toBe(-EIO);
    const listed = kernel.readdirplus(ROOT) as Listed[];
    expect(names(listed)).toEqual([".", "..", "bin", "empty", "one", "two", "zero"]);
    expect(listed[2]?.entry?.nodeid).toBe(0);
    expect(listed[2]?.type).toBe(4);
    expect(fs.getattr(kernel.walk("two").nodeid, kernel.entry.attributes)).toBe(0);
    store.rotten.clear();
    expect(String(kernel.read(kernel.walk("one/data").nodeid, 0, 1))).toBe("0");
    expect(data.size).toBe(1);
  });

  it("a directory that is gone from the store after its lookup gives -EIO", () => {
    const { store, kernel, data } = sample({ directoryCacheBytes: 1 });
    const one = kernel.walk("one").nodeid;
    kernel.walk("bin");
    store.rotten.add(data.digest.hex);
    expect(kernel.lookup(one, "data")).toBe(-EIO);
    expect(kernel.readdir(one)).toBe(-EIO);
    expect(kernel.readdirplus(one)).toBe(-EIO);
  });

  it("starts on a root directory that is missing, and says -EIO until it is there", () => {
    const { store, root } = sample();
    const encoded = store.directories.get(root.digest.hex) as Uint8Array;
    store.directories.delete(root.digest.hex);
    const { kernel } = share(store, root);
    expect(kernel.lookup(ROOT, "bin")).toBe(-EIO);
    expect(kernel.attributes(ROOT).size).toBe(root.size);
    store.directories.set(root.digest.hex, encoded);
    expect(kernel.lookup(ROOT, "bin")).toBe(0);
  });

  it("survives random requests", () => {
    const { fs, kernel } = sample({ maxInodes: 6, directoryCacheBytes: 3000, blobReaderCount: 1 });
    const known: NodeId[] = [ROOT];
    const node = fc.oneof(fc.nat(20), fc.double());
    const step = fc.record({
      what: fc.nat(9),
      node,
      name: fc.constantFrom("bin", "one", "two", "data", "tool", "same", "link", "zero", "", "x"),
      number: fc.oneof(fc.nat(12), fc.double(), fc.maxSafeInteger()),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 50 }), (steps) => {
        for (const { what, node, name, number } of steps) {
          const id = known[node] ?? (node as NodeId);
          const calls = [
            () => {
              const status = kernel.lookup(id, name);
              if (status === 0) known.push(kernel.entry.nodeid);
              return status;
            },
            () => {
              fs.forget(id, number);
              return 0;
            },
            () => fs.getattr(id, kernel.entry.attributes),
            () => kernel.read(id, number, 4),
            () => kernel.readlink(id),
            () => kernel.readdir(id, number),
            () => kernel.readdirplus(id, number, 3),
            () => fs.lseek(id, number, 3),
            () => fs.open(id, number),
            () => fs.access(id, number),
          ];
          const status = calls[what]?.();
          if (typeof status === "number" && what !== 7) expect(status).toBeLessThanOrEqual(0);
          expect(fs.inodes).toBeLessThanOrEqual(6);
        }
      }),
    );
  });
});

describe("a share of all root nodes", () => {
  function roots(options: Partial<CastoreFileSystemOptions> = {}) {
    const store = new FakeStore();
    store.root("tree", store.tree([["inner", store.tree([["x", store.file("1")]])]]));
    store.root("same", store.tree([["inner", store.tree([["x", store.file("1")]])]]));
    store.root("tool", store.file("#!", true));
    store.root("link", store.symlink("tree/inner"));
    return { store, ...share(store, undefined, options) };
  }

  it("shows directories, files and symlinks by name, valid for a second", () => {
    const { kernel } = roots();
    expect(kernel.walk("tree")).toMatchObject({
      validSeconds: 1,
      attributes: { mode: 0o40555, size: 2, nlink: 3, validSeconds: FOREVER },
    });
    expect(kernel.walk("tool").attributes.mode).toBe(0o100555);
    expect(String(kernel.readlink(kernel.walk("link").nodeid))).toBe("tree/inner");
    expect(kernel.walk("tree/inner").validSeconds).toBe(FOREVER);
    expect(kernel.walk("same").nodeid).not.toBe(kernel.walk("tree").nodeid);
    expect(kernel.walk("same/inner").nodeid).not.toBe(kernel.walk("tree/inner").nodeid);
    expect(inoOf(kernel.walk("same/inner").attributes)).not.toBe(
      inoOf(kernel.walk("tree/inner").attributes),
    );
    expect(kernel.attributes(ROOT)).toMatchObject({ mode: 0o40555, nlink: 1, inoLow: 1 });
    expect(kernel.xattrs(ROOT)).toEqual([]);
    expect(kernel.xattr(ROOT, "user.castore.directory.digest")).toBe(-ENODATA);
  });

  it("a root that was absent is found once it is there", () => {
    const { store, kernel } = roots();
    expect(kernel.lookup(ROOT, "later")).toBe(-ENOENT);
    expect(kernel.entry.validSeconds).toBe(0);
    store.root("later", store.file("x"));
    expect(kernel.lookup(ROOT, "later")).toBe(0);
  });

  it("a name that was given to another node shows that one, and the old stays usable", () => {
    const { store, kernel } = roots();
    const before = kernel.walk("tree");
    store.root("tree", store.tree([["new", store.file("2")]]));
    const after = kernel.walk("tree");
    expect(after.nodeid).not.toBe(before.nodeid);
    expect(inoOf(after.attributes)).not.toBe(inoOf(before.attributes));
    expect(kernel.lookup(after.nodeid, "new")).toBe(0);
    expect(kernel.lookup(before.nodeid, "inner")).toBe(0);
    store.removeRoot("tree");
    expect(kernel.lookup(ROOT, "tree")).toBe(-ENOENT);
    expect(kernel.lookup(after.nodeid, "new")).toBe(0);
  });

  it("is listed with the right numbers and types", () => {
    const { kernel } = roots();
    const listed = kernel.readdir(ROOT) as Listed[];
    expect(names(listed)).toEqual([".", "..", "link", "same", "tool", "tree"]);
    expect(listed.map(({ type }) => type)).toEqual([4, 4, 10, 4, 8, 4]);
    for (const entry of listed.slice(2)) {
      expect(inoOf(entry)).toBe(inoOf(kernel.walk(entry.name).attributes));
    }
    const plus = kernel.readdirplus(ROOT) as Listed[];
    expect(names(plus)).toEqual(names(listed));
    for (const { name, entry } of plus.slice(2)) expect(entry).toEqual(kernel.walk(name));
    const tree = kernel.walk("tree");
    expect(inoOf((kernel.readdir(tree.nodeid) as Listed[])[1] as Listed)).toBe("0:1");
  });

  it("a listing goes on where it was although roots come and go", () => {
    const { store, kernel } = roots();
    const begin = kernel.readdir(ROOT, 0, 4) as Listed[];
    expect(names(begin)).toEqual([".", "..", "link", "same"]);
    store.removeRoot("link");
    store.removeRoot("tool");
    store.root("aaa", store.file(""));
    expect(names(kernel.readdir(ROOT, begin.at(-1)?.next))).toEqual(["tree"]);
    expect(names(kernel.readdir(ROOT))).toEqual([".", "..", "same", "tree", "aaa"]);
    expect(names(kernel.readdirplus(ROOT, 2 ** 52))).toEqual([]);
  });

  it("tells the kernel not to keep the root's listing, and to keep the others", () => {
    const { fs, kernel } = roots();
    expect(fs.asksOpendir).toBe(true);
    expect(fs.opendir(ROOT)).toBe(LISTING_CHANGES);
    expect(fs.opendir(kernel.walk("tree").nodeid)).toBe(0);
    expect(fs.opendir(kernel.walk("tool").nodeid)).toBe(-ENOTDIR);
    expect(sample().fs.asksOpendir).toBe(false);
    expect(sample().fs.opendir(ROOT)).toBe(0);
  });

  it("may not be listed without leave, but names are found", () => {
    const { fs, kernel } = roots({ listRoot: false });
    expect(fs.asksOpendir).toBe(true);
    expect(fs.opendir(ROOT)).toBe(-EPERM);
    expect(kernel.readdir(ROOT)).toBe(-EPERM);
    expect(kernel.readdirplus(ROOT)).toBe(-EPERM);
    const tree = kernel.walk("tree").nodeid;
    expect(fs.opendir(tree)).toBe(0);
    expect(names(kernel.readdir(tree))).toEqual([".", "..", "inner"]);
  });

  it("a root node that is unreadable gives -EIO and does not hide the others", () => {
    const { store, kernel } = roots();
    store.rootNodes.set("same", Buffer.from("nonsense"));
    expect(kernel.lookup(ROOT, "same")).toBe(-EIO);
    expect(kernel.entry.validSeconds).toBe(0);
    expect(names(kernel.readdir(ROOT))).toEqual([".", "..", "link", "same", "tool", "tree"]);
    const plus = kernel.readdirplus(ROOT) as Listed[];
    expect(names(plus)).toEqual([".", "..", "link", "same", "tool", "tree"]);
    expect(plus[3]).toMatchObject({ type: 0, entry: { nodeid: 0 } });
  });
});

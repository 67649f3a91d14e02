import { describe, expect, it } from "vitest";
import type { NodeId } from "../../../src/base/brands.ts";
import { EEXIST, EISDIR, ENFILE, ENOENT, ENOTEMPTY, ESTALE } from "../../../src/base/errno.ts";
import { MISSING } from "../../../src/base/missing.ts";
import { FOREVER } from "../../../src/fuse/file-system.ts";
import { LINKS_UNCOUNTED, ROOT_ID } from "../../../src/layer/rows.ts";
import { FakeStore } from "../fake-store.ts";
import { inoOf } from "../kernel.ts";
import { afterCrash, nameOf, ROOT, type Share, shareOf } from "./writing-kernel.ts";

function base() {
  const store = new FakeStore();
  const leaf = store.tree([["leaf", store.file("a leaf")]]);
  const branch = store.tree([
    ["leaf", store.file("another")],
    ["twig", leaf],
  ]);
  const root = store.tree([
    ["branch", branch],
    ["file", store.file("of the base")],
    ["link", store.symlink("file")],
    ["program", store.file("#!", true)],
  ]);
  return { store, root, branch };
}

function nodeOf({ kernel }: Share, path: string): NodeId {
  return kernel.walk(path).nodeid;
}

describe("names of a writable share", () => {
  it("lookup() shows the base with modes that allow writing, known for ever", () => {
    const { store, root } = base();
    const { kernel } = shareOf(store, root);
    expect(kernel.walk("file").attributes.mode).toBe(0o100644);
    expect(kernel.walk("program").attributes.mode).toBe(0o100755);
    expect(kernel.walk("branch").attributes.mode).toBe(0o040755);
    expect(kernel.walk("link").attributes.mode).toBe(0o120777);
    expect(kernel.walk("file").validSeconds).toBe(FOREVER);
    expect(kernel.lookup(ROOT, "absent")).toBe(-ENOENT);
    expect(kernel.entry.validSeconds).toBe(FOREVER);
  });

  it("create() and unlink() leave every trace of the base's name to be had again", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel } = share;
    const old = nodeOf(share, "file");
    expect(kernel.unlink(ROOT, "file")).toBe(0);
    expect(kernel.lookup(ROOT, "file")).toBe(-ENOENT);
    expect(kernel.namesIn(ROOT)).not.toContain("file");
    expect(kernel.contentOf(old).toString()).toBe("of the base");
    const made = kernel.create(ROOT, "file");
    expect(made).not.toBe(old);
    expect(kernel.namesIn(ROOT).filter((name) => name === "file")).toHaveLength(1);
    expect(kernel.attributes(made).size).toBe(0);
    expect(() => kernel.create(ROOT, "file")).toThrow(String(-EEXIST));
  });

  it("links of a directory that nobody has counted are its subdirectories, whatever else is in it", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel, fs, layer } = share;
    const inode = { umask: 0, uid: 0, gid: 0, rdev: 0x801 };
    const dir = kernel.mkdir(ROOT, "made");
    kernel.mkdir(dir, "below");
    const types = { block: 0o060000, character: 0o020000, fifo: 0o010000, socket: 0o140000 };
    for (const [name, type] of Object.entries(types)) {
      const init = { ...inode, mode: type | 0o644 };
      expect(fs.modifications.mknod(dir, nameOf(name), init, kernel.entry)).toBe(0);
    }
    kernel.flush();
    const row = [...layer.disk.inodes.values()].find(
      ({ links, id }) => links === 3 && id !== ROOT_ID,
    );
    layer.disk.inodes.set(row!.id, { ...row!, links: LINKS_UNCOUNTED });
    expect(afterCrash(store, root, share).kernel.walk("made").attributes.nlink).toBe(3);
  });

  it("an unlinked file can be read and written until it is forgotten", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel, fs } = share;
    const node = nodeOf(share, "file");
    kernel.unlink(ROOT, "file");
    expect(kernel.write(node, 0, "IN")).toBe(2);
    kernel.flush();
    expect(kernel.contentOf(node).toString()).toBe("IN the base");
    expect(kernel.attributes(node).nlink).toBe(0);
    fs.forget(node, 1);
    expect(() => kernel.attributes(node)).toThrow(String(-ESTALE));
    kernel.flush();
    expect([...share.layer.disk.inodes.keys()]).toEqual([1]);
  });

  it("a directory of the base is renamed with all that is in it, and keeps its inode numbers", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel } = share;
    const before = inoOf(kernel.walk("branch/twig/leaf").attributes);
    const made = kernel.mkdir(ROOT, "made");
    expect(kernel.rename(ROOT, "branch", made, "moved")).toBe(0);
    const after = kernel.walk("made/moved/twig/leaf");
    expect(inoOf(after.attributes)).toBe(before);
    expect(kernel.contentOf(after.nodeid).toString()).toBe("a leaf");
    kernel.flush();
    expect(share.layer.disk.inodes.size).toBe(3);
    const { kernel: later } = afterCrash(store, root, share);
    expect(inoOf(later.walk("made/moved/twig/leaf").attributes)).toBe(before);
    expect(later.lookup(ROOT, "branch")).toBe(-ENOENT);
    expect(later.attributes(ROOT).nlink).toBe(3);
    expect(later.walk("made").attributes.nlink).toBe(3);
  });

  it("an inode number is the same after the first change and after a restart", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel } = share;
    const before = inoOf(kernel.walk("branch/leaf").attributes);
    kernel.chmod(nodeOf(share, "branch/leaf"), 0o600);
    expect(inoOf(kernel.walk("branch/leaf").attributes)).toBe(before);
    kernel.flush();
    const { kernel: later } = afterCrash(store, root, share);
    expect(inoOf(later.walk("branch/leaf").attributes)).toBe(before);
    expect(later.walk("branch/leaf").attributes.mode).toBe(0o100600);
  });

  it("rmdir() refuses what shows names, and takes what has only whiteouts", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel } = share;
    expect(kernel.rmdir(ROOT, "branch")).toBe(-ENOTEMPTY);
    expect(kernel.unlink(ROOT, "branch")).toBe(-EISDIR);
    const branch = nodeOf(share, "branch");
    const twig = nodeOf(share, "branch/twig");
    expect(kernel.unlink(twig, "leaf")).toBe(0);
    kernel.flush();
    expect(kernel.rmdir(branch, "twig")).toBe(0);
    expect(kernel.unlink(branch, "leaf")).toBe(0);
    expect(kernel.rmdir(ROOT, "branch")).toBe(0);
    expect(kernel.attributes(ROOT).nlink).toBe(2);
    kernel.flush();
    // A whiteout in the root is all that is left of it.
    const rows = [...share.layer.disk.entries].flatMap(([, names]) => [...names.values()]);
    expect(rows.map(({ name, inode }) => [Buffer.from(name).toString(), inode])).toEqual([
      ["branch", undefined],
    ]);
    const empty = kernel.mkdir(ROOT, "branch");
    expect(kernel.namesIn(empty)).toEqual([]);
  });

  it("a removed directory that is still open takes no names", () => {
    const { store, root } = base();
    const { kernel } = shareOf(store, root);
    const made = kernel.mkdir(ROOT, "made");
    expect(kernel.rmdir(ROOT, "made")).toBe(0);
    expect(() => kernel.create(made, "name")).toThrow(String(-ENOENT));
    expect(kernel.attributes(made).nlink).toBe(0);
    expect(kernel.namesIn(made)).toEqual([]);
  });

  it("a file made with O_TMPFILE has no name until link() gives it one", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel } = share;
    const node = kernel.tmpfile(ROOT);
    expect(kernel.attributes(node).nlink).toBe(0);
    kernel.write(node, 0, "kept");
    expect(kernel.link(node, ROOT, "named")).toBe(0);
    expect(kernel.attributes(node).nlink).toBe(1);
    kernel.flush();
    const { kernel: later } = afterCrash(store, root, share);
    expect(later.contentOf(later.walk("named").nodeid).toString()).toBe("kept");
  });

  it("what had no name at a crash is gone after it", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel } = share;
    kernel.write(kernel.tmpfile(ROOT), 0, "lost");
    kernel.flush();
    const later = afterCrash(store, root, share);
    later.kernel.flush();
    expect([...later.layer.disk.inodes.keys()]).toEqual([1]);
    expect(later.layer.disk.pieces.size).toBe(0);
  });

  it("a name made and removed between two batches leaves no row", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel, fs } = share;
    const node = kernel.create(ROOT, "short");
    kernel.setxattr(node, "user.x", "y");
    kernel.write(node, 0, "lived");
    kernel.unlink(ROOT, "short");
    fs.forget(node, 1);
    kernel.flush();
    const { disk } = share.layer;
    expect([disk.inodes.size, disk.entries.size, disk.xattrs.size]).toEqual([1, 0, 0]);
  });

  it("readdir() shows once what is there all along, whatever comes and goes meanwhile", () => {
    const { store, root } = base();
    const { kernel } = shareOf(store, root);
    const dir = kernel.mkdir(ROOT, "many");
    for (let at = 0; at < 300; at++) kernel.create(dir, `old-${at}`);
    const seen: string[] = [];
    for (let offset = 0; ; ) {
      const listed = kernel.readdir(dir, offset, 7);
      if (typeof listed === "number" || listed.length === 0) break;
      seen.push(...listed.map(({ name }) => name));
      offset = listed.at(-1)?.next ?? 0;
      const round = seen.length;
      // Removes what was shown, and what is to come, and adds: but spares those that are even.
      const shown = seen.filter((name) => /^old-\d*[13579]$/.test(name)).at(-1);
      if (shown !== undefined) kernel.unlink(dir, shown);
      kernel.unlink(dir, `old-${round * 2 + 1}`);
      if (round < 200) kernel.create(dir, `new-${round}`);
    }
    const even = seen.filter((name) => /^old-\d*[02468]$/.test(name));
    expect(new Set(even).size).toBe(150);
    expect(even).toHaveLength(150);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it("what is missing of the base is asked for before anything is changed", () => {
    const { store, root, branch } = base();
    const share = shareOf(store, root);
    const { kernel } = share;
    kernel.flush();
    store.takeAway(branch.digest);
    expect(kernel.lookup(ROOT, "branch")).toBe(MISSING);
    expect(kernel.rename(ROOT, "branch", ROOT, "moved")).toBe(MISSING);
    expect(kernel.rmdir(ROOT, "branch")).toBe(MISSING);
    kernel.flush();
    expect(share.layer.disk.inodes.size).toBe(1);
    store.bringBack();
    expect(kernel.rename(ROOT, "branch", ROOT, "moved")).toBe(0);
    expect(kernel.walk("moved/leaf").attributes.size).toBe(7);
  });

  it("a new session knows no nodeid of the last but the root's, and every change", () => {
    const { store, root } = base();
    const { kernel, fs } = shareOf(store, root);
    const node = kernel.create(ROOT, "made");
    const open = kernel.create(ROOT, "open");
    kernel.unlink(ROOT, "open");
    fs.reset();
    expect(() => kernel.attributes(node)).toThrow(String(-ESTALE));
    expect(() => kernel.attributes(open)).toThrow(String(-ESTALE));
    expect(kernel.walk("made").nodeid).not.toBe(node);
  });

  it("directories and inodes go from memory when the kernel forgets them", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel, fs } = share;
    const dir = kernel.mkdir(ROOT, "made");
    const node = kernel.create(dir, "name");
    const old = nodeOf(share, "branch");
    expect(fs.inodes).toBe(4);
    for (const known of [node, dir, old]) fs.forget(known, 1);
    expect(fs.inodes).toBe(3);
    kernel.flush();
    expect(fs.inodes).toBe(1);
    expect(kernel.walk("made/name").attributes.nlink).toBe(1);
  });

  it("directories whose links nobody has counted are looked through", () => {
    const { store, root } = base();
    const share = shareOf(store, root);
    const { kernel, layer } = share;
    const dir = kernel.mkdir(ROOT, "dir");
    for (const name of ["a", "b", "c"]) kernel.mkdir(dir, name);
    kernel.create(dir, "file");
    kernel.rename(nodeOf(share, "branch"), "twig", dir, "twig");
    kernel.flush();
    const counted = (path: string) => kernel.walk(path).attributes.nlink;
    const before = [kernel.attributes(ROOT).nlink, counted("dir"), counted("branch")];
    expect(before).toEqual([4, 6, 2]);
    for (const row of layer.disk.inodes.values()) {
      if ((row.mode & 0o040000) !== 0) layer.disk.inodes.set(row.id, { ...row, links: 1 });
    }
    const later = afterCrash(store, root, share).kernel;
    const links = ["dir", "branch"].map((path) => later.walk(path).attributes.nlink);
    expect([later.attributes(ROOT).nlink, ...links]).toEqual(before);
  });

  it("rename() with RENAME_WHITEOUT leaves a device 0:0, as overlayfs wants it", () => {
    const { store, root } = base();
    const { kernel } = shareOf(store, root);
    expect(kernel.rename(ROOT, "file", ROOT, "moved", 4)).toBe(0);
    const left = kernel.walk("file").attributes;
    expect([left.mode, left.rdev, left.nlink]).toEqual([0o020000, 0, 1]);
    expect(kernel.walk("moved").attributes.size).toBe(11);
  });

  it("inodes are bounded: ENFILE, until the kernel forgets some", () => {
    const { store, root } = base();
    const { kernel, fs } = shareOf(store, root, undefined, { maxInodes: 4 });
    const known = ["file", "link", "program"].map((name) => kernel.walk(name).nodeid);
    expect(kernel.lookup(ROOT, "branch")).toBe(-ENFILE);
    expect(() => kernel.create(ROOT, "new")).toThrow(String(-ENFILE));
    expect(kernel.rename(ROOT, "branch", ROOT, "moved")).toBe(-ENFILE);
    fs.forget(known[0] as NodeId, 1);
    expect(kernel.lookup(ROOT, "branch")).toBe(0);
    kernel.flush();
    expect(kernel.namesIn(ROOT).sort()).toEqual(["branch", "file", "link", "program"]);
  });
});

import { describe, expect, it } from "vitest";
import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_CTIME,
  FATTR_KILL_SUIDGID,
  FATTR_MTIME,
  FATTR_SIZE,
  FUSE_WRITE_CACHE,
  FUSE_WRITE_KILL_SUIDGID,
} from "../../../src/abi/fuse-constants.ts";
import { EEXIST, EINVAL, ENODATA, EOPNOTSUPP, ERANGE } from "../../../src/base/errno.ts";
import { type Attributes, FOREVER } from "../../../src/fuse/file-system.ts";
import { FakeStore } from "../fake-store.ts";
import { afterCrash, ROOT, shareOf } from "./writing-kernel.ts";

function share() {
  const store = new FakeStore();
  const root = store.tree([["file", store.file("of the base")]]);
  return { store, root, ...shareOf(store, root) };
}

const O_NOATIME = 0o1000000;

function times({ atimeSeconds, mtimeSeconds, ctimeSeconds }: Attributes): number[] {
  return [atimeSeconds, mtimeSeconds, ctimeSeconds];
}

/** Which of atime, mtime and ctime are later than before. */
function later(before: Attributes, after: Attributes): string {
  const old = times(before);
  return times(after)
    .map((time, at) => (time > (old[at] as number) ? "amc"[at] : "-"))
    .join("");
}

const ACL_ACCESS = "system.posix_acl_access";
const ACL_DEFAULT = "system.posix_acl_default";
const USER_OBJ = 1;
const USER = 2;
const GROUP_OBJ = 4;
const MASK = 16;
const OTHER = 32;

function acl(...entries: (readonly [tag: number, permissions: number, id?: number])[]): Buffer {
  const bytes = Buffer.alloc(4 + entries.length * 8);
  bytes.writeUInt32LE(2, 0);
  entries.forEach(([tag, permissions, id = 0xffffffff], index) => {
    bytes.writeUInt16LE(tag, 4 + index * 8);
    bytes.writeUInt16LE(permissions, 6 + index * 8);
    bytes.writeUInt32LE(id, 8 + index * 8);
  });
  return bytes;
}

describe("attributes of a writable share", () => {
  it("each operation marks the times that POSIX says", () => {
    const { kernel } = share();
    const dir = kernel.mkdir(ROOT, "dir");
    const node = kernel.create(dir, "name");
    const expectLater = (what: number, marks: string, act: () => void): void => {
      const of = what === 0 ? dir : node;
      const before = kernel.attributes(of);
      act();
      expect(later(before, kernel.attributes(of))).toBe(marks);
    };
    expectLater(0, "-mc", () => kernel.create(dir, "other"));
    expectLater(0, "-mc", () => kernel.unlink(dir, "other"));
    expectLater(1, "--c", () => kernel.chmod(node, 0o600));
    expectLater(1, "--c", () => kernel.chown(node, 1, 1));
    expectLater(1, "-mc", () => kernel.write(node, 0, "x"));
    expectLater(1, "---", () => kernel.write(node, 0, "y", FUSE_WRITE_CACHE)); // it says when later
    expectLater(1, "-mc", () => kernel.truncate(node, 10));
    expectLater(1, "---", () => kernel.truncate(node, 10)); // as long as it was
    expectLater(1, "--c", () => kernel.link(node, dir, "second"));
    expectLater(1, "--c", () => kernel.unlink(dir, "second"));
    expectLater(0, "-mc", () => kernel.rename(dir, "name", dir, "renamed"));
    expectLater(1, "--c", () => kernel.rename(dir, "renamed", dir, "name"));
    expectLater(1, "--c", () => kernel.setxattr(node, "user.x", ""));
    expectLater(1, "---", () => kernel.contentOf(node, O_NOATIME));
    expectLater(1, "a--", () => kernel.contentOf(node));
    expectLater(1, "---", () => kernel.contentOf(node));
    expectLater(0, "a--", () => kernel.namesIn(dir));
  });

  it("a kernel that keeps the times of files says them itself, before a change or after it", () => {
    const { kernel, fs } = share();
    const node = kernel.create(ROOT, "name");
    const copy = kernel.create(ROOT, "copy");
    fs.modifications.kernelKeepsTimes = true;
    const sent = 77;
    for (const each of [node, copy]) {
      kernel.set(each, { valid: FATTR_MTIME, mtimeSeconds: sent });
      kernel.set(each, { valid: FATTR_CTIME, ctimeSeconds: sent });
    }
    kernel.write(node, 0, "not out of the cache: O_DIRECT");
    expect(fs.modifications.fallocate(node, 0, 8192, 0)).toBe(0);
    expect(fs.modifications.copyFileRange(node, 0, copy, 0, 4)).toBe(4);
    for (const each of [node, copy]) {
      expect(times(kernel.attributes(each)).slice(1)).toEqual([sent, sent]);
    }
    kernel.chmod(node, 0o600);
    expect(times(kernel.attributes(node))[2]).toBeGreaterThan(sent);
  });

  it("setattr() takes times as they are given, before the epoch, too", () => {
    const { kernel, store, root, fs, layer } = share();
    const node = kernel.create(ROOT, "name");
    expect(kernel.setMtime(node, -5, 999_999_999)).toBe(0);
    kernel.set(node, {
      valid: FATTR_ATIME | FATTR_CTIME,
      atimeSeconds: 7,
      atimeNanoseconds: 8,
      ctimeSeconds: 9,
      ctimeNanoseconds: 10,
    });
    kernel.flush();
    const again = afterCrash(store, root, { kernel, fs, layer });
    const shown = again.kernel.walk("name").attributes;
    expect([shown.mtimeSeconds, shown.mtimeNanoseconds]).toEqual([-5, 999_999_999]);
    expect([shown.atimeSeconds, shown.atimeNanoseconds]).toEqual([7, 8]);
    expect([shown.ctimeSeconds, shown.ctimeNanoseconds]).toEqual([9, 10]);
    const before = shown.atimeSeconds;
    kernel.set(node, { valid: FATTR_ATIME | FATTR_ATIME_NOW });
    expect(kernel.attributes(node).atimeSeconds).toBeGreaterThan(before);
    expect(kernel.set(node, { valid: FATTR_MTIME, mtimeNanoseconds: 1e9 })).toBe(-EINVAL);
  });

  it("chown() takes set-user-ID away, and set-group-ID from what the group may execute", () => {
    const { kernel } = share();
    const node = kernel.create(ROOT, "name", { mode: 0o6755 });
    kernel.chown(node, 1, 1);
    expect(kernel.attributes(node).mode).toBe(0o100755);
    kernel.chmod(node, 0o6644);
    // chown(path, -1, -1)
    kernel.set(node, { valid: FATTR_CTIME, ctimeSeconds: 1 });
    expect(kernel.attributes(node).mode).toBe(0o102644);
    const dir = kernel.mkdir(ROOT, "dir", { mode: 0o6755 });
    kernel.chown(dir, 1, 1);
    expect(kernel.attributes(dir).mode).toBe(0o046755);
  });

  it("writing and truncating take suid, sgid and capabilities away when the kernel says so", () => {
    const { kernel } = share();
    const node = kernel.create(ROOT, "name", { mode: 0o6755 });
    kernel.setxattr(node, "security.capability", "all");
    kernel.write(node, 0, "x");
    expect(kernel.attributes(node).mode).toBe(0o106755);
    expect(kernel.xattr(node, "security.capability")).toBe(-ENODATA);
    kernel.write(node, 0, "x", FUSE_WRITE_KILL_SUIDGID);
    expect(kernel.attributes(node).mode).toBe(0o100755);
    kernel.chmod(node, 0o6755);
    kernel.set(node, { valid: FATTR_SIZE | FATTR_KILL_SUIDGID, size: 0 });
    expect(kernel.attributes(node).mode).toBe(0o100755);
  });

  it("new inodes take the group and the bit of a directory with set-group-ID", () => {
    const { kernel } = share();
    const dir = kernel.mkdir(ROOT, "dir", { mode: 0o2775, gid: 50 });
    const file = kernel.create(dir, "file", { gid: 7, uid: 3 });
    const sub = kernel.mkdir(dir, "sub", { gid: 7 });
    expect(kernel.attributes(file)).toMatchObject({ mode: 0o100644, gid: 50, uid: 3 });
    expect(kernel.attributes(sub)).toMatchObject({ mode: 0o042755, gid: 50 });
  });

  it("the umask counts unless the directory has a default ACL", () => {
    const { kernel } = share();
    const dir = kernel.mkdir(ROOT, "dir", { mode: 0o777, umask: 0o22 });
    expect(kernel.attributes(dir).mode).toBe(0o040755);
    const given = acl([USER_OBJ, 7], [USER, 6, 9], [GROUP_OBJ, 5], [MASK, 7], [OTHER, 4]);
    expect(kernel.setxattr(dir, ACL_DEFAULT, given)).toBe(0);
    const file = kernel.create(dir, "file", { mode: 0o666, umask: 0o77 });
    expect(kernel.attributes(file).mode).toBe(0o100664);
    const inherited = acl([USER_OBJ, 6], [USER, 6, 9], [GROUP_OBJ, 5], [MASK, 6], [OTHER, 4]);
    expect(kernel.xattr(file, ACL_ACCESS)).toBe(inherited.toString());
    expect(kernel.xattr(file, ACL_DEFAULT)).toBe(-ENODATA);
    const sub = kernel.mkdir(dir, "sub", { mode: 0o777, umask: 0o77 });
    expect(kernel.xattr(sub, ACL_DEFAULT)).toBe(given.toString());
    expect(kernel.attributes(sub).mode).toBe(0o040774);
  });

  it("chmod() and the access ACL follow one another", () => {
    const { kernel } = share();
    const node = kernel.create(ROOT, "name");
    const long = acl([USER_OBJ, 6], [USER, 7, 9], [GROUP_OBJ, 4], [MASK, 7], [OTHER, 0]);
    expect(kernel.setxattr(node, ACL_ACCESS, long)).toBe(0);
    expect(kernel.attributes(node).mode).toBe(0o100670);
    kernel.chmod(node, 0o751);
    const changed = acl([USER_OBJ, 7], [USER, 7, 9], [GROUP_OBJ, 4], [MASK, 5], [OTHER, 1]);
    expect(kernel.xattr(node, ACL_ACCESS)).toBe(changed.toString());
    // One that says no more than a mode is not kept.
    kernel.setxattr(node, ACL_ACCESS, acl([USER_OBJ, 6], [GROUP_OBJ, 4], [OTHER, 4]));
    expect(kernel.attributes(node).mode).toBe(0o100644);
    expect(kernel.xattrs(node)).toEqual([]);
    expect(kernel.setxattr(node, ACL_ACCESS, "no ACL")).toBe(-EINVAL);
    const noMask = acl([USER_OBJ, 6], [USER, 7, 9], [GROUP_OBJ, 4], [OTHER, 0]);
    expect(kernel.setxattr(node, ACL_ACCESS, noMask)).toBe(-EINVAL);
  });

  it("extended attributes are set, replaced, listed, removed and kept", () => {
    const { kernel, store, root, fs, layer } = share();
    const node = kernel.walk("file").nodeid;
    expect(kernel.xattrs(node)).toEqual([]);
    expect(kernel.setxattr(node, "user.a", "1", 2)).toBe(-ENODATA);
    expect(kernel.setxattr(node, "user.a", "1", 1)).toBe(0);
    expect(kernel.setxattr(node, "user.a", "2", 1)).toBe(-EEXIST);
    expect(kernel.setxattr(node, "user.a", "2", 2)).toBe(0);
    expect(kernel.setxattr(node, "trusted.b", "")).toBe(0);
    expect(kernel.setxattr(node, "other.c", "")).toBe(-EOPNOTSUPP);
    expect(kernel.setxattr(node, `user.${"x".repeat(251)}`, "")).toBe(-ERANGE);
    expect(kernel.removexattr(node, "user.z")).toBe(-ENODATA);
    kernel.flush();
    const again = afterCrash(store, root, { kernel, fs, layer }).kernel;
    const found = again.walk("file").nodeid;
    expect(again.xattrs(found)).toEqual(["user.a", "trusted.b"]);
    expect(again.xattrs(found, 1000)).toEqual(["user.a"]);
    expect(again.xattr(found, "other.c")).toBe(-EOPNOTSUPP);
    expect(again.xattr(found, "user.a")).toBe("2");
    expect(again.removexattr(found, "user.a")).toBe(0);
    again.flush();
    expect(again.xattrs(found)).toEqual(["trusted.b"]);
    expect(again.contentOf(found).toString()).toBe("of the base");
  });

  it("the digest of what was never changed is shown where that is asked for", () => {
    const store = new FakeStore();
    const file = store.file("of the base");
    const root = store.tree([["file", file]]);
    const { kernel } = shareOf(store, root, undefined, { showXattr: true });
    const node = kernel.walk("file").nodeid;
    expect(kernel.xattr(node, "user.castore.blob.digest")).toBe(file.digest.toString());
    expect(kernel.xattrs(node)).toContain("user.castore.blob.digest");
    kernel.write(node, 0, "x");
    expect(kernel.xattr(node, "user.castore.blob.digest")).toBe(-ENODATA);
    expect(kernel.xattrs(node)).toEqual([]);
  });

  it("attributes may be gone by for ever, but those of files for a minute, or a second while new", () => {
    const store = new FakeStore();
    const root = store.tree([["file", store.file("of the base")]]);
    const time = { seconds: 1e9 };
    const { kernel } = shareOf(store, root, undefined, { now: () => time.seconds * 1000 });
    const node = kernel.walk("file").nodeid;
    const valid = () => kernel.attributes(node).validSeconds;
    expect([kernel.attributes(ROOT).validSeconds, valid()]).toEqual([FOREVER, 60]);
    kernel.write(node, 0, "x");
    expect(valid()).toBe(1);
    time.seconds += 30;
    expect(valid()).toBe(1);
    time.seconds += 10;
    expect(valid()).toBe(60);
    kernel.create(ROOT, "new");
    expect(kernel.entry.attributes.validSeconds).toBe(1);
    expect(kernel.entry.validSeconds).toBe(FOREVER);
  });
});

/** Every operation of the served share, with every errno, through the socket of a real daemon. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  FUSE_ROOT_ID,
  fuseInitIn,
  fuseInitOut,
  fuseInterruptIn,
  fuseReadIn,
} from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import * as errno from "../../src/base/errno.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { errnoOf, type FuseClient, LINUX_INIT_FLAGS, OPEN_INIT_FLAGS } from "./fuse-client.ts";
import { decode, encode, nameBytes } from "./fuse-request.ts";
import {
  LARGE_BYTES,
  LONG_NAME,
  MANY,
  makeShare,
  ODD_NAME,
  ROOT_NAME,
  type ShareFixture,
  UNICODE_NAME,
} from "./share-fixture.ts";
import { SyntheticVmm } from "./synthetic-vmm.ts";

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_TRUNC = 0o1000;
const W_OK = 2;
const X_OK = 1;
const DT_DIR = 4;
const DT_REG = 8;
const DT_LNK = 10;

/** A nodeid that no daemon has handed out. */
const UNKNOWN = 0xdead_beef;

let share: ShareFixture;
let daemon: DaemonProcess;
let vmm: SyntheticVmm;
let fuse: FuseClient;

beforeAll(() => {
  share = makeShare();
  daemon = DaemonProcess.serve(share.store, "--root", ROOT_NAME, "--show-xattr");
  vmm = SyntheticVmm.start(daemon.socketPath);
  fuse = vmm.session();
});

afterAll(() => {
  vmm?.[Symbol.dispose]();
  daemon?.[Symbol.dispose]();
  share?.[Symbol.dispose]();
});

/** An absent name is answered -ENOENT, or with nodeid 0, which says the same and may be cached. */
function isAbsent(parent: number, name: string): boolean {
  const { error, body } = fuse.request(op.FUSE_LOOKUP, parent, [nameBytes(name)], 128);
  if (error === -errno.ENOENT) return true;
  return error === 0 && body.subarray(0, 8).every((byte) => byte === 0);
}

/** A nodeid that was never handed out, or was forgotten. */
function isStale(act: () => unknown): boolean {
  return [errno.ESTALE, errno.ENOENT].includes(errnoOf(act));
}

describe("LOOKUP", () => {
  it("finds files, directories and symlinks with their modes and sizes", () => {
    expect(fuse.lookup(1, "hello").attr).toMatchObject({ mode: 0o100444, size: 12, nlink: 1 });
    expect(fuse.lookup(1, "run").attr).toMatchObject({ mode: 0o100555, size: 17 });
    expect(fuse.lookup(1, "empty").attr).toMatchObject({ mode: 0o100444, size: 0, blocks: 0 });
    expect(fuse.lookup(1, "large").attr).toMatchObject({ size: LARGE_BYTES });
    expect(fuse.lookup(1, "deep").attr.mode).toBe(0o040555);
    const { mode, size } = fuse.lookup(1, "to-hello").attr;
    expect(mode & 0o170000).toBe(0o120000);
    expect(size).toBe(5);
  });

  it("finds names of 255 bytes, of unicode and of no encoding at all", () => {
    expect(fuse.lookup(1, LONG_NAME).attr.size).toBe(4);
    expect(fuse.lookup(1, UNICODE_NAME).attr.size).toBe(7);
    expect(fuse.lookup(1, ODD_NAME).attr.size).toBe(3);
  });

  it("gives the same nodeid and inode number for the same name each time", () => {
    const first = fuse.lookup(1, "hello");
    const second = fuse.lookup(1, "hello");
    expect(second.nodeid).toBe(first.nodeid);
    expect(second.attr.ino).toBe(first.attr.ino);
  });

  it("keeps an executable and a plain file with the same bytes apart", () => {
    const run = fuse.lookup(1, "run");
    const plain = fuse.lookup(1, "plain-run");
    expect(plain.attr.mode).toBe(0o100444);
    expect(run.attr.mode).toBe(0o100555);
    expect(plain.nodeid).not.toBe(run.nodeid);
    expect(plain.attr.ino).not.toBe(run.attr.ino);
  });

  it("walks deep paths", () => {
    expect(fuse.readAll(fuse.walk("deep/er/and/deeper/leaf").nodeid).toString()).toBe("leaf");
  });

  it("says that an absent name is absent", () => {
    expect(isAbsent(1, "absent")).toBe(true);
    expect(isAbsent(fuse.lookup(1, "empty-directory").nodeid, "hello")).toBe(true);
  });

  it("answers -ENOTDIR below a file and a stale errno below an unknown nodeid", () => {
    const { nodeid } = fuse.lookup(1, "hello");
    expect(errnoOf(() => fuse.lookup(nodeid, "x"))).toBe(errno.ENOTDIR);
    expect(isStale(() => fuse.lookup(UNKNOWN, "x"))).toBe(true);
  });

  it("answers -ENAMETOOLONG for a name of 256 bytes", () => {
    expect(errnoOf(() => fuse.lookup(1, "n".repeat(256)))).toBe(errno.ENAMETOOLONG);
  });
});

describe("GETATTR, STATX and ACCESS", () => {
  it("agree with LOOKUP", () => {
    const { nodeid, attr } = fuse.lookup(1, "p4097");
    expect(fuse.getattr(nodeid)).toEqual(attr);
    const statx = fuse.statx(nodeid);
    expect(statx).toMatchObject({ mode: attr.mode, ino: attr.ino, size: 4097, nlink: 1 });
  });

  it("describe the root as a directory", () => {
    expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
  });

  it("count blocks of 512 bytes", () => {
    const { attr } = fuse.lookup(1, "p4097");
    expect(attr.blocks).toBeGreaterThanOrEqual(Math.ceil(4097 / 512));
    expect(attr.blocks).toBeLessThanOrEqual(16);
  });

  it("a directory has the same size before and after it was listed", () => {
    const { nodeid, attr } = fuse.lookup(1, "many");
    fuse.readdir(nodeid);
    expect(fuse.getattr(nodeid).size).toBe(attr.size);
  });

  it("answer a stale errno for an unknown nodeid", () => {
    expect(isStale(() => fuse.getattr(UNKNOWN))).toBe(true);
    expect(isStale(() => fuse.getattr(0))).toBe(true);
    expect(isStale(() => fuse.statx(UNKNOWN))).toBe(true);
    expect(isStale(() => fuse.access(UNKNOWN, 0))).toBe(true);
  });

  it("ACCESS refuses writing, and executing what is not executable", () => {
    const hello = fuse.lookup(1, "hello").nodeid;
    expect(errnoOf(() => fuse.access(hello, 4))).toBe(0);
    expect(errnoOf(() => fuse.access(hello, W_OK))).toBe(errno.EROFS);
    expect(errnoOf(() => fuse.access(hello, X_OK))).toBe(errno.EACCES);
    expect(errnoOf(() => fuse.access(fuse.lookup(1, "run").nodeid, X_OK))).toBe(0);
  });
});

describe("READLINK", () => {
  it("gives the target without a NUL", () => {
    expect(fuse.readlink(fuse.lookup(1, "to-hello").nodeid).toString()).toBe("hello");
    const absolute = fuse.readlink(fuse.lookup(1, "absolute").nodeid);
    expect(absolute.toString()).toBe("/nix/store/somewhere/else");
    expect(fuse.readlink(fuse.lookup(1, "dangling").nodeid).length).toBe(4095);
  });

  it("answers -EINVAL for what is no symlink", () => {
    expect(errnoOf(() => fuse.readlink(fuse.lookup(1, "hello").nodeid))).toBe(errno.EINVAL);
    expect(errnoOf(() => fuse.readlink(FUSE_ROOT_ID))).toBe(errno.EINVAL);
  });
});

describe("READ", () => {
  it("gives every byte of every file, in requests of any size", () => {
    for (const [name, bytes] of share.files) {
      const { nodeid } = fuse.lookup(1, name);
      expect(Buffer.compare(fuse.readAll(nodeid), bytes), name).toBe(0);
    }
    const { nodeid } = fuse.lookup(1, "large");
    for (const step of [4096, 65536, 1 << 20]) {
      expect(Buffer.compare(fuse.readAll(nodeid, step), share.files.get("large")!)).toBe(0);
    }
  });

  it("starts and ends anywhere", () => {
    const large = share.files.get("large")!;
    const { nodeid } = fuse.lookup(1, "large");
    for (const offset of [1, 4095, 4097, 65535, 262143, 262145, 1 << 20, LARGE_BYTES - 1]) {
      for (const size of [1, 2, 511, 4097, 100_001]) {
        const expected = large.subarray(offset, offset + size);
        expect(Buffer.compare(fuse.read(nodeid, offset, size), expected)).toBe(0);
      }
    }
  });

  it("is short at the end and empty beyond it", () => {
    const { nodeid } = fuse.lookup(1, "p4095");
    expect(fuse.read(nodeid, 4000, 4096).length).toBe(95);
    expect(fuse.read(nodeid, 4095, 4096).length).toBe(0);
    expect(fuse.read(nodeid, 2 ** 40, 4096).length).toBe(0);
    expect(fuse.read(fuse.lookup(1, "empty").nodeid, 0, 4096).length).toBe(0);
    expect(fuse.read(nodeid, 0, 0).length).toBe(0);
  });

  it("answers -EISDIR for a directory and a stale errno for an unknown nodeid", () => {
    expect(errnoOf(() => fuse.read(FUSE_ROOT_ID, 0, 16))).toBe(errno.EISDIR);
    expect(isStale(() => fuse.read(UNKNOWN, 0, 16))).toBe(true);
  });

  it("refuses a symlink", () => {
    expect(errnoOf(() => fuse.read(fuse.lookup(1, "to-hello").nodeid, 0, 16))).toBe(errno.EINVAL);
  });
});

describe("LSEEK", () => {
  it("finds data everywhere and a hole at the end", () => {
    const { nodeid } = fuse.lookup(1, "p4096");
    expect(fuse.lseek(nodeid, 100, SEEK_DATA)).toBe(100);
    expect(fuse.lseek(nodeid, 100, SEEK_HOLE)).toBe(4096);
    expect(errnoOf(() => fuse.lseek(nodeid, 4096, SEEK_DATA))).toBe(errno.ENXIO);
    expect(errnoOf(() => fuse.lseek(nodeid, 2 ** 45, SEEK_HOLE))).toBe(errno.ENXIO);
    expect(errnoOf(() => fuse.lseek(nodeid, 0, 17))).toBe(errno.EINVAL);
  });
});

describe("READDIR and READDIRPLUS", () => {
  const topNames = () =>
    [
      ...[...share.files.keys()].map((name) => Buffer.from(name).toString("latin1")),
      Buffer.from(ODD_NAME).toString("latin1"),
      ...["empty-directory", "deep", "many", "to-hello", "absolute", "dangling"],
    ].sort();
  const names = (entries: readonly { name: Buffer }[]) =>
    entries
      .map((entry) => entry.name.toString("latin1"))
      .filter((name) => name !== "." && name !== "..")
      .sort();

  it("list the root, whatever the size of the buffer", () => {
    for (const size of [600, 1000, 4096, 131_072]) {
      expect(names(fuse.readdir(FUSE_ROOT_ID, size))).toEqual(topNames());
      expect(names(fuse.readdirplus(FUSE_ROOT_ID, size))).toEqual(topNames());
    }
  });

  it("list a large directory completely, each entry once", () => {
    const { nodeid } = fuse.lookup(1, "many");
    const wanted = Array.from({ length: MANY }, (_, index) => `entry-${index}`).sort();
    expect(names(fuse.readdir(nodeid))).toEqual(wanted);
    expect(names(fuse.readdirplus(nodeid))).toEqual(wanted);
    expect(names(fuse.readdirplus(nodeid, 1 << 20))).toEqual(wanted);
  });

  it("go on from any offset that was handed out", () => {
    const { nodeid } = fuse.lookup(1, "many");
    const all = fuse.readdirOnce(nodeid, 0n, 8192);
    for (const [index, entry] of all.slice(0, -1).entries()) {
      const [following] = fuse.readdirOnce(nodeid, entry.next, 4096);
      expect(following?.name.toString()).toBe(all[index + 1]!.name.toString());
    }
  });

  it("say the type and inode number that LOOKUP says", () => {
    const byName = new Map(
      fuse.readdir(FUSE_ROOT_ID).map((entry) => [entry.name.toString(), entry]),
    );
    expect(byName.get("hello")?.type).toBe(DT_REG);
    expect(byName.get("deep")?.type).toBe(DT_DIR);
    expect(byName.get("to-hello")?.type).toBe(DT_LNK);
    expect(byName.get("hello")?.ino).toBe(fuse.lookup(1, "hello").attr.ino);
    for (const { entry, ino, name } of fuse.readdirplus(FUSE_ROOT_ID)) {
      if (name.toString() === "." || name.toString() === "..") continue;
      expect(entry.attr.ino).toBe(ino);
      expect(entry.attr).toEqual(fuse.lookup(1, name).attr);
      expect(entry.nodeid).toBe(fuse.lookup(1, name).nodeid);
    }
  });

  it("an empty directory has no entries but . and ..", () => {
    const { nodeid } = fuse.lookup(1, "empty-directory");
    expect(names(fuse.readdir(nodeid))).toEqual([]);
    expect(names(fuse.readdirplus(nodeid))).toEqual([]);
  });

  it("a buffer too small for one entry is -EINVAL, or an empty reply", () => {
    const list = (size: number) => {
      const args = encode(fuseReadIn, { size });
      return fuse.request(op.FUSE_READDIR, FUSE_ROOT_ID, [args], size);
    };
    for (const size of [0, 1, 23]) {
      const { error, body } = list(size);
      expect([0, -errno.EINVAL]).toContain(error);
      expect(body.length).toBe(0);
    }
  });

  it("answer -ENOTDIR for a file and a stale errno for an unknown nodeid", () => {
    const { nodeid } = fuse.lookup(1, "hello");
    expect(errnoOf(() => fuse.readdir(nodeid))).toBe(errno.ENOTDIR);
    expect(errnoOf(() => fuse.readdirplus(nodeid))).toBe(errno.ENOTDIR);
    expect(isStale(() => fuse.readdirplus(UNKNOWN))).toBe(true);
  });

  it("an offset that was never handed out ends the listing or is refused", () => {
    for (const offset of [1n << 62n, (1n << 64n) - 1n, 123_456_789n]) {
      const code = errnoOf(() => expect(fuse.readdirOnce(1, offset, 4096)).toEqual([]));
      expect([0, errno.EINVAL]).toContain(code);
    }
  });
});

describe("OPEN, OPENDIR, RELEASE and RELEASEDIR", () => {
  it("are told to the kernel as not needed, when it offered that", () => {
    fuse.init();
    expect(errnoOf(() => fuse.open(fuse.lookup(1, "hello").nodeid))).toBe(errno.ENOSYS);
    expect(errnoOf(() => fuse.opendir(FUSE_ROOT_ID))).toBe(errno.ENOSYS);
  });

  it("work for a kernel that cannot do without, and keep its caches", () => {
    fuse.init({ flags: OPEN_INIT_FLAGS });
    const { nodeid } = fuse.lookup(1, "hello");
    const { fh, open_flags } = fuse.open(nodeid);
    expect(open_flags & op.FOPEN_KEEP_CACHE).toBe(op.FOPEN_KEEP_CACHE);
    expect(fuse.read(nodeid, 0, 100, fh).toString()).toBe("Hello World!");
    fuse.release(nodeid, fh);
    const directory = fuse.opendir(FUSE_ROOT_ID);
    expect(fuse.readdir(FUSE_ROOT_ID, 4096, directory.fh).length).toBeGreaterThan(5);
    fuse.releasedir(FUSE_ROOT_ID, directory.fh);
  });

  it("refuse writing, and the wrong kind of inode", () => {
    fuse.init({ flags: OPEN_INIT_FLAGS });
    const hello = fuse.lookup(1, "hello").nodeid;
    expect(errnoOf(() => fuse.open(hello, O_WRONLY))).toBe(errno.EROFS);
    expect(errnoOf(() => fuse.open(hello, O_RDWR))).toBe(errno.EROFS);
    expect(errnoOf(() => fuse.open(hello, O_TRUNC))).toBe(errno.EROFS);
    expect(errnoOf(() => fuse.open(FUSE_ROOT_ID))).toBe(errno.EISDIR);
    expect(errnoOf(() => fuse.opendir(hello))).toBe(errno.ENOTDIR);
    expect(isStale(() => fuse.open(UNKNOWN))).toBe(true);
    expect(isStale(() => fuse.opendir(UNKNOWN))).toBe(true);
  });
});

describe("extended attributes", () => {
  const BLOB = "user.castore.blob.digest";
  const DIRECTORY = "user.castore.directory.digest";

  it("carry the digests in text", () => {
    const hello = fuse.lookup(1, "hello").nodeid;
    const digest = "XKd4Fa3LhOmhNsEcadHWMBd9VJtdGNA4tStSgLSzRww=";
    expect(fuse.getxattr(hello, BLOB).toString()).toMatch(/^blake3-[A-Za-z0-9+/]{43}=$/);
    expect(fuse.getxattr(hello, BLOB).length).toBe("blake3-".length + digest.length);
    expect(fuse.getxattr(FUSE_ROOT_ID, DIRECTORY).toString()).toMatch(/^blake3-/);
  });

  it("are listed by kind", () => {
    expect(fuse.listxattr(fuse.lookup(1, "hello").nodeid)).toContain(BLOB);
    expect(fuse.listxattr(FUSE_ROOT_ID)).toContain(DIRECTORY);
  });

  it("tell their size when asked for it, and -ERANGE when the buffer is too small", () => {
    const hello = fuse.lookup(1, "hello").nodeid;
    expect(fuse.getxattrSize(hello, BLOB)).toBe(fuse.getxattr(hello, BLOB).length);
    expect(errnoOf(() => fuse.getxattr(hello, BLOB, 5))).toBe(errno.ERANGE);
    expect(errnoOf(() => fuse.listxattr(hello, 5))).toBe(errno.ERANGE);
  });

  it("answer -ENODATA for names that are not there", () => {
    const hello = fuse.lookup(1, "hello").nodeid;
    for (const name of [
      "user.absent",
      "security.capability",
      DIRECTORY,
      "system.posix_acl_access",
    ]) {
      expect([errno.ENODATA, errno.EOPNOTSUPP]).toContain(
        errnoOf(() => fuse.getxattr(hello, name)),
      );
    }
  });
});

describe("STATFS", () => {
  it("gives a block size, a name length and no free space", () => {
    const statistics = fuse.statfs();
    expect(statistics).toMatchObject({ namelen: 255, bfree: 0, bavail: 0 });
    expect(statistics.bsize).toBeGreaterThanOrEqual(512);
  });
});

describe("FORGET and BATCH_FORGET", () => {
  it("drop a nodeid when its count reaches zero, not before", () => {
    const { nodeid } = fuse.walk("many/entry-7");
    fuse.walk("many/entry-7");
    fuse.forget(nodeid, 1);
    expect(fuse.getattr(nodeid).size).toBe(1);
    fuse.forget(nodeid, 1);
    expect(isStale(() => fuse.getattr(nodeid))).toBe(true);
    expect(fuse.read(fuse.walk("many/entry-7").nodeid, 0, 10).toString()).toBe("7");
  });

  it("bear unknown nodeids and counts that are too high", () => {
    const { nodeid } = fuse.walk("many/entry-8");
    fuse.forget(UNKNOWN, 1);
    fuse.forget(nodeid, 1_000_000);
    fuse.forget(nodeid, 1_000_000);
    fuse.batchForget([
      { nodeid: UNKNOWN, nlookup: 1 },
      { nodeid: 0, nlookup: 1 },
    ]);
    expect(fuse.walk("many/entry-8").attr.size).toBe(1);
  });

  it("never drop the root", () => {
    fuse.forget(FUSE_ROOT_ID, 1_000_000);
    expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
  });

  it("BATCH_FORGET drops many at once", () => {
    const many = fuse.lookup(1, "many").nodeid;
    const nodeids = [100, 101, 102].map((n) => fuse.lookup(many, `entry-${n}`).nodeid);
    fuse.batchForget(nodeids.map((nodeid) => ({ nodeid, nlookup: 1 })));
    for (const nodeid of nodeids) expect(isStale(() => fuse.getattr(nodeid))).toBe(true);
  });

  it("READDIRPLUS counts as a lookup", () => {
    const deep = fuse.lookup(1, "deep").nodeid;
    const found = fuse.readdirplus(deep).find((entry) => entry.name.toString() === "er")!;
    expect(fuse.getattr(found.entry.nodeid).mode).toBe(0o040555);
    fuse.forget(found.entry.nodeid, 1_000);
    expect(isStale(() => fuse.getattr(found.entry.nodeid))).toBe(true);
  });
});

describe("a read-only share", () => {
  const MODIFYING = [
    "SETATTR",
    "SYMLINK",
    "MKNOD",
    "MKDIR",
    "UNLINK",
    "RMDIR",
    "RENAME",
    "LINK",
    "WRITE",
    "SETXATTR",
    "REMOVEXATTR",
    "CREATE",
    "FALLOCATE",
    "RENAME2",
    "COPY_FILE_RANGE",
    "TMPFILE",
  ] as const;

  it.each(MODIFYING)("answers -EROFS to %s", (name) => {
    // biome-ignore lint/performance/noDynamicNamespaceImportAccess: the table names opcodes
    const opcode = op[`FUSE_${name}`];
    // Enough for the fixed arguments of each, and two names.
    const body = Buffer.concat([Buffer.alloc(96), Buffer.from("a\0b\0")]);
    expect(fuse.request(opcode, FUSE_ROOT_ID, [body], 256).error).toBe(-errno.EROFS);
  });

  it("answers -ENOSYS to what it does not know", () => {
    for (const opcode of [0, 7, 19, 55, 4096, 0xffff_ffff]) {
      expect(fuse.request(opcode, FUSE_ROOT_ID, [Buffer.alloc(64)], 256).error).toBe(-errno.ENOSYS);
    }
  });

  it("has nothing to flush or to sync", () => {
    const hello = fuse.lookup(1, "hello").nodeid;
    for (const opcode of [op.FUSE_FLUSH, op.FUSE_FSYNC, op.FUSE_FSYNCDIR, op.FUSE_SYNCFS]) {
      const { error } = fuse.request(opcode, hello, [Buffer.alloc(24)], 0);
      expect([0, -errno.ENOSYS]).toContain(error);
    }
  });

  it("returns an INTERRUPT without a reply, or says that it knows none", () => {
    const port = vmm.port(0);
    const client = vmm.fuse(0);
    expect(port.inFlight).toBe(0);
    const args = encode(fuseInterruptIn, { unique: new Uint8Array(8).fill(9) });
    client.tell(op.FUSE_INTERRUPT, 0, [args]);
    expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
  });
});

describe("INIT", () => {
  const init = (fields: Parameters<typeof fuse.init>[0]) => fuse.init(fields);

  it("agrees on the kernel's minor, from 27 to 38, and tolerates later ones", () => {
    for (const minor of [27, 31, 36, 38]) expect(init({ minor }).minor).toBeLessThanOrEqual(38);
    for (const minor of [39, 41, 45, 99]) {
      expect(init({ minor })).toMatchObject({ major: 7 });
    }
    expect(init({ minor: 31 }).minor).toBeGreaterThanOrEqual(27);
  });

  it("takes the short arguments of a kernel before 7.36", () => {
    const args = encode(fuseInitIn, { major: 7, minor: 31, flags: LINUX_INIT_FLAGS }).slice(0, 16);
    const { error, body } = fuse.request(op.FUSE_INIT, 0, [args], fuseInitOut.size);
    expect(error).toBe(0);
    expect(decode(fuseInitOut, body).major).toBe(7);
  });

  it("grants only what was offered", () => {
    expect(init({ flags: 0 }).flags & ~op.FUSE_BIG_WRITES).toBe(0);
    const { flags } = init({ flags: op.FUSE_DO_READDIRPLUS | op.FUSE_MAX_PAGES });
    expect(flags & ~(op.FUSE_DO_READDIRPLUS | op.FUSE_MAX_PAGES | op.FUSE_BIG_WRITES)).toBe(0);
  });

  it("grants requests of 1 MiB, and keeps the kernel's caches", () => {
    const granted = init({});
    expect(granted.max_pages).toBeGreaterThanOrEqual(256);
    expect(granted.flags & op.FUSE_CACHE_SYMLINKS).not.toBe(0);
    expect(granted.flags & op.FUSE_AUTO_INVAL_DATA).toBe(0);
    expect(granted.flags & op.FUSE_POSIX_ACL).toBe(0);
  });

  it("answers a later major with its own, and refuses an earlier one", () => {
    const reply = fuse.request(op.FUSE_INIT, 0, [encode(fuseInitIn, { major: 8 })], 64);
    expect(reply.error).toBe(0);
    expect(decode(fuseInitOut, Buffer.concat([reply.body, Buffer.alloc(64)])).major).toBe(7);
    expect(errnoOf(() => init({ major: 6 }))).toBe(errno.EPROTO);
    expect(errnoOf(() => init({ minor: 26 }))).toBe(errno.EPROTO);
  });

  it("a second INIT begins a new session, with no nodeids of the last", () => {
    init({});
    const { nodeid } = fuse.lookup(1, "hello");
    init({});
    expect(isStale(() => fuse.getattr(nodeid))).toBe(true);
  });

  it("DESTROY ends the session; the next INIT begins another", () => {
    fuse.destroy();
    expect(errnoOf(() => fuse.getattr(FUSE_ROOT_ID))).not.toBe(0);
    init({});
    expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
  });
});

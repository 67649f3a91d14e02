import { describe, expect, test } from "vitest";
import {
  fuseAccessIn,
  fuseAttrOut,
  fuseBatchForgetIn,
  fuseEntryOut,
  fuseForgetIn,
  fuseForgetOne,
  fuseGetattrIn,
  fuseGetxattrIn,
  fuseGetxattrOut,
  fuseLseekIn,
  fuseLseekOut,
  fuseOpenIn,
  fuseOpenOut,
  fuseStatfsOut,
  fuseStatxIn,
  fuseStatxOut,
} from "../../src/abi/fuse.ts";
import * as abi from "../../src/abi/fuse-constants.ts";
import * as errno from "../../src/base/errno.ts";
import { ERRORS } from "../../src/fuse/counters.ts";
import { FOREVER } from "../../src/fuse/file-system.ts";
import { FlatRequest, FlatRoom } from "./flat-segments.ts";
import { args, INIT_ALL, Kernel, parse, readArgs, requestBytes } from "./kernel.ts";
import {
  ATTRIBUTE,
  ATTRIBUTE_VALUE,
  CONTENT,
  DIRECTORY,
  HELLO,
  LINK,
  LISTING,
  MAPPED,
  MAPPED_BYTES,
  ROOT,
  ROTTEN,
  StubFileSystem,
  TARGET,
} from "./stub-file-system.ts";

const getattr = args(fuseGetattrIn, {});
const kernel = Kernel.mounted();

describe("names and inodes", () => {
  test("LOOKUP answers with nodeid, attributes and how long both hold", () => {
    const { payload } = kernel.send(abi.FUSE_LOOKUP, ROOT, 128, "hello");
    const entry = parse(fuseEntryOut, payload);
    expect(entry).toMatchObject({ nodeid: HELLO, generation: 0 });
    expect([entry.entry_valid, entry.attr_valid]).toEqual([FOREVER, FOREVER]);
    expect(entry.attr).toEqual({
      ino: 7 * 2 ** 32 + HELLO,
      size: CONTENT.length,
      blocks: 8,
      atime: 0,
      mtime: 0,
      ctime: 0,
      atimensec: 0,
      mtimensec: 0,
      ctimensec: 0,
      mode: 0o100444,
      nlink: 1,
      uid: 10,
      gid: 20,
      rdev: 0,
      blksize: 4096,
      flags: 0,
    });
  });

  test("LOOKUP of an absent name is ENOENT, or nodeid 0 where absence may be remembered", () => {
    expect(kernel.send(abi.FUSE_LOOKUP, ROOT, 128, "absent").error).toBe(-errno.ENOENT);
    const { error, payload } = kernel.send(abi.FUSE_LOOKUP, ROOT, 128, "never");
    expect(error).toBe(0);
    expect(parse(fuseEntryOut, payload)).toMatchObject({ nodeid: 0, entry_valid: FOREVER });
    expect(payload.filter((byte) => byte !== 0).length).toBe(4);
  });

  test.each([
    ["no name", [], errno.EINVAL],
    ["an empty name", [""], errno.EINVAL],
    ["a name without NUL", [Buffer.from("hello")], errno.EINVAL],
    ["`.`", ["."], errno.EINVAL],
    ["`..`", [".."], errno.EINVAL],
    ["a slash", ["a/b"], errno.EINVAL],
    ["a name of 256 bytes", ["n".repeat(256)], errno.ENAMETOOLONG],
    ["a name of 256 bytes without NUL", [Buffer.alloc(256, 0x6e)], errno.ENAMETOOLONG],
    ["a name of 100 KiB", ["n".repeat(102_400)], errno.ENAMETOOLONG],
    ["a name of 255 bytes without NUL", [Buffer.alloc(255, 0x6e)], errno.EINVAL],
    ["a name of 255 bytes", ["n".repeat(255)], errno.ENOENT],
    ["three dots", ["..."], errno.ENOENT],
    ["two dots and a letter", ["..a"], errno.ENOENT],
    ["a dot and a letter", [".a"], errno.ENOENT],
  ] as [string, (string | Uint8Array)[], number][])("LOOKUP with %s", (_, name, expected) => {
    expect(kernel.send(abi.FUSE_LOOKUP, ROOT, 128, ...name).error).toBe(-expected);
  });

  test("GETATTR and STATX agree", () => {
    const attr = parse(fuseAttrOut, kernel.send(abi.FUSE_GETATTR, MAPPED, 104, getattr).payload);
    const statx = kernel.send(abi.FUSE_STATX, MAPPED, 288, args(fuseStatxIn, {}));
    const { stat, attr_valid } = parse(fuseStatxOut, statx.payload);
    expect([attr.attr_valid, attr_valid]).toEqual([FOREVER, FOREVER]);
    for (const name of [
      "ino",
      "size",
      "blocks",
      "mode",
      "nlink",
      "uid",
      "gid",
      "blksize",
    ] as const) {
      expect(stat[name]).toBe(attr.attr[name]);
    }
    expect(stat.mask).toBe(0x7ff);
    expect(stat.btime).toEqual({ tv_sec: 0, tv_nsec: 0, __reserved: 0 });
  });

  test("an unknown nodeid is ESTALE, above 2^53 too", () => {
    expect(kernel.send(abi.FUSE_GETATTR, 999, 104, getattr).error).toBe(-errno.ESTALE);
    const bytes = requestBytes(abi.FUSE_GETATTR, 0, getattr);
    bytes.fill(0xff, 16, 24);
    expect(kernel.sendBytes(bytes, 120).error).toBe(-errno.ESTALE);
  });

  test("READLINK answers with the target, without a NUL", () => {
    expect(Buffer.from(kernel.send(abi.FUSE_READLINK, LINK, 4095).payload)).toEqual(TARGET);
    expect(kernel.send(abi.FUSE_READLINK, HELLO, 4095).error).toBe(-errno.EINVAL);
    expect(kernel.send(abi.FUSE_READLINK, LINK, TARGET.length - 1).error).toBe(-errno.ERANGE);
  });

  test("ACCESS and STATFS ask the file system", () => {
    expect(kernel.send(abi.FUSE_ACCESS, HELLO, 0, args(fuseAccessIn, { mask: 4 })).error).toBe(0);
    expect(kernel.send(abi.FUSE_ACCESS, HELLO, 0, args(fuseAccessIn, { mask: 2 })).error).toBe(
      -errno.EROFS,
    );
    const { st } = parse(fuseStatfsOut, kernel.send(abi.FUSE_STATFS, ROOT, 80).payload);
    expect(st).toMatchObject({ blocks: 1000, files: 5, bsize: 4096, frsize: 4096, namelen: 255 });
    expect([st.bfree, st.bavail, st.ffree]).toEqual([0, 0, 0]);
  });
});

describe("what has no reply", () => {
  test("FORGET passes the count on; one that is too large is the largest there is", () => {
    const fs = new StubFileSystem();
    const mounted = Kernel.mounted(fs);
    const one = args(fuseForgetIn, { nlookup: 3 });
    expect(mounted.send(abi.FUSE_FORGET, HELLO, 100, one).written).toBe(0);
    mounted.send(abi.FUSE_FORGET, HELLO, 0, new Uint8Array(8).fill(0xff));
    expect(fs.forgotten).toEqual([
      [HELLO, 3],
      [HELLO, Number.MAX_SAFE_INTEGER],
    ]);
  });

  test("BATCH_FORGET reads as many as it says, if they are there", () => {
    const fs = new StubFileSystem();
    const mounted = Kernel.mounted(fs);
    const ones = Array.from({ length: 1000 }, (_, index) =>
      args(fuseForgetOne, { nodeid: index, nlookup: index + 1 }),
    );
    const batch = (count: number) => args(fuseBatchForgetIn, { count });
    expect(mounted.send(abi.FUSE_BATCH_FORGET, 0, 16, batch(1000), ...ones).written).toBe(0);
    expect(fs.forgotten).toEqual(ones.map((_, index) => [index, index + 1]));
    mounted.send(abi.FUSE_BATCH_FORGET, 0, 16, batch(1001), ...ones);
    mounted.send(abi.FUSE_BATCH_FORGET, 0, 16, batch(0xffff_ffff), ...ones);
    expect(fs.forgotten.length).toBe(1000);
    mounted.send(abi.FUSE_BATCH_FORGET, 0, 16, batch(2), ...ones);
    expect(fs.forgotten.length).toBe(1002);
  });

  test("BATCH_FORGET with an endless room is not followed for ever", () => {
    const fs = new StubFileSystem();
    const mounted = Kernel.mounted(fs);
    const bytes = requestBytes(
      abi.FUSE_BATCH_FORGET,
      0,
      args(fuseBatchForgetIn, { count: 2 ** 27 }),
    );
    const request = new FlatRequest(bytes);
    Object.defineProperty(request, "length", { value: 0xffff_fff0 });
    new DataView(bytes.buffer).setUint32(0, 0xffff_fff0, true);
    expect(mounted.exchange(request, new FlatRoom(0)).written).toBe(0);
    expect(fs.forgotten).toEqual([]);
  });

  test("INTERRUPT and NOTIFY_REPLY are borne in silence", () => {
    for (const opcode of [abi.FUSE_INTERRUPT, abi.FUSE_NOTIFY_REPLY]) {
      expect(kernel.send(opcode, 0, 100, new Uint8Array(8)).written).toBe(0);
    }
  });
});

describe("files", () => {
  const read = (node: number, offset: number, size: number, room = size) =>
    kernel.send(abi.FUSE_READ, node, room, readArgs(offset, size));

  test("OPEN keeps the kernel's cache, and refuses to write", () => {
    const open = (node: number, flags: number) =>
      kernel.send(abi.FUSE_OPEN, node, 16, args(fuseOpenIn, { flags }));
    expect(parse(fuseOpenOut, open(HELLO, 0).payload)).toMatchObject({
      fh: 0,
      open_flags: abi.FOPEN_KEEP_CACHE,
    });
    expect(open(HELLO, 1).error).toBe(-errno.EROFS);
    expect(open(DIRECTORY, 0).error).toBe(-errno.EISDIR);
  });

  test("OPEN and OPENDIR answer ENOSYS to a kernel that then stops asking", () => {
    const modern = Kernel.mounted(new StubFileSystem(), INIT_ALL);
    const flags = args(fuseOpenIn, {});
    expect(modern.send(abi.FUSE_OPEN, HELLO, 16, flags).error).toBe(-errno.ENOSYS);
    expect(modern.send(abi.FUSE_OPENDIR, DIRECTORY, 16, flags).error).toBe(-errno.ENOSYS);
  });

  test("READ answers with bytes from anywhere, and fewer at the end", () => {
    expect(Buffer.from(read(HELLO, 0, 4096).payload)).toEqual(CONTENT);
    expect(Buffer.from(read(HELLO, 6, 3).payload).toString()).toBe("Wor");
    expect(read(HELLO, 100, 10)).toMatchObject({ written: 16, error: 0 });
    const bytes = read(MAPPED, 10, 8192).payload;
    expect(bytes.length).toBe(MAPPED_BYTES - 10);
    expect(bytes.every((byte, index) => byte === (((index + 10) * 7) & 0xff))).toBe(true);
  });

  test("READ is clipped to the room", () => {
    expect(Buffer.from(read(HELLO, 0, 4096, 5).payload).toString()).toBe("Hello");
    expect(read(HELLO, 0, 0xffff_ffff, 0)).toMatchObject({ written: 16, error: 0 });
  });

  test("READ beyond 2^53 is EINVAL, never a rounded offset", () => {
    expect(read(HELLO, Number.MAX_SAFE_INTEGER, 4096).error).toBe(-errno.EINVAL);
    for (const top of [0x20, 0x7f, 0x80, 0xff]) {
      const bytes = requestBytes(abi.FUSE_READ, HELLO, readArgs(0, 4096));
      bytes.fill(top, 40 + 8, 40 + 16);
      expect(kernel.sendBytes(bytes, 8192).error).toBe(-errno.EINVAL);
    }
  });

  test("READ that fails half-way is EIO and nothing else, logged once", () => {
    const mounted = Kernel.mounted();
    for (let time = 0; time < 3; time++) {
      const reply = mounted.send(abi.FUSE_READ, ROTTEN, 4096, readArgs(0, 4096));
      expect(reply).toMatchObject({ written: 16, error: -errno.EIO });
    }
    expect(mounted.lines).toEqual([
      {
        message: "request failed",
        fields: {
          operation: "read",
          nodeid: ROTTEN,
          message: "Error: rotten blob",
          cause: undefined,
        },
      },
    ]);
  });

  test("READ of a mapping that faults is EIO", () => {
    const room = new FlatRoom(64);
    const request = new FlatRequest(requestBytes(abi.FUSE_READ, MAPPED, readArgs(0, 48)));
    Object.defineProperty(room, "mapping", { get: () => new Uint8Array(30), set: () => {} });
    expect(kernel.exchange(request, room)).toMatchObject({ written: 16, error: -errno.EIO });
  });

  test("LSEEK answers with an offset", () => {
    const seek = (offset: number, whence: number) =>
      kernel.send(abi.FUSE_LSEEK, HELLO, 8, args(fuseLseekIn, { offset, whence }));
    expect(parse(fuseLseekOut, seek(2 ** 35, 3).payload)).toEqual({ offset: 2 ** 35 });
    expect(seek(2 ** 41, 3).error).toBe(-errno.ENXIO);
    expect(seek(0, 0).error).toBe(-errno.EINVAL);
  });

  test("RELEASE and RELEASEDIR succeed", () => {
    expect(kernel.send(abi.FUSE_RELEASE, HELLO, 0, new Uint8Array(24)).error).toBe(0);
    expect(kernel.send(abi.FUSE_RELEASEDIR, HELLO, 0, new Uint8Array(24)).error).toBe(0);
  });
});

describe("directories", () => {
  test("OPENDIR keeps the kernel's caches, and passes a refusal on", () => {
    const flags = args(fuseOpenIn, {});
    const { open_flags } = parse(
      fuseOpenOut,
      kernel.send(abi.FUSE_OPENDIR, DIRECTORY, 16, flags).payload,
    );
    expect(open_flags).toBe(abi.FOPEN_KEEP_CACHE | abi.FOPEN_CACHE_DIR);
    expect(kernel.send(abi.FUSE_OPENDIR, ROOT, 16, flags).error).toBe(-errno.EPERM);
  });

  test("OPENDIR is answered, and nothing is to be kept, where listings may change", () => {
    const fs = new StubFileSystem();
    fs.asksOpendir = true;
    const modern = Kernel.mounted(fs, INIT_ALL);
    const { error, payload } = modern.send(abi.FUSE_OPENDIR, DIRECTORY, 16, args(fuseOpenIn, {}));
    expect(error).toBe(0);
    expect(parse(fuseOpenOut, payload).open_flags).toBe(0);
  });

  test.each([512, 4096, 20_000, 1 << 20])("READDIR lists all in pieces of %i bytes", (size) => {
    const names: string[] = [];
    for (let offset = 0; ; ) {
      const { payload } = kernel.send(abi.FUSE_READDIR, DIRECTORY, size, readArgs(offset, size));
      expect(payload.length).toBeLessThanOrEqual(size);
      if (payload.length === 0) break;
      for (const { name, off, ino, type } of dirents(payload)) {
        expect([ino, type]).toEqual([2 ** 32 + names.length, 8]);
        names.push(name);
        offset = off;
      }
      expect(offset).toBe(names.length);
    }
    expect(names).toEqual(LISTING);
  });

  test.each([512, 4096, 1 << 20])("READDIRPLUS lists all in pieces of %i bytes", (size) => {
    const names: string[] = [];
    for (let offset = 0; ; ) {
      const { payload } = kernel.send(
        abi.FUSE_READDIRPLUS,
        DIRECTORY,
        size,
        readArgs(offset, size),
      );
      expect(payload.length).toBeLessThanOrEqual(size);
      if (payload.length === 0) break;
      for (let at = 0; at < payload.length; ) {
        const entry = parse(fuseEntryOut, payload.subarray(at));
        const [dirent] = dirents(payload.subarray(at + fuseEntryOut.size), 1);
        expect(entry.nodeid).toBe(names.length < 2 ? 0 : 100 + names.length);
        expect(entry.attr.size).toBe(CONTENT.length);
        expect(dirent!.type).toBe(8);
        names.push(dirent!.name);
        offset = dirent!.off;
        at += fuseEntryOut.size + dirent!.size;
      }
    }
    expect(names).toEqual(LISTING);
  });

  test("READDIR with a size or a room too small for one entry is empty", () => {
    for (const [room, size] of [
      [4096, 16],
      [16, 4096],
      [4096, 0],
    ] as const) {
      for (const opcode of [abi.FUSE_READDIR, abi.FUSE_READDIRPLUS]) {
        expect(kernel.send(opcode, DIRECTORY, room, readArgs(0, size)).written).toBe(16);
      }
    }
    expect(kernel.send(abi.FUSE_READDIR, HELLO, 4096, readArgs(0, 4096)).error).toBe(
      -errno.ENOTDIR,
    );
  });
});

describe("extended attributes", () => {
  const get = (size: number, name: string | Uint8Array = ATTRIBUTE.toString(), room = 4096) =>
    kernel.send(abi.FUSE_GETXATTR, HELLO, room, args(fuseGetxattrIn, { size }), name);

  test("GETXATTR answers with the size, the value, or that it does not fit", () => {
    expect(parse(fuseGetxattrOut, get(0).payload).size).toBe(ATTRIBUTE_VALUE.length);
    expect(Buffer.from(get(ATTRIBUTE_VALUE.length).payload)).toEqual(ATTRIBUTE_VALUE);
    expect(Buffer.from(get(4096).payload)).toEqual(ATTRIBUTE_VALUE);
    expect(get(ATTRIBUTE_VALUE.length - 1).error).toBe(-errno.ERANGE);
    expect(get(4096, ATTRIBUTE.toString(), 8).error).toBe(-errno.ERANGE);
    expect(get(4096, "user.a/b").error).toBe(-errno.ENODATA);
    expect(get(4096, "").error).toBe(-errno.EINVAL);
    expect(get(4096, Buffer.from("user.x")).error).toBe(-errno.EINVAL);
  });

  test("LISTXATTR lists names with their NUL", () => {
    const list = (size: number) =>
      kernel.send(abi.FUSE_LISTXATTR, HELLO, 4096, args(fuseGetxattrIn, { size }));
    expect(parse(fuseGetxattrOut, list(0).payload).size).toBe(ATTRIBUTE.length + 1);
    expect(Buffer.from(list(100).payload).toString()).toBe(`${ATTRIBUTE}\0`);
    expect(list(ATTRIBUTE.length).error).toBe(-errno.ERANGE);
  });
});

describe("what is refused", () => {
  test.each([
    ["EROFS", errno.EROFS, [4, 6, 8, 9, 10, 11, 12, 13, 16, 21, 24, 35, 43, 45, 47, 51, 53]],
    [
      "ENOSYS",
      errno.ENOSYS,
      [20, 25, 30, 31, 32, 33, 37, 40, 48, 49, 50, 0, 7, 19, 54, 4096, 2 ** 31],
    ],
    ["ENOTTY", errno.ENOTTY, [39]],
  ] as [string, number, number[]][])("%s", (_, error, opcodes) => {
    for (const opcode of opcodes) {
      expect([opcode, kernel.send(opcode, HELLO, 4096, new Uint8Array(200)).error]).toEqual([
        opcode,
        -error,
      ]);
    }
  });

  test("a header whose length lies is EINVAL", () => {
    for (const lie of [0, 39, 55, 57, 0xffff_ffff]) {
      const bytes = requestBytes(abi.FUSE_GETATTR, HELLO, getattr);
      new DataView(bytes.buffer).setUint32(0, lie, true);
      expect(kernel.sendBytes(bytes, 120).error).toBe(-errno.EINVAL);
    }
  });

  test("a request shorter than its header gets no reply", () => {
    const bytes = requestBytes(abi.FUSE_GETATTR, HELLO, getattr);
    for (const length of [0, 1, 39]) {
      expect(kernel.sendBytes(bytes.slice(0, length), 120).written).toBe(0);
    }
  });

  test("arguments that are not all there are EINVAL", () => {
    for (let length = 0; length < getattr.length; length++) {
      const reply = kernel.send(abi.FUSE_GETATTR, HELLO, 104, getattr.subarray(0, length));
      expect(reply.error).toBe(-errno.EINVAL);
    }
  });

  test("a room too small for the answer gets an error, one too small for that gets nothing", () => {
    const fs = new StubFileSystem();
    const mounted = Kernel.mounted(fs);
    const bytes = requestBytes(abi.FUSE_LOOKUP, ROOT, "hello");
    for (let room = 0; room < 144; room++) {
      const reply = mounted.sendBytes(bytes, room);
      expect(reply).toMatchObject(
        room < 16 ? { written: 0 } : { written: 16, error: -errno.EINVAL },
      );
    }
    expect(fs.lookups).toBe(0);
    expect(mounted.sendBytes(bytes, 144).error).toBe(0);
  });

  test("refuse() answers EIO to what has a header and a room, and wants a reply", () => {
    const refuse = (bytes: Uint8Array, bytesOfRoom: number) => {
      const room = new FlatRoom(bytesOfRoom);
      return kernel.server.refuse(new FlatRequest(bytes), room);
    };
    expect(refuse(requestBytes(abi.FUSE_GETATTR, HELLO), 16)).toBe(16);
    expect(refuse(requestBytes(abi.FUSE_GETATTR, HELLO), 15)).toBe(0);
    expect(refuse(requestBytes(abi.FUSE_GETATTR, HELLO).subarray(0, 39), 100)).toBe(0);
    expect(refuse(requestBytes(abi.FUSE_FORGET, HELLO), 100)).toBe(0);
  });
});

test("requests and errors are counted by opcode, unknown ones in slot 0", () => {
  const { server, ...mounted } = Kernel.mounted();
  expect(mounted.lines).toEqual([]);
  const counted = (opcode: number) => [server.counters[opcode], server.counters[ERRORS + opcode]];
  server.handle(new FlatRequest(requestBytes(abi.FUSE_STATFS, 1)), new FlatRoom(96));
  server.handle(new FlatRequest(requestBytes(abi.FUSE_MKDIR, 1)), new FlatRoom(96));
  server.handle(new FlatRequest(requestBytes(12_345, 1)), new FlatRoom(96));
  expect(counted(abi.FUSE_INIT)).toEqual([1, 0]);
  expect(counted(abi.FUSE_STATFS)).toEqual([1, 0]);
  expect(counted(abi.FUSE_MKDIR)).toEqual([1, 1]);
  expect(counted(0)).toEqual([1, 1]);
});

test("different failures are each logged once, until there are too many to remember", () => {
  const fs = new StubFileSystem();
  const mounted = Kernel.mounted(fs);
  for (let round = 0; round < 2; round++) {
    for (let failure = 0; failure < 200; failure++) {
      fs.failure = new Error(`failure ${failure}`, { cause: new Error("disk") });
      expect(mounted.send(abi.FUSE_LOOKUP, ROOT, 128, "hello").error).toBe(-errno.EIO);
    }
  }
  expect(mounted.lines.length).toBe(200);
  expect(mounted.lines[0]!.fields).toMatchObject({ operation: "lookup", cause: "Error: disk" });
});

/** Takes records of `struct fuse_dirent` apart, checking their padding. */
function dirents(payload: Uint8Array, count = Number.POSITIVE_INFINITY) {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const found = [];
  for (let at = 0; at < payload.length && found.length < count; ) {
    const length = view.getUint32(at + 16, true);
    const size = 24 + ((length + 7) & ~7);
    const name = Buffer.from(payload.subarray(at + 24, at + 24 + length)).toString();
    expect(payload.subarray(at + 24 + length, at + size).every((byte) => byte === 0)).toBe(true);
    const ino = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
    found.push({
      name,
      size,
      ino,
      off: view.getUint32(at + 8, true),
      type: view.getUint32(at + 20, true),
    });
    at += size;
  }
  return found;
}

/** Requests that change something, from their bytes to the file system and back. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  fuseAttrOut,
  fuseCopyFileRangeIn,
  fuseCopyFileRangeOut,
  fuseCreateIn,
  fuseEntryOut,
  fuseFallocateIn,
  fuseInHeader,
  fuseInitIn,
  fuseInitOut,
  fuseLinkIn,
  fuseLseekIn,
  fuseMkdirIn,
  fuseMknodIn,
  fuseOpenOut,
  fuseRename2In,
  fuseRenameIn,
  fuseSetattrIn,
  fuseSetxattrIn,
  fuseStatfsOut,
  fuseStatxIn,
  fuseStatxOut,
  fuseWriteIn,
  fuseWriteOut,
} from "../../src/abi/fuse.ts";
import * as abi from "../../src/abi/fuse-constants.ts";
import * as errno from "../../src/base/errno.ts";
import { MISSING } from "../../src/base/missing.ts";
import { SYNCING, WAITING } from "../../src/base/waiting.ts";
import { ERRORS } from "../../src/fuse/counters.ts";
import { PARKED } from "../../src/fuse/server.ts";
import { FlatRequest, FlatRoom } from "./flat-segments.ts";
import { args, INIT_ALL, Kernel, parse, requestBytes } from "./kernel.ts";
import { MODIFYING_REQUESTS, type ModifyingRequest } from "./modifying-requests.ts";
import { MADE, RecordingFileSystem } from "./recording-modifications.ts";
import { HELLO, ROOT, StubFileSystem } from "./stub-file-system.ts";

const ROOM = 512;

const WITHOUT_WRITEBACK_CACHE = args(fuseInitIn, {
  major: 7,
  minor: 38,
  flags: 0x7fff_ffff & ~abi.FUSE_WRITEBACK_CACHE,
});

function mounted(init: Uint8Array = INIT_ALL) {
  const fs = new RecordingFileSystem();
  const kernel = Kernel.mounted(fs, init);
  return { kernel, modifications: fs.modifications };
}

const send = (kernel: Kernel, { opcode, nodeid, parts }: ModifyingRequest, room = ROOM) =>
  kernel.send(opcode, nodeid, room, ...parts);

/** The error of a request that must not get to the file system. */
function refusal(opcode: number, nodeid: number, ...parts: (Uint8Array | string)[]): number {
  const { kernel, modifications } = mounted();
  const { error } = kernel.send(opcode, nodeid, ROOM, ...parts);
  expect(modifications.calls).toEqual([]);
  return -error;
}

test("a page written back is told apart only where the kernel collects writes, and sends the times", () => {
  const flagsOf = (init: Uint8Array) => {
    const { kernel, modifications } = mounted(init);
    const write = args(fuseWriteIn, { size: 1, write_flags: abi.FUSE_WRITE_CACHE });
    kernel.send(abi.FUSE_WRITE, HELLO, ROOM, write, new Uint8Array(1));
    return modifications.calls[0]?.at(-1);
  };
  expect(flagsOf(INIT_ALL)).toBe(abi.FUSE_WRITE_CACHE);
  expect(flagsOf(WITHOUT_WRITEBACK_CACHE)).toBe(0);
});

test("the times of contents are the kernel's affair where it collects writes", () => {
  expect(mounted(INIT_ALL).modifications.kernelKeepsTimes).toBe(true);
  expect(mounted(WITHOUT_WRITEBACK_CACHE).modifications.kernelKeepsTimes).toBe(false);
});

test("holes are the kernel's affair where it may have data that the file system has not got yet", () => {
  const seek = (init: Uint8Array) =>
    mounted(init).kernel.send(abi.FUSE_LSEEK, HELLO, 8, args(fuseLseekIn, { whence: 3 })).error;
  expect(seek(INIT_ALL)).toBe(-errno.ENOSYS);
  expect(seek(WITHOUT_WRITEBACK_CACHE)).toBe(0);
});

describe.each(MODIFYING_REQUESTS)("$name", (request) => {
  test("asks the file system for what the request says, and answers with its struct", () => {
    const { kernel, modifications } = mounted();
    const { error, payload } = send(kernel, request);
    expect(modifications.calls).toEqual([request.call]);
    expect([error, payload.length]).toEqual([0, request.payload]);
  });

  test("answers the file system's errno, without a payload", () => {
    const { kernel, modifications } = mounted();
    modifications.result = -errno.ENOSPC;
    const { error, payload } = send(kernel, request);
    expect([error, payload.length]).toEqual([-errno.ENOSPC, 0]);
  });

  test("is refused by a file system without modifications", () => {
    const { error } = send(Kernel.mounted(new StubFileSystem()), request);
    const asked = ["FSYNC", "FSYNCDIR", "SYNCFS"].includes(request.name);
    expect(error).toBe(asked ? -errno.ENOSYS : -errno.EROFS);
  });

  test("changes nothing when any byte of it is missing, or the room for its answer", () => {
    const { kernel, modifications } = mounted();
    const bytes = requestBytes(request.opcode, request.nodeid, ...request.parts);
    const view = new DataView(bytes.buffer);
    const lengths = new Set([0, 1, 39, 40, 41, 56, 72, 80, bytes.length - 1]);
    for (let length = bytes.length; length > 0; length = Math.floor(length * 0.9)) {
      if (length < bytes.length) lengths.add(length);
    }
    for (const length of lengths) {
      // TMPFILE's name is none, and is not looked at.
      if (length >= bytes.length - (request.name === "TMPFILE" ? 2 : 0)) continue;
      view.setUint32(fuseInHeader.at.len, length, true);
      const { error, written } = kernel.sendBytes(bytes.slice(0, length), 16 + ROOM);
      if (written > 0) expect(error).toBeLessThan(0);
    }
    for (let room = 0; room < request.payload; room += 7) send(kernel, request, room);
    expect(modifications.calls).toEqual([]);
  });

  test("is asked again when it was parked, and concluded when it was performed", () => {
    const { kernel, modifications } = mounted();
    const { opcode, nodeid, parts } = request;
    const readable = () => new FlatRequest(requestBytes(opcode, nodeid, ...parts));
    const room = new FlatRoom(16 + ROOM);
    const { server } = kernel;
    for (const [status, why] of [
      [MISSING, "missing"],
      [WAITING, "waiting"],
    ] as const) {
      modifications.result = status;
      expect(server.handle(readable(), room)).toBe(PARKED);
      expect(server.parkedFor).toBe(why);
      expect([server.counters[opcode], room.touched]).toEqual([0, 0]);
    }
    modifications.result = SYNCING;
    modifications.ticket.last = 42;
    expect(server.handle(readable(), room)).toBe(PARKED);
    expect([server.parkedFor, server.ticket]).toEqual(["syncing", 42]);
    expect(modifications.calls).toEqual([request.call, request.call, request.call]);
    expect([server.conclude(readable(), room, 0), room.touched]).toEqual([16, 16]);
    expect(new DataView(room.bytes.buffer).getInt32(4, true)).toBe(0);
    expect([server.counters[opcode], server.counters[ERRORS + opcode]]).toEqual([1, 0]);
    expect(server.conclude(readable(), room, errno.EIO)).toBe(16);
    expect(new DataView(room.bytes.buffer).getInt32(4, true)).toBe(-errno.EIO);
    expect([server.counters[opcode], server.counters[ERRORS + opcode]]).toEqual([1, 1]);
  });

  test("is judged by one copy of its names, whatever the guest makes of them meanwhile", () => {
    const { kernel, modifications } = mounted();
    const bytes = requestBytes(request.opcode, request.nodeid, ...request.parts);
    const evil = new FlatRequest(bytes, () => bytes.fill(0x2f, fuseInHeader.size));
    kernel.exchange(evil, new FlatRoom(16 + ROOM));
    for (const call of modifications.calls) {
      for (const [index, parameter] of call.entries()) {
        if (typeof parameter !== "string" || request.name === "SYMLINK") continue;
        // Names within the first copy are those of the request; longer ones may end in what came.
        expect(parameter.slice(0, 200)).toBe((request.call[index] as string).slice(0, 200));
      }
    }
  });
});

describe("answers", () => {
  test("CREATE's is an entry and an open file", () => {
    const { kernel } = mounted();
    const create = MODIFYING_REQUESTS.find(({ name }) => name === "CREATE")!;
    const { payload } = send(kernel, create);
    expect(parse(fuseEntryOut, payload)).toMatchObject({ nodeid: MADE, entry_valid: 5 });
    expect(parse(fuseOpenOut, payload.subarray(fuseEntryOut.size))).toEqual({
      fh: 0,
      open_flags: abi.FOPEN_KEEP_CACHE,
      padding: 0,
    });
  });

  test("WRITE's and COPY_FILE_RANGE's are the bytes that were taken", () => {
    const { kernel } = mounted();
    const data = args(fuseWriteIn, { offset: 0, size: 3 });
    const { payload } = kernel.send(abi.FUSE_WRITE, HELLO, ROOM, data, Buffer.from("abcdef"));
    expect(parse(fuseWriteOut, payload)).toEqual({ size: 3, padding: 0 });
    const whole = args(fuseCopyFileRangeIn, { nodeid_out: 2, len: Number.MAX_SAFE_INTEGER });
    new DataView(whole.buffer).setUint32(fuseCopyFileRangeIn.at.len + 4, 0xffff_ffff, true);
    const short = kernel.send(abi.FUSE_COPY_FILE_RANGE, HELLO, ROOM, whole);
    expect(parse(fuseWriteOut, short.payload).size).toBe(0xffff_f000);
    const long = kernel.send(abi.FUSE_COPY_FILE_RANGE_64, HELLO, ROOM, whole);
    expect(parse(fuseCopyFileRangeOut, long.payload).bytes_copied).toBe(0xffff_f000);
  });

  test("attributes carry times before the epoch, devices, and the time of birth", () => {
    const fs = new RecordingFileSystem();
    const getattr = fs.getattr.bind(fs);
    fs.getattr = (node, attributes) => {
      attributes.atimeSeconds = -1;
      attributes.atimeNanoseconds = 999_999_999;
      attributes.mtimeSeconds = -(2 ** 40);
      attributes.ctimeSeconds = 2 ** 33 + 5;
      attributes.ctimeNanoseconds = 7;
      attributes.btimeSeconds = 11;
      attributes.btimeNanoseconds = 12;
      // Major 0xabc, minor 0xdef12.
      attributes.rdev = 0xdefabc12;
      return getattr(node, attributes);
    };
    const kernel = Kernel.mounted(fs);
    const old = kernel.send(abi.FUSE_GETATTR, HELLO, ROOM, new Uint8Array(16));
    const view = new DataView(old.payload.buffer, old.payload.byteOffset + fuseAttrOut.at.attr);
    expect([24, 32, 40].map((at) => view.getBigInt64(at, true))).toEqual([
      -1n,
      -(2n ** 40n),
      2n ** 33n + 5n,
    ]);
    expect([48, 52, 56].map((at) => view.getUint32(at, true))).toEqual([999_999_999, 0, 7]);
    expect(view.getUint32(76, true)).toBe(0xdefabc12);
    const { payload } = kernel.send(abi.FUSE_STATX, HELLO, ROOM, args(fuseStatxIn, {}));
    const { stat } = parse(fuseStatxOut, payload);
    expect(stat).toMatchObject({
      mask: 0xfff,
      atime: { tv_sec: -1, tv_nsec: 999_999_999 },
      btime: { tv_sec: 11, tv_nsec: 12 },
      ctime: { tv_sec: 2 ** 33 + 5, tv_nsec: 7 },
      mtime: { tv_sec: -(2 ** 40), tv_nsec: 0 },
      rdev_major: 0xabc,
      rdev_minor: 0xdef12,
    });
  });

  test("STATFS says what is free", () => {
    const fs = new RecordingFileSystem();
    fs.statfs = (_, statistics) => {
      statistics.blocks = 100;
      statistics.freeBlocks = 60;
      statistics.freeFiles = 1e9;
      return 0;
    };
    const { payload } = Kernel.mounted(fs).send(abi.FUSE_STATFS, ROOT, ROOM);
    const { st } = parse(fuseStatfsOut, payload);
    expect([st.blocks, st.bfree, st.bavail, st.ffree]).toEqual([100, 60, 60, 1e9]);
  });
});

describe("numbers that make no sense", () => {
  const huge = (bytes: Uint8Array, at: number) => {
    new DataView(bytes.buffer).setUint32(at + 4, 0xffff_ffff, true);
    return bytes;
  };
  const write = (values: Parameters<typeof fuseWriteIn.write>[2]) => args(fuseWriteIn, values);
  const fallocate = (values: Parameters<typeof fuseFallocateIn.write>[2]) =>
    args(fuseFallocateIn, values);
  const copy = (values: Parameters<typeof fuseCopyFileRangeIn.write>[2]) =>
    args(fuseCopyFileRangeIn, { nodeid_out: HELLO, len: 10, ...values });
  const setattr = (values: Parameters<typeof fuseSetattrIn.write>[2]) =>
    args(fuseSetattrIn, values);
  const { MAX_SAFE_INTEGER } = Number;

  test.each([
    ["WRITE of more than was sent", abi.FUSE_WRITE, write({ size: 11 }), errno.EINVAL],
    ["WRITE of 4 GiB", abi.FUSE_WRITE, write({ size: 0xffff_ffff }), errno.EINVAL],
    ["WRITE beyond 2^53", abi.FUSE_WRITE, huge(write({}), fuseWriteIn.at.offset), errno.EFBIG],
    [
      "WRITE across 2^53",
      abi.FUSE_WRITE,
      write({ offset: MAX_SAFE_INTEGER - 5, size: 10 }),
      errno.EFBIG,
    ],
    ["FALLOCATE of nothing", abi.FUSE_FALLOCATE, fallocate({ offset: 1 }), errno.EINVAL],
    [
      "FALLOCATE from beyond 2^53",
      abi.FUSE_FALLOCATE,
      huge(fallocate({ length: 1 }), fuseFallocateIn.at.offset),
      errno.EFBIG,
    ],
    [
      "FALLOCATE of more than 2^53",
      abi.FUSE_FALLOCATE,
      huge(fallocate({ length: 1 }), fuseFallocateIn.at.length),
      errno.EFBIG,
    ],
    [
      "FALLOCATE across 2^53",
      abi.FUSE_FALLOCATE,
      fallocate({ offset: MAX_SAFE_INTEGER, length: MAX_SAFE_INTEGER }),
      errno.EFBIG,
    ],
    ["copying with flags", abi.FUSE_COPY_FILE_RANGE, copy({ flags: 1 }), errno.EINVAL],
    [
      "copying from beyond 2^53",
      abi.FUSE_COPY_FILE_RANGE,
      huge(copy({}), fuseCopyFileRangeIn.at.off_in),
      errno.EINVAL,
    ],
    [
      "copying to beyond 2^53",
      abi.FUSE_COPY_FILE_RANGE,
      huge(copy({}), fuseCopyFileRangeIn.at.off_out),
      errno.EFBIG,
    ],
    [
      "copying to an inode beyond 2^53",
      abi.FUSE_COPY_FILE_RANGE,
      huge(copy({}), fuseCopyFileRangeIn.at.nodeid_out),
      errno.ESTALE,
    ],
    [
      "a size beyond 2^53",
      abi.FUSE_SETATTR,
      huge(setattr({ valid: abi.FATTR_SIZE }), fuseSetattrIn.at.size),
      errno.EFBIG,
    ],
    [
      "a second's nanoseconds",
      abi.FUSE_SETATTR,
      setattr({ valid: abi.FATTR_MTIME, mtimensec: 1e9 }),
      errno.EINVAL,
    ],
  ] as const)("%s is refused", (_, opcode, bytes, expected) => {
    expect(refusal(opcode, HELLO, bytes, new Uint8Array(10))).toBe(expected);
  });

  test("SETATTR ignores what it is not told to look at, and clamps times", () => {
    const { kernel, modifications } = mounted();
    const bytes = setattr({ valid: abi.FATTR_MTIME | abi.FATTR_ATIME, ctimensec: 0xffff_ffff });
    huge(bytes, fuseSetattrIn.at.size);
    new DataView(bytes.buffer).setBigInt64(fuseSetattrIn.at.mtime, -(2n ** 62n), true);
    new DataView(bytes.buffer).setBigInt64(fuseSetattrIn.at.atime, 2n ** 62n, true);
    expect(kernel.send(abi.FUSE_SETATTR, HELLO, ROOM, bytes).error).toBe(0);
    expect(modifications.calls[0]![2]).toMatchObject({
      mtimeSeconds: Number.MIN_SAFE_INTEGER,
      atimeSeconds: MAX_SAFE_INTEGER,
    });
  });
});

describe("names", () => {
  const bad: [string, Uint8Array | string, number][] = [
    ["an empty name", "", errno.EINVAL],
    ["`.`", ".", errno.EINVAL],
    ["`..`", "..", errno.EINVAL],
    ["a slash", "a/b", errno.EINVAL],
    ["256 bytes", "n".repeat(256), errno.ENAMETOOLONG],
    ["10,000 bytes", "n".repeat(10_000), errno.ENAMETOOLONG],
    ["no NUL", Buffer.alloc(200, "n"), errno.EINVAL],
  ];
  const named: [string, number, (Uint8Array | string)[]][] = [
    ["CREATE", abi.FUSE_CREATE, [args(fuseCreateIn, {})]],
    ["MKNOD", abi.FUSE_MKNOD, [args(fuseMknodIn, {})]],
    ["MKDIR", abi.FUSE_MKDIR, [args(fuseMkdirIn, {})]],
    ["UNLINK", abi.FUSE_UNLINK, []],
    ["RMDIR", abi.FUSE_RMDIR, []],
    ["LINK", abi.FUSE_LINK, [args(fuseLinkIn, { oldnodeid: HELLO })]],
    ["RENAME's second", abi.FUSE_RENAME, [args(fuseRenameIn, { newdir: ROOT }), "n".repeat(255)]],
    ["RENAME2's second", abi.FUSE_RENAME2, [args(fuseRename2In, { newdir: ROOT }), "a"]],
  ];

  test.each(named)("%s is checked as LOOKUP's", (_, opcode, before) => {
    for (const [what, name, expected] of bad) {
      expect([what, refusal(opcode, ROOT, ...before, name)]).toEqual([what, expected]);
    }
  });

  test("RENAME's first is checked, too, and two are needed", () => {
    const into = args(fuseRenameIn, { newdir: ROOT });
    for (const [what, name, expected] of bad) {
      if (name instanceof Uint8Array) continue;
      expect([what, refusal(abi.FUSE_RENAME, ROOT, into, name, "b")]).toEqual([what, expected]);
    }
    expect(refusal(abi.FUSE_RENAME, ROOT, into, "a")).toBe(errno.EINVAL);
  });

  test("directories that no number names are stale", () => {
    const beyond = new Uint8Array(8).fill(0xff);
    expect(refusal(abi.FUSE_RENAME, ROOT, beyond, "a", "b")).toBe(errno.ESTALE);
    expect(refusal(abi.FUSE_LINK, ROOT, beyond, "a")).toBe(errno.ESTALE);
  });

  test.each([3, 4, 8, 0xffff_ffff])("RENAME2 with flags %i is refused", (flags) => {
    const into = args(fuseRename2In, { newdir: ROOT, flags });
    expect(refusal(abi.FUSE_RENAME2, ROOT, into, "a", "b")).toBe(errno.EINVAL);
  });

  test.each([
    ["an empty target", [""], errno.EINVAL],
    ["a target of 4096 bytes", ["t".repeat(4096)], errno.ENAMETOOLONG],
    ["a target of 100 KiB", ["t".repeat(102_400)], errno.ENAMETOOLONG],
    ["a target without NUL", [Buffer.alloc(4095, "t")], errno.EINVAL],
    ["no target", [], errno.EINVAL],
  ] as [string, (string | Uint8Array)[], number][])("SYMLINK with %s is refused", (...row) => {
    const [, target, expected] = row;
    expect(refusal(abi.FUSE_SYMLINK, ROOT, "n".repeat(255), ...target)).toBe(expected);
  });

  test("two names of any length come through whole", () => {
    const name = fc.uint8Array({ min: 0x30, max: 0xff, minLength: 1, maxLength: 255 });
    const target = fc.uint8Array({ min: 1, max: 0xff, minLength: 1, maxLength: 4095 });
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
    const nul = (bytes: Uint8Array) => Buffer.concat([bytes, Buffer.alloc(1)]);
    fc.assert(
      fc.property(name, name, target, (first, second, pointed) => {
        const { kernel, modifications } = mounted();
        const into = args(fuseRename2In, { newdir: ROOT });
        kernel.send(abi.FUSE_RENAME2, ROOT, ROOM, into, nul(first), nul(second));
        kernel.send(abi.FUSE_SYMLINK, ROOT, ROOM, nul(first), nul(pointed));
        expect(modifications.calls).toMatchObject([
          ["rename", ROOT, text(first), ROOT, text(second), 0],
          ["symlink", ROOT, text(first), text(pointed), {}],
        ]);
      }),
    );
  });

  test("MKNOD makes files, devices, FIFOs and sockets, and nothing else", () => {
    const { kernel, modifications } = mounted();
    const made = [];
    for (let type = 0; type < 16; type++) {
      const bytes = args(fuseMknodIn, { mode: (type << 12) | 0o7644 });
      const { error } = kernel.send(abi.FUSE_MKNOD, ROOT, ROOM, bytes, "a");
      if (error === 0) made.push(type);
    }
    expect(made).toEqual([0, 1, 2, 6, 8, 12]);
    expect(modifications.calls[0]).toMatchObject(["mknod", ROOT, "a", { mode: 0o107644 }]);
  });
});

describe("extended attributes", () => {
  const setxattr = (size: number, flags = 0) => args(fuseSetxattrIn, { size, flags });

  test.each([
    ["a value above 64 KiB", [setxattr(65_537), "user.a", new Uint8Array(65_537)], errno.E2BIG],
    ["more than was sent", [setxattr(11), "user.a", new Uint8Array(10)], errno.EINVAL],
    ["unknown flags", [setxattr(0, 4), "user.a"], errno.EINVAL],
    ["no name", [setxattr(0), ""], errno.EINVAL],
    ["a name of 256 bytes", [setxattr(0), "n".repeat(256)], errno.ENAMETOOLONG],
  ] as [string, (string | Uint8Array)[], number][])("SETXATTR of %s is refused", (...row) => {
    const [, parts, expected] = row;
    expect(refusal(abi.FUSE_SETXATTR, HELLO, ...parts)).toBe(expected);
  });

  test("SETXATTR is eight bytes where FUSE_SETXATTR_EXT was not taken, and may be of nothing", () => {
    const flags = 0x7fff_ffff & ~abi.FUSE_SETXATTR_EXT;
    const { kernel, modifications } = mounted(args(fuseInitIn, { major: 7, minor: 31, flags }));
    const short = setxattr(3, 2).subarray(0, 8);
    kernel.send(abi.FUSE_SETXATTR, HELLO, ROOM, short, "user.a", Buffer.from("abc"));
    kernel.send(abi.FUSE_SETXATTR, HELLO, ROOM, new Uint8Array(8), "user.b");
    expect(modifications.calls).toEqual([
      ["setxattr", HELLO, "user.a", Buffer.from("abc"), 2, false],
      ["setxattr", HELLO, "user.b", Buffer.alloc(0), 0, false],
    ]);
  });
});

describe("a session with a file system that can be changed", () => {
  const WRITABLE =
    abi.FUSE_WRITEBACK_CACHE |
    abi.FUSE_DONT_MASK |
    abi.FUSE_POSIX_ACL |
    abi.FUSE_HANDLE_KILLPRIV_V2 |
    abi.FUSE_SETXATTR_EXT;
  const flagsOf = (fs: StubFileSystem) => {
    const { payload } = new Kernel(fs).send(abi.FUSE_INIT, 0, fuseInitOut.size, INIT_ALL);
    return parse(fuseInitOut, payload).flags;
  };

  test("takes the flags that a kernel which writes needs, and only there", () => {
    expect(flagsOf(new RecordingFileSystem()) & WRITABLE).toBe(WRITABLE);
    expect(flagsOf(new StubFileSystem()) & WRITABLE).toBe(0);
  });

  test("leaves locks, exports and truncation at open to the kernel", () => {
    const POSIX_LOCKS = 1 << 1;
    const ATOMIC_O_TRUNC = 1 << 3;
    const EXPORT_SUPPORT = 1 << 4;
    const FLOCK_LOCKS = 1 << 10;
    const flags = flagsOf(new RecordingFileSystem());
    expect(flags & (POSIX_LOCKS | ATOMIC_O_TRUNC | EXPORT_SUPPORT | FLOCK_LOCKS)).toBe(0);
  });
});

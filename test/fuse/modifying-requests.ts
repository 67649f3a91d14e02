/** A good request of every opcode that changes something, and what the file system is asked then. */
import {
  fuseAttrOut,
  fuseCopyFileRangeIn,
  fuseCopyFileRangeOut,
  fuseCreateIn,
  fuseEntryOut,
  fuseFallocateIn,
  fuseFsyncIn,
  fuseLinkIn,
  fuseMkdirIn,
  fuseMknodIn,
  fuseRename2In,
  fuseRenameIn,
  fuseSetattrIn,
  fuseSetxattrIn,
  fuseSyncfsIn,
  fuseWriteIn,
  fuseWriteOut,
} from "../../src/abi/fuse.ts";
import * as abi from "../../src/abi/fuse-constants.ts";
import { CREATED_BYTES } from "../../src/fuse/name-operations.ts";
import { args } from "./kernel.ts";
import { DIRECTORY, HELLO, MAPPED, ROOT } from "./stub-file-system.ts";

export interface ModifyingRequest {
  readonly name: string;
  readonly opcode: number;
  readonly nodeid: number;
  readonly parts: readonly (Uint8Array | string)[];
  /** What Modifications is asked. */
  readonly call: readonly [string, ...unknown[]];
  /** Bytes of a success's payload. */
  readonly payload: number;
}

const LONG = "n".repeat(255);
const TARGET = "t".repeat(4095);
const VALUE = Buffer.alloc(65_536, "v");
const DATA = Buffer.alloc(3_000, "d");
/** Of every request's header: see `requestBytes`. */
const OWNER = { uid: 1000, gid: 0 };

const times = {
  atime: 1_700_000_001,
  mtime: 1_700_000_002,
  ctime: 1_700_000_003,
  atimensec: 1,
  mtimensec: 2,
  ctimensec: 999_999_999,
};

export const MODIFYING_REQUESTS: readonly ModifyingRequest[] = [
  {
    name: "SETATTR",
    opcode: abi.FUSE_SETATTR,
    nodeid: HELLO,
    parts: [
      args(fuseSetattrIn, {
        valid: 0x7ff,
        size: 2 ** 52,
        mode: 0o104755,
        uid: 3,
        gid: 4,
        ...times,
      }),
    ],
    call: [
      "setattr",
      HELLO,
      {
        valid: 0x7ff,
        mode: 0o4755,
        uid: 3,
        gid: 4,
        size: 2 ** 52,
        atimeSeconds: times.atime,
        atimeNanoseconds: 1,
        mtimeSeconds: times.mtime,
        mtimeNanoseconds: 2,
        ctimeSeconds: times.ctime,
        ctimeNanoseconds: 999_999_999,
      },
    ],
    payload: fuseAttrOut.size,
  },
  {
    name: "CREATE",
    opcode: abi.FUSE_CREATE,
    nodeid: ROOT,
    parts: [args(fuseCreateIn, { flags: 0o302, mode: 0o100666, umask: 0o22 }), LONG],
    call: ["create", ROOT, LONG, { mode: 0o666, umask: 0o22, ...OWNER, rdev: 0 }, 0o302],
    payload: CREATED_BYTES,
  },
  {
    name: "TMPFILE",
    opcode: abi.FUSE_TMPFILE,
    nodeid: DIRECTORY,
    parts: [args(fuseCreateIn, { flags: 2, mode: 0o100600, umask: 0 }), "/"],
    call: ["tmpfile", DIRECTORY, { mode: 0o600, umask: 0, ...OWNER, rdev: 0 }],
    payload: CREATED_BYTES,
  },
  {
    name: "MKNOD",
    opcode: abi.FUSE_MKNOD,
    nodeid: ROOT,
    parts: [args(fuseMknodIn, { mode: 0o20660, rdev: 0xfff0_0103, umask: 0o77 }), "tty"],
    call: ["mknod", ROOT, "tty", { mode: 0o20660, umask: 0o77, ...OWNER, rdev: 0xfff0_0103 }],
    payload: fuseEntryOut.size,
  },
  {
    name: "MKDIR",
    opcode: abi.FUSE_MKDIR,
    nodeid: ROOT,
    parts: [args(fuseMkdirIn, { mode: 0o41777, umask: 0o22 }), "new"],
    call: ["mkdir", ROOT, "new", { mode: 0o1777, umask: 0o22, ...OWNER, rdev: 0 }],
    payload: fuseEntryOut.size,
  },
  {
    name: "SYMLINK",
    opcode: abi.FUSE_SYMLINK,
    nodeid: ROOT,
    parts: [LONG, TARGET],
    call: ["symlink", ROOT, LONG, TARGET, { mode: 0o777, umask: 0, ...OWNER, rdev: 0 }],
    payload: fuseEntryOut.size,
  },
  {
    name: "LINK",
    opcode: abi.FUSE_LINK,
    nodeid: ROOT,
    parts: [args(fuseLinkIn, { oldnodeid: HELLO }), "again"],
    call: ["link", HELLO, ROOT, "again"],
    payload: fuseEntryOut.size,
  },
  {
    name: "UNLINK",
    opcode: abi.FUSE_UNLINK,
    nodeid: ROOT,
    parts: ["hello"],
    call: ["unlink", ROOT, "hello"],
    payload: 0,
  },
  {
    name: "RMDIR",
    opcode: abi.FUSE_RMDIR,
    nodeid: ROOT,
    parts: ["dir"],
    call: ["rmdir", ROOT, "dir"],
    payload: 0,
  },
  {
    name: "RENAME",
    opcode: abi.FUSE_RENAME,
    nodeid: ROOT,
    parts: [args(fuseRenameIn, { newdir: DIRECTORY }), LONG, "m".repeat(255)],
    call: ["rename", ROOT, LONG, DIRECTORY, "m".repeat(255), 0],
    payload: 0,
  },
  {
    name: "RENAME2",
    opcode: abi.FUSE_RENAME2,
    nodeid: ROOT,
    parts: [args(fuseRename2In, { newdir: DIRECTORY, flags: 2 }), "a", "b"],
    call: ["rename", ROOT, "a", DIRECTORY, "b", 2],
    payload: 0,
  },
  {
    name: "WRITE",
    opcode: abi.FUSE_WRITE,
    nodeid: HELLO,
    parts: [args(fuseWriteIn, { offset: 2 ** 50, size: DATA.length, write_flags: 4 }), DATA],
    call: ["write", HELLO, 2 ** 50, DATA, 4],
    payload: fuseWriteOut.size,
  },
  {
    name: "FALLOCATE",
    opcode: abi.FUSE_FALLOCATE,
    nodeid: HELLO,
    parts: [args(fuseFallocateIn, { offset: 4096, length: 2 ** 40, mode: 3 })],
    call: ["fallocate", HELLO, 4096, 2 ** 40, 3],
    payload: 0,
  },
  {
    name: "COPY_FILE_RANGE",
    opcode: abi.FUSE_COPY_FILE_RANGE,
    nodeid: HELLO,
    parts: [args(fuseCopyFileRangeIn, { off_in: 5, nodeid_out: MAPPED, off_out: 6, len: 7 })],
    call: ["copyFileRange", HELLO, 5, MAPPED, 6, 7],
    payload: fuseWriteOut.size,
  },
  {
    name: "COPY_FILE_RANGE_64",
    opcode: abi.FUSE_COPY_FILE_RANGE_64,
    nodeid: HELLO,
    parts: [args(fuseCopyFileRangeIn, { off_in: 5, nodeid_out: MAPPED, off_out: 6, len: 7 })],
    call: ["copyFileRange", HELLO, 5, MAPPED, 6, 7],
    payload: fuseCopyFileRangeOut.size,
  },
  {
    name: "SETXATTR",
    opcode: abi.FUSE_SETXATTR,
    nodeid: HELLO,
    parts: [args(fuseSetxattrIn, { size: VALUE.length, flags: 1, setxattr_flags: 1 }), LONG, VALUE],
    call: ["setxattr", HELLO, LONG, VALUE, 1, true],
    payload: 0,
  },
  {
    name: "REMOVEXATTR",
    opcode: abi.FUSE_REMOVEXATTR,
    nodeid: HELLO,
    parts: ["user.a"],
    call: ["removexattr", HELLO, "user.a"],
    payload: 0,
  },
  {
    name: "FSYNC",
    opcode: abi.FUSE_FSYNC,
    nodeid: HELLO,
    parts: [args(fuseFsyncIn, { fsync_flags: 1 })],
    call: ["fsync", HELLO, true],
    payload: 0,
  },
  {
    name: "FSYNCDIR",
    opcode: abi.FUSE_FSYNCDIR,
    nodeid: DIRECTORY,
    parts: [args(fuseFsyncIn, {})],
    call: ["fsync", DIRECTORY, false],
    payload: 0,
  },
  {
    name: "SYNCFS",
    opcode: abi.FUSE_SYNCFS,
    nodeid: ROOT,
    parts: [args(fuseSyncfsIn, {})],
    call: ["syncfs"],
    payload: 0,
  },
];

/**
 * Guests whose virtqueue is in order and whose requests to change something are not. One line is one
 * case; they are grouped by what they have in common.
 */
import {
  fuseCopyFileRangeIn,
  fuseCreateIn,
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
} from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import type { PartialValues, Struct } from "../../src/abi/struct.ts";
import { encode, encodeRequest, nameBytes, uniqueOf } from "../frontend/fuse-request.ts";
import { viewOf } from "../frontend/vhost-user-client.ts";

/** Nodeids that the session knows: all of them made for the one case. */
export interface Pit {
  /** Holds the others, under the names of these fields. */
  readonly directory: number;
  readonly file: number;
  readonly other: number;
  readonly symlink: number;
  readonly inner: number;
  /** A file of the base that nobody has changed, copied from `large`: not in the directory. */
  readonly base: number;
}

/** "error": a reply with an errno. "reply": any well-formed reply. */
type Expectation = "error" | "reply";

export interface ModifyingCase {
  readonly name: string;
  readonly expect: Expectation;
  readonly request: (pit: Pit) => Uint8Array;
}

export interface CaseGroup {
  readonly name: string;
  readonly cases: readonly ModifyingCase[];
}

const UNIQUE = { unique: uniqueOf(815), uid: 1000, gid: 1000 };
const HUGE = 0xffff_ffff;
const U64_MAX = (1n << 64n) - 1n;

const ask = (opcode: number, nodeid: number, ...parts: Uint8Array[]) =>
  encodeRequest(opcode, nodeid, parts, UNIQUE);

const bytes = (text: string) => Buffer.from(text, "latin1");
const zeros = (length: number) => new Uint8Array(length);
const ones = (length: number) => new Uint8Array(length).fill(0xff);
const hello = nameBytes("new");

/** A struct with some of its 64-bit fields as they are given, whatever they are. */
function wide<F extends Struct["fields"]>(
  type: Struct<F>,
  values: PartialValues<F>,
  fields: { readonly [K in keyof F]?: bigint },
): Uint8Array {
  const encoded = encode(type, values);
  for (const [name, value] of Object.entries(fields)) {
    viewOf(encoded).setBigUint64(type.at[name]!, value as bigint, true);
  }
  return encoded;
}

interface Modifying {
  readonly name: string;
  /** Struct and names, good ones. */
  readonly parts: (pit: Pit) => Uint8Array[];
  readonly opcode: number;
  readonly on: (pit: Pit) => number;
}

const DATA = Buffer.alloc(5000, "d");

/** A good request of each kind. */
const GOOD: readonly Modifying[] = [
  of("SETATTR", op.FUSE_SETATTR, "file", () => [encode(fuseSetattrIn, { valid: 1, mode: 0o600 })]),
  of("CREATE", op.FUSE_CREATE, "directory", () => [encode(fuseCreateIn, { flags: 0o102 }), hello]),
  of("TMPFILE", op.FUSE_TMPFILE, "directory", () => [encode(fuseCreateIn, {}), nameBytes("/")]),
  of("MKNOD", op.FUSE_MKNOD, "directory", () => [encode(fuseMknodIn, { mode: 0o10600 }), hello]),
  of("MKDIR", op.FUSE_MKDIR, "directory", () => [encode(fuseMkdirIn, { mode: 0o700 }), hello]),
  of("SYMLINK", op.FUSE_SYMLINK, "directory", () => [hello, nameBytes("target")]),
  of("LINK", op.FUSE_LINK, "directory", (pit) => [
    encode(fuseLinkIn, { oldnodeid: pit.file }),
    hello,
  ]),
  of("UNLINK", op.FUSE_UNLINK, "directory", () => [nameBytes("file")]),
  of("RMDIR", op.FUSE_RMDIR, "directory", () => [nameBytes("inner")]),
  of("RENAME", op.FUSE_RENAME, "directory", (pit) => [
    encode(fuseRenameIn, { newdir: pit.inner }),
    nameBytes("file"),
    hello,
  ]),
  of("RENAME2", op.FUSE_RENAME2, "directory", (pit) => [
    encode(fuseRename2In, { newdir: pit.directory, flags: 2 }),
    nameBytes("file"),
    nameBytes("inner"),
  ]),
  of("WRITE", op.FUSE_WRITE, "file", () => [encode(fuseWriteIn, { size: DATA.length }), DATA]),
  of("FALLOCATE", op.FUSE_FALLOCATE, "file", () => [encode(fuseFallocateIn, { length: 9000 })]),
  of("COPY_FILE_RANGE", op.FUSE_COPY_FILE_RANGE, "base", (pit) => [
    encode(fuseCopyFileRangeIn, { nodeid_out: pit.file, len: 2 ** 20 }),
  ]),
  of("COPY_FILE_RANGE_64", op.FUSE_COPY_FILE_RANGE_64, "base", (pit) => [
    encode(fuseCopyFileRangeIn, { nodeid_out: pit.file, len: 2 ** 20 }),
  ]),
  of("SETXATTR", op.FUSE_SETXATTR, "file", () => [
    encode(fuseSetxattrIn, { size: 3 }),
    nameBytes("user.a"),
    bytes("abc"),
  ]),
  of("REMOVEXATTR", op.FUSE_REMOVEXATTR, "file", () => [nameBytes("user.absent")]),
  of("FSYNC", op.FUSE_FSYNC, "file", () => [encode(fuseFsyncIn, {})]),
  of("FSYNCDIR", op.FUSE_FSYNCDIR, "directory", () => [encode(fuseFsyncIn, {})]),
  of("SYNCFS", op.FUSE_SYNCFS, "directory", () => [encode(fuseSyncfsIn, {})]),
];

function of(
  name: string,
  opcode: number,
  on: keyof Pit,
  parts: (pit: Pit) => Uint8Array[],
): Modifying {
  return { name, opcode, on: (pit) => pit[on], parts };
}

/** Every length that a good request can be cut to, roughly, with a header that agrees. */
const cuts: readonly CaseGroup[] = GOOD.map(({ name, opcode, on, parts }) => ({
  name: `${name} that is cut short`,
  cases: [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 23, 24, 39, 40, 41, 55, 56, 80, 87, 88, 500].map(
    (length) => ({
      name: `after ${length} bytes`,
      expect: "reply",
      request: (pit) => {
        const whole = Buffer.concat(parts(pit));
        return ask(opcode, on(pit), whole.subarray(0, Math.min(length, whole.length - 1)));
      },
    }),
  ),
}));

const NODEIDS: readonly (readonly [string, bigint])[] = [
  ["0", 0n],
  ["1", 1n],
  ["2^32", 1n << 32n],
  ["2^53 - 1", (1n << 53n) - 1n],
  ["2^53", 1n << 53n],
  ["2^63", 1n << 63n],
  ["2^64 - 1", U64_MAX],
];

const nodes: readonly CaseGroup[] = GOOD.map(({ name, opcode, on, parts }) => ({
  name: `${name} of inodes that are not there, or are of another kind`,
  cases: [
    ...NODEIDS.map(([which, nodeid]): ModifyingCase => {
      const request = (pit: Pit) => {
        const whole = ask(opcode, on(pit), ...parts(pit));
        viewOf(whole).setBigUint64(16, nodeid, true);
        return whole;
      };
      const serves = nodeid === 1n || name === "SYNCFS" || name.startsWith("FSYNC");
      return { name: `nodeid ${which}`, expect: serves ? "reply" : "error", request };
    }),
    ...(["file", "directory", "symlink", "inner", "base"] as const).map(
      (kind): ModifyingCase => ({
        name: `the ${kind}`,
        expect: "reply",
        request: (pit) => ask(opcode, pit[kind], ...parts(pit)),
      }),
    ),
  ],
}));

const BAD_NAMES: readonly (readonly [what: string, name: Uint8Array])[] = [
  ["empty", bytes("\0")],
  [".", bytes(".\0")],
  ["..", bytes("..\0")],
  ["/", bytes("/\0")],
  ["of two parts", bytes("inner/x\0")],
  ["upwards", bytes("../../etc/passwd\0")],
  ["of 256 bytes", nameBytes("n".repeat(256))],
  ["of 100,000 bytes", nameBytes("n".repeat(100_000))],
  ["without a NUL", bytes("new")],
  ["of ones without a NUL", ones(5_000)],
];

/** The struct before the name, by opcode. */
const NAMED: readonly (readonly [string, number, (pit: Pit) => Uint8Array[]])[] = [
  ["CREATE", op.FUSE_CREATE, () => [encode(fuseCreateIn, { flags: 0o102 })]],
  ["MKNOD", op.FUSE_MKNOD, () => [encode(fuseMknodIn, { mode: 0o100600 })]],
  ["MKDIR", op.FUSE_MKDIR, () => [encode(fuseMkdirIn, {})]],
  ["UNLINK", op.FUSE_UNLINK, () => []],
  ["RMDIR", op.FUSE_RMDIR, () => []],
  ["LINK", op.FUSE_LINK, (pit) => [encode(fuseLinkIn, { oldnodeid: pit.file })]],
  ["RENAME from", op.FUSE_RENAME, (pit) => [encode(fuseRenameIn, { newdir: pit.inner })]],
  [
    "RENAME to",
    op.FUSE_RENAME,
    (pit) => [encode(fuseRenameIn, { newdir: pit.inner }), nameBytes("file")],
  ],
  [
    "RENAME2 to",
    op.FUSE_RENAME2,
    (pit) => [encode(fuseRename2In, { newdir: pit.inner, flags: 1 }), nameBytes("file")],
  ],
];

const names: readonly CaseGroup[] = NAMED.map(([name, opcode, before]) => ({
  name: `${name} a name`,
  cases: BAD_NAMES.map(([what, bad]): ModifyingCase => {
    const request = (pit: Pit) => ask(opcode, pit.directory, ...before(pit), bad);
    return { name: what, expect: "error", request };
  }),
}));

const OFFSETS: readonly bigint[] = [
  0n,
  1n,
  (1n << 31n) - 1n,
  1n << 32n,
  (1n << 44n) - 1n,
  (1n << 52n) + 1n,
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  U64_MAX,
];

/** One case for each offset. */
const everywhere = (
  name: string,
  opcode: number,
  on: keyof Pit,
  parts: (offset: bigint, pit: Pit) => Uint8Array[],
): CaseGroup => ({
  name,
  cases: OFFSETS.map((offset) => ({
    name: `at ${offset}`,
    expect: "reply",
    request: (pit) => ask(opcode, pit[on], ...parts(offset, pit)),
  })),
});

const fallocate = (mode: number, length: bigint) => (offset: bigint) => [
  wide(fuseFallocateIn, { mode }, { offset, length }),
];

const copy = (off_in: bigint, off_out: bigint, len: bigint, nodeid_out: number) => [
  wide(fuseCopyFileRangeIn, { nodeid_out }, { off_in, off_out, len }),
];

const offsets: readonly CaseGroup[] = [
  everywhere("WRITE of a byte", op.FUSE_WRITE, "file", (offset) => [
    wide(fuseWriteIn, { size: 1 }, { offset }),
    zeros(1),
  ]),
  everywhere("WRITE of 5000 bytes into a file of the base", op.FUSE_WRITE, "base", (offset) => [
    wide(fuseWriteIn, { size: DATA.length }, { offset }),
    DATA,
  ]),
  everywhere("WRITE that claims 2^32 - 1 bytes", op.FUSE_WRITE, "file", (offset) => [
    wide(fuseWriteIn, { size: HUGE }, { offset }),
    DATA,
  ]),
  everywhere("SETATTR of a size", op.FUSE_SETATTR, "file", (size) => [
    wide(fuseSetattrIn, { valid: op.FATTR_SIZE }, { size }),
  ]),
  everywhere("SETATTR of times", op.FUSE_SETATTR, "file", (time) => [
    wide(
      fuseSetattrIn,
      { valid: op.FATTR_ATIME | op.FATTR_MTIME | op.FATTR_CTIME, atimensec: 999_999_999 },
      { atime: time, mtime: time, ctime: time },
    ),
  ]),
  ...[0, 1, 3, 16].flatMap((mode) =>
    [1n << 40n, (1n << 63n) - 1n].map((length) =>
      everywhere(
        `FALLOCATE of ${length} with mode ${mode}`,
        op.FUSE_FALLOCATE,
        mode === 3 ? "base" : "file",
        fallocate(mode, length),
      ),
    ),
  ),
  everywhere("COPY_FILE_RANGE from", op.FUSE_COPY_FILE_RANGE, "base", (offset, pit) =>
    copy(offset, 0n, 1n << 40n, pit.file),
  ),
  everywhere("COPY_FILE_RANGE to", op.FUSE_COPY_FILE_RANGE, "base", (offset, pit) =>
    copy(0n, offset, U64_MAX, pit.file),
  ),
  everywhere("COPY_FILE_RANGE within a file", op.FUSE_COPY_FILE_RANGE, "base", (offset, pit) =>
    copy(0n, offset, 1n << 20n, pit.base),
  ),
];

const WORDS = [0, 1, 2, 3, 4, 7, 8, 0o7777, 0x7fff_ffff, 0x8000_0000, HUGE];

/** One case for each word in one place. */
const anyWord = (name: string, request: (word: number, pit: Pit) => Uint8Array): CaseGroup => ({
  name,
  cases: WORDS.map((word) => ({
    name: String(word),
    expect: "reply",
    request: (pit) => request(word, pit),
  })),
});

const words: readonly CaseGroup[] = [
  anyWord("SETATTR of anything", (valid, pit) =>
    ask(op.FUSE_SETATTR, pit.file, encode(fuseSetattrIn, { valid, mode: HUGE, uid: HUGE })),
  ),
  anyWord("SETATTR of a mode", (mode, pit) =>
    ask(op.FUSE_SETATTR, pit.inner, encode(fuseSetattrIn, { valid: op.FATTR_MODE, mode })),
  ),
  anyWord("CREATE with a mode and flags", (word, pit) =>
    ask(
      op.FUSE_CREATE,
      pit.directory,
      encode(fuseCreateIn, { flags: word, mode: word, umask: word, open_flags: word }),
      hello,
    ),
  ),
  anyWord("MKNOD with a mode and a device", (word, pit) =>
    ask(
      op.FUSE_MKNOD,
      pit.directory,
      encode(fuseMknodIn, { mode: word, rdev: word, umask: word }),
      hello,
    ),
  ),
  anyWord("WRITE with flags", (word, pit) =>
    ask(op.FUSE_WRITE, pit.file, encode(fuseWriteIn, { size: 1, write_flags: word }), zeros(1)),
  ),
  anyWord("RENAME2 with flags", (flags, pit) =>
    ask(
      op.FUSE_RENAME2,
      pit.directory,
      encode(fuseRename2In, { newdir: pit.directory, flags }),
      nameBytes("file"),
      nameBytes("other"),
    ),
  ),
  anyWord("FALLOCATE with a mode", (mode, pit) =>
    ask(op.FUSE_FALLOCATE, pit.file, encode(fuseFallocateIn, { length: 100_000, mode })),
  ),
  anyWord("SETXATTR with a size", (size, pit) =>
    ask(
      op.FUSE_SETXATTR,
      pit.file,
      encode(fuseSetxattrIn, { size }),
      nameBytes("user.a"),
      bytes("abc"),
    ),
  ),
  anyWord("SETXATTR with flags", (word, pit) =>
    ask(
      op.FUSE_SETXATTR,
      pit.file,
      encode(fuseSetxattrIn, { size: 3, flags: word, setxattr_flags: word }),
      nameBytes("trusted.a"),
      bytes("abc"),
    ),
  ),
];

const ACL = "system.posix_acl_access";

/** `struct posix_acl_xattr_header` and as many entries of ones. */
const acl = (version: number, entries: number) =>
  Buffer.concat([new Uint8Array(Uint32Array.of(version).buffer), ones(entries * 8)]);

const setxattr = (on: keyof Pit, name: Uint8Array, value: Uint8Array) => (pit: Pit) =>
  ask(op.FUSE_SETXATTR, pit[on], encode(fuseSetxattrIn, { size: value.length }), name, value);

const rows = (
  name: string,
  ...list: readonly (readonly [string, Expectation, (pit: Pit) => Uint8Array])[]
): CaseGroup => ({
  name,
  cases: list.map(([what, expect, request]) => ({ name: what, expect, request })),
});

const rename = (from: string, to: string, flags: number, into: keyof Pit) => (pit: Pit) =>
  ask(
    op.FUSE_RENAME2,
    pit.directory,
    encode(fuseRename2In, { newdir: pit[into], flags }),
    nameBytes(from),
    nameBytes(to),
  );

const others: readonly CaseGroup[] = [
  rows(
    "extended attributes",
    ["a value of 64 KiB", "reply", setxattr("file", nameBytes("user.a"), zeros(65_536))],
    ["a value of 64 KiB and a byte", "error", setxattr("file", nameBytes("user.a"), zeros(65_537))],
    ["a value of 1 MiB", "error", setxattr("file", nameBytes("user.a"), zeros(1 << 20))],
    ["a name of 256 bytes", "error", setxattr("file", nameBytes("u".repeat(256)), zeros(1))],
    ["no name", "error", setxattr("file", bytes("\0"), zeros(1))],
    ["a name without a NUL", "error", setxattr("file", ones(70_000), zeros(0))],
    ["a name in no namespace", "reply", setxattr("file", nameBytes("nowhere"), zeros(1))],
    ["an attribute of a symlink", "reply", setxattr("symlink", nameBytes("user.a"), zeros(1))],
    ["an ACL of nothing", "reply", setxattr("file", nameBytes(ACL), zeros(0))],
    ["an ACL of three bytes", "reply", setxattr("file", nameBytes(ACL), zeros(3))],
    ["an ACL of another version", "reply", setxattr("file", nameBytes(ACL), acl(77, 1))],
    ["an ACL of nonsense", "reply", setxattr("file", nameBytes(ACL), acl(2, 100))],
    ["an ACL of 8191 entries", "reply", setxattr("inner", nameBytes(ACL), acl(2, 8191))],
    ["an ACL and a half", "reply", setxattr("inner", nameBytes(ACL), ones(4 + 12))],
  ),
  rows(
    "symlinks",
    ["without a target", "error", (pit) => ask(op.FUSE_SYMLINK, pit.directory, hello)],
    ["to nothing", "error", (pit) => ask(op.FUSE_SYMLINK, pit.directory, hello, bytes("\0"))],
    [
      "to 4095 bytes",
      "reply",
      (pit) => ask(op.FUSE_SYMLINK, pit.directory, hello, nameBytes("t".repeat(4095))),
    ],
    [
      "to 4096 bytes",
      "error",
      (pit) => ask(op.FUSE_SYMLINK, pit.directory, hello, nameBytes("t".repeat(4096))),
    ],
    [
      "to 4095 bytes without a NUL",
      "error",
      (pit) => ask(op.FUSE_SYMLINK, pit.directory, hello, ones(4095)),
    ],
  ),
  rows(
    "directories",
    ["into itself", "error", rename("inner", "x", 0, "inner")],
    ["exchanged with what is in it", "error", rename("inner", "x", 2, "inner")],
    ["over a file", "error", rename("inner", "file", 0, "directory")],
    ["under a file", "error", rename("inner", "x", 0, "file")],
    ["under a symlink", "error", rename("inner", "x", 0, "symlink")],
    ["exchanged with itself", "reply", rename("inner", "inner", 2, "directory")],
    ["renamed to itself", "reply", rename("inner", "inner", 0, "directory")],
    ["a file over a directory", "error", rename("file", "inner", 0, "directory")],
    [
      "with a second name",
      "error",
      (pit) =>
        ask(op.FUSE_LINK, pit.inner, encode(fuseLinkIn, { oldnodeid: pit.directory }), hello),
    ],
    ["unlinked", "error", (pit) => ask(op.FUSE_UNLINK, pit.directory, nameBytes("inner"))],
    [
      "that is none, removed",
      "error",
      (pit) => ask(op.FUSE_RMDIR, pit.directory, nameBytes("file")),
    ],
    ["removed while full", "error", () => ask(op.FUSE_RMDIR, 1, nameBytes("many"))],
  ),
];

export const MODIFYING_GROUPS: readonly CaseGroup[] = [
  ...cuts,
  ...nodes,
  ...names,
  ...offsets,
  ...words,
  ...others,
];

/**
 * Guests whose virtqueue is in order and whose FUSE requests are not. One line is one case.
 */

import {
  fuseBatchForgetIn,
  fuseForgetIn,
  fuseGetxattrIn,
  fuseInitIn,
  fuseLseekIn,
  fuseReadIn,
} from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import { encode, encodeRequest, nameBytes, uniqueOf } from "../frontend/fuse-request.ts";
import { viewOf } from "../frontend/vhost-user-client.ts";

/** Nodeids that the session has looked up. */
export interface Known {
  readonly file: number;
  readonly directory: number;
  readonly symlink: number;
}

/**
 * What may come of a request. "error": a reply with an errno. "reply": any well-formed reply.
 * "silence": the chain comes back with nothing written. "either": the last two.
 */
export type Expectation = "error" | "reply" | "silence" | "either";

export interface RequestCase {
  readonly name: string;
  readonly expect: Expectation;
  readonly request: (known: Known) => Uint8Array;
  /** Bytes of room for the reply: 4096 unless said otherwise. */
  readonly room?: number;
  /** INIT has been sent unless false. */
  readonly session?: boolean;
}

type Row = readonly [
  name: string,
  expect: Expectation,
  request: (known: Known) => Uint8Array,
  room?: number,
];

const UNIQUE = { unique: uniqueOf(4711) };
const HUGE = 0xffff_ffff;
const U64_MAX = (1n << 64n) - 1n;
const NODEIDS: readonly (readonly [string, bigint])[] = [
  ["0", 0n],
  ["2^32", 1n << 32n],
  ["2^53", 1n << 53n],
  ["2^63", 1n << 63n],
  ["2^64 - 1", U64_MAX],
];

const ask = (opcode: number, nodeid: number, ...parts: Uint8Array[]) =>
  encodeRequest(opcode, nodeid, parts, UNIQUE);

/** A header that says `len`. */
const lying = (len: number, opcode: number, nodeid: number, ...parts: Uint8Array[]) =>
  encodeRequest(opcode, nodeid, parts, { ...UNIQUE, len });

/** Any nodeid, of 64 bits. */
const onNode = (nodeid: bigint, request: Uint8Array) => {
  viewOf(request).setBigUint64(16, nodeid, true);
  return request;
};

/** READ's arguments with any 64-bit offset and handle. */
const readArguments = (offset: bigint, size: number, fh = 0n) => {
  const args = encode(fuseReadIn, { size });
  viewOf(args).setBigUint64(fuseReadIn.at.offset, offset, true);
  viewOf(args).setBigUint64(fuseReadIn.at.fh, fh, true);
  return args;
};

const seekArguments = (offset: bigint, whence: number) => {
  const args = encode(fuseLseekIn, { whence });
  viewOf(args).setBigUint64(fuseLseekIn.at.offset, offset, true);
  return args;
};

const forgetArguments = (count: bigint) => {
  const args = new Uint8Array(fuseForgetIn.size);
  viewOf(args).setBigUint64(0, count, true);
  return args;
};

const lookup = (name: Uint8Array) => () => ask(op.FUSE_LOOKUP, 1, name);
const bytes = (text: string) => Buffer.from(text, "latin1");
const zeros = (length: number) => new Uint8Array(length);
const ones = (length: number) => new Uint8Array(length).fill(0xff);

const headers: readonly Row[] = [
  ["a request of no bytes", "either", () => zeros(0)],
  ["a header of one byte", "either", () => zeros(1)],
  ["a header of 39 bytes", "either", () => ask(op.FUSE_GETATTR, 1).slice(0, 39)],
  ["a header of zeros", "error", () => zeros(40)],
  ["a header of ones", "error", () => ones(40)],
  ["64 KiB of ones", "error", () => ones(65_536)],
  ["len 0", "error", () => lying(0, op.FUSE_GETATTR, 1, zeros(16))],
  ["len 39", "error", () => lying(39, op.FUSE_GETATTR, 1, zeros(16))],
  ["len of the header alone", "error", () => lying(40, op.FUSE_GETATTR, 1, zeros(16))],
  ["len a byte short", "error", () => lying(55, op.FUSE_GETATTR, 1, zeros(16))],
  ["len a byte long", "error", () => lying(57, op.FUSE_GETATTR, 1, zeros(16))],
  ["len 2^31", "error", () => lying(2 ** 31, op.FUSE_GETATTR, 1, zeros(16))],
  ["len 2^32 - 1", "error", () => lying(HUGE, op.FUSE_GETATTR, 1, zeros(16))],
  ["len that cuts a name off", "error", () => lying(43, op.FUSE_LOOKUP, 1, nameBytes("hello"))],
  ["len beyond a name", "error", () => lying(100, op.FUSE_LOOKUP, 1, nameBytes("hello"))],
  ["bytes behind what len says", "either", () => lying(56, op.FUSE_GETATTR, 1, zeros(500))],
  [
    "an extension that is not there",
    "either",
    () => encodeRequest(op.FUSE_GETATTR, 1, [zeros(16)], { ...UNIQUE, total_extlen: 0xffff }),
  ],
];

const nodes: readonly Row[] = NODEIDS.flatMap(([name, nodeid]): Row[] => [
  [
    `LOOKUP in nodeid ${name}`,
    "error",
    () => onNode(nodeid, ask(op.FUSE_LOOKUP, 1, nameBytes("hello"))),
  ],
  [`GETATTR of nodeid ${name}`, "error", () => onNode(nodeid, ask(op.FUSE_GETATTR, 1, zeros(16)))],
  [`STATX of nodeid ${name}`, "error", () => onNode(nodeid, ask(op.FUSE_STATX, 1, zeros(24)))],
  [
    `READ of nodeid ${name}`,
    "error",
    () => onNode(nodeid, ask(op.FUSE_READ, 1, readArguments(0n, 16))),
  ],
  [
    `READDIR of nodeid ${name}`,
    "error",
    () => onNode(nodeid, ask(op.FUSE_READDIR, 1, readArguments(0n, 4000))),
  ],
  [
    `READDIRPLUS of nodeid ${name}`,
    "error",
    () => onNode(nodeid, ask(op.FUSE_READDIRPLUS, 1, readArguments(0n, 4000))),
  ],
  [`READLINK of nodeid ${name}`, "error", () => onNode(nodeid, ask(op.FUSE_READLINK, 1))],
  [`OPEN of nodeid ${name}`, "error", () => onNode(nodeid, ask(op.FUSE_OPEN, 1, zeros(8)))],
  [`OPENDIR of nodeid ${name}`, "error", () => onNode(nodeid, ask(op.FUSE_OPENDIR, 1, zeros(8)))],
  [
    `GETXATTR of nodeid ${name}`,
    "error",
    () =>
      onNode(
        nodeid,
        ask(op.FUSE_GETXATTR, 1, encode(fuseGetxattrIn, { size: 64 }), nameBytes("user.x")),
      ),
  ],
  [
    `LSEEK in nodeid ${name}`,
    "error",
    () => onNode(nodeid, ask(op.FUSE_LSEEK, 1, seekArguments(0n, 3))),
  ],
  [`ACCESS of nodeid ${name}`, "error", () => onNode(nodeid, ask(op.FUSE_ACCESS, 1, zeros(8)))],
  [`STATFS of nodeid ${name}`, "reply", () => onNode(nodeid, ask(op.FUSE_STATFS, 1))],
  [
    `FORGET of nodeid ${name}`,
    "silence",
    () => onNode(nodeid, ask(op.FUSE_FORGET, 1, forgetArguments(1n))),
  ],
]);

const names: readonly Row[] = [
  ["a name without a NUL", "error", lookup(bytes("hello"))],
  ["a name without a NUL, of one byte", "error", lookup(bytes("h"))],
  ["no name at all", "error", lookup(zeros(0))],
  ["an empty name", "error", lookup(bytes("\0"))],
  ["two empty names", "error", lookup(bytes("\0\0"))],
  ["the name .", "reply", lookup(bytes(".\0"))],
  ["the name ..", "reply", lookup(bytes("..\0"))],
  ["the name /", "error", lookup(bytes("/\0"))],
  ["a name with a slash in it", "error", lookup(bytes("deep/er\0"))],
  ["a name that begins with a slash", "error", lookup(bytes("/hello\0"))],
  ["a name that ends with a slash", "error", lookup(bytes("deep/\0"))],
  ["a path upwards", "error", lookup(bytes("../../etc/passwd\0"))],
  ["a name with a NUL in it", "either", lookup(bytes("hel\0lo\0"))],
  ["a name of 256 bytes", "error", lookup(nameBytes("n".repeat(256)))],
  ["a name of 4096 bytes", "error", lookup(nameBytes("n".repeat(4096)))],
  ["a name of 100,000 bytes", "error", lookup(nameBytes("n".repeat(100_000)))],
  ["100,000 bytes without a NUL", "error", lookup(ones(100_000))],
  [
    "a name of all byte values",
    "error",
    lookup(Buffer.from([...Array.from({ length: 255 }, (_, i) => i + 1), 0])),
  ],
  ["room for all but the last byte of the reply", "either", lookup(nameBytes("hello")), 16 + 127],
];

const offsets: readonly Row[] = [
  0n,
  11n,
  12n,
  1n << 31n,
  1n << 32n,
  1n << 52n,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  U64_MAX,
].flatMap((offset): Row[] => [
  [
    `READ at ${offset}, 2^32 - 1 bytes`,
    "reply",
    (k) => ask(op.FUSE_READ, k.file, readArguments(offset, HUGE)),
  ],
  [
    `READ at ${offset}, 4096 bytes, no room`,
    "either",
    (k) => ask(op.FUSE_READ, k.file, readArguments(offset, 4096)),
    16,
  ],
  [
    `READDIR at ${offset}`,
    "reply",
    (k) => ask(op.FUSE_READDIR, k.directory, readArguments(offset, HUGE)),
  ],
  [
    `READDIRPLUS at ${offset}`,
    "reply",
    (k) => ask(op.FUSE_READDIRPLUS, k.directory, readArguments(offset, HUGE)),
  ],
  [
    `LSEEK to data at ${offset}`,
    "reply",
    (k) => ask(op.FUSE_LSEEK, k.file, seekArguments(offset, 3)),
  ],
  [
    `LSEEK to a hole at ${offset}`,
    "reply",
    (k) => ask(op.FUSE_LSEEK, k.file, seekArguments(offset, 4)),
  ],
]);

const sizes: readonly Row[] = [
  [
    "READ of no bytes with no room",
    "either",
    (k) => ask(op.FUSE_READ, k.file, readArguments(0n, 0)),
    0,
  ],
  [
    "READ with 15 bytes of room",
    "silence",
    (k) => ask(op.FUSE_READ, k.file, readArguments(0n, 16)),
    15,
  ],
  [
    "READ with less room than asked for",
    "either",
    (k) => ask(op.FUSE_READ, k.file, readArguments(0n, 4096)),
    20,
  ],
  [
    "READ with an unknown handle",
    "reply",
    (k) => ask(op.FUSE_READ, k.file, readArguments(0n, 16, U64_MAX)),
  ],
  [
    "READ with its arguments cut",
    "error",
    (k) => ask(op.FUSE_READ, k.file, readArguments(0n, 16).slice(0, 20)),
  ],
  ["READ without arguments", "error", (k) => ask(op.FUSE_READ, k.file)],
  [
    "READDIR with less room than asked for",
    "either",
    (k) => ask(op.FUSE_READDIR, k.directory, readArguments(0n, 65_536)),
    100,
  ],
  [
    "READDIRPLUS with less room than asked for",
    "either",
    (k) => ask(op.FUSE_READDIRPLUS, k.directory, readArguments(0n, 65_536)),
    100,
  ],
  [
    "READDIRPLUS of a size that no entry fits",
    "reply",
    (k) => ask(op.FUSE_READDIRPLUS, k.directory, readArguments(0n, 100)),
  ],
  [
    "READDIR with an unknown handle",
    "reply",
    (k) => ask(op.FUSE_READDIR, k.directory, readArguments(0n, 100, U64_MAX)),
  ],
  [
    "READLINK with one byte of room for the target",
    "either",
    (k) => ask(op.FUSE_READLINK, k.symlink),
    17,
  ],
  ["READLINK with no room", "either", (k) => ask(op.FUSE_READLINK, k.symlink), 16],
  [
    "GETXATTR of 2^32 - 1 bytes",
    "reply",
    (k) =>
      ask(
        op.FUSE_GETXATTR,
        k.file,
        encode(fuseGetxattrIn, { size: HUGE }),
        nameBytes("user.castore.blob.digest"),
      ),
  ],
  [
    "GETXATTR with less room than asked for",
    "either",
    (k) =>
      ask(
        op.FUSE_GETXATTR,
        k.file,
        encode(fuseGetxattrIn, { size: 4096 }),
        nameBytes("user.castore.blob.digest"),
      ),
    20,
  ],
  [
    "GETXATTR without a name",
    "error",
    (k) => ask(op.FUSE_GETXATTR, k.file, encode(fuseGetxattrIn, { size: 64 })),
  ],
  [
    "GETXATTR of an empty name",
    "error",
    (k) => ask(op.FUSE_GETXATTR, k.file, encode(fuseGetxattrIn, { size: 64 }), bytes("\0")),
  ],
  [
    "GETXATTR of an unterminated name",
    "error",
    (k) => ask(op.FUSE_GETXATTR, k.file, encode(fuseGetxattrIn, { size: 64 }), bytes("user.x")),
  ],
  [
    "GETXATTR of a name of 100,000 bytes",
    "error",
    (k) =>
      ask(
        op.FUSE_GETXATTR,
        k.file,
        encode(fuseGetxattrIn, { size: 64 }),
        nameBytes("u".repeat(100_000)),
      ),
  ],
  [
    "LISTXATTR of 2^32 - 1 bytes",
    "reply",
    (k) => ask(op.FUSE_LISTXATTR, k.file, encode(fuseGetxattrIn, { size: HUGE })),
  ],
  ["LISTXATTR without arguments", "error", (k) => ask(op.FUSE_LISTXATTR, k.file)],
  [
    "LSEEK with an unknown whence",
    "error",
    (k) => ask(op.FUSE_LSEEK, k.file, seekArguments(0n, HUGE)),
  ],
  ["a WRITE of 2^32 - 1 bytes", "error", (k) => ask(op.FUSE_WRITE, k.file, ones(40))],
  ["a STATX of everything", "either", (k) => ask(op.FUSE_STATX, k.file, ones(24))],
  ["an IOCTL of ones", "error", (k) => ask(op.FUSE_IOCTL, k.file, ones(32))],
];

const forgets: readonly Row[] = [
  ["a FORGET without arguments", "silence", (k) => ask(op.FUSE_FORGET, k.file)],
  ["a FORGET with its argument cut", "silence", (k) => ask(op.FUSE_FORGET, k.file, zeros(7))],
  [
    "a FORGET of 2^64 - 1 lookups",
    "silence",
    (k) => ask(op.FUSE_FORGET, k.file, forgetArguments(U64_MAX)),
  ],
  [
    "a FORGET of 2^53 lookups",
    "silence",
    (k) => ask(op.FUSE_FORGET, k.file, forgetArguments(1n << 53n)),
  ],
  ["a FORGET of no lookups", "silence", (k) => ask(op.FUSE_FORGET, k.file, forgetArguments(0n))],
  ["a FORGET of the root", "silence", () => ask(op.FUSE_FORGET, 1, forgetArguments(U64_MAX))],
  ["a BATCH_FORGET without arguments", "silence", () => ask(op.FUSE_BATCH_FORGET, 0)],
  [
    "a BATCH_FORGET of none",
    "silence",
    () => ask(op.FUSE_BATCH_FORGET, 0, encode(fuseBatchForgetIn, {})),
  ],
  [
    "a BATCH_FORGET of 2^32 - 1 with nothing behind",
    "silence",
    () => ask(op.FUSE_BATCH_FORGET, 0, encode(fuseBatchForgetIn, { count: HUGE })),
  ],
  [
    "a BATCH_FORGET of 2^32 - 1 with two behind",
    "silence",
    () => ask(op.FUSE_BATCH_FORGET, 0, encode(fuseBatchForgetIn, { count: HUGE }), ones(32)),
  ],
  [
    "a BATCH_FORGET with the second one cut",
    "silence",
    () => ask(op.FUSE_BATCH_FORGET, 0, encode(fuseBatchForgetIn, { count: 2 }), zeros(31)),
  ],
  ["an INTERRUPT without arguments", "either", () => ask(op.FUSE_INTERRUPT, 0)],
  ["an INTERRUPT of nothing", "either", () => ask(op.FUSE_INTERRUPT, 0, ones(8))],
  ["a NOTIFY_REPLY nobody asked for", "either", () => ask(op.FUSE_NOTIFY_REPLY, 0, ones(64))],
];

const inits: readonly Row[] = [
  ...[0, 1, 4, 7, 8, 15, 17, 63, 65, 200].map(
    (length): Row => [
      `a second INIT with ${length} bytes of arguments`,
      "reply",
      () =>
        ask(
          op.FUSE_INIT,
          0,
          encode(fuseInitIn, { major: 7, minor: 36 }).slice(0, length),
          zeros(Math.max(0, length - 64)),
        ),
    ],
  ),
  ["INIT of ones", "reply", () => ask(op.FUSE_INIT, 0, ones(64))],
  ["INIT of zeros", "error", () => ask(op.FUSE_INIT, 0, zeros(64))],
  [
    "INIT of major 0",
    "error",
    () => ask(op.FUSE_INIT, 0, encode(fuseInitIn, { major: 0, minor: 38 })),
  ],
  [
    "INIT of major 2^32 - 1",
    "reply",
    () => ask(op.FUSE_INIT, 0, encode(fuseInitIn, { major: HUGE })),
  ],
  ["INIT of minor 0", "error", () => ask(op.FUSE_INIT, 0, encode(fuseInitIn, { major: 7 }))],
  [
    "INIT with no room",
    "silence",
    () => ask(op.FUSE_INIT, 0, encode(fuseInitIn, { major: 7, minor: 38 })),
    0,
  ],
  [
    "INIT with room for a header only",
    "either",
    () => ask(op.FUSE_INIT, 0, encode(fuseInitIn, { major: 7, minor: 38 })),
    16,
  ],
  [
    "INIT with room for the reply of 7.22",
    "either",
    () => ask(op.FUSE_INIT, 0, encode(fuseInitIn, { major: 7, minor: 38 })),
    40,
  ],
  ["DESTROY with arguments", "reply", () => ask(op.FUSE_DESTROY, 0, ones(100))],
];

const early: readonly Row[] = [
  ["LOOKUP before INIT", "error", () => ask(op.FUSE_LOOKUP, 1, nameBytes("hello"))],
  ["GETATTR before INIT", "error", () => ask(op.FUSE_GETATTR, 1, zeros(16))],
  ["READ before INIT", "error", () => ask(op.FUSE_READ, 2, readArguments(0n, 16))],
  ["READDIRPLUS before INIT", "error", () => ask(op.FUSE_READDIRPLUS, 1, readArguments(0n, 4000))],
  ["FORGET before INIT", "silence", () => ask(op.FUSE_FORGET, 1, forgetArguments(1n))],
  ["DESTROY before INIT", "reply", () => ask(op.FUSE_DESTROY, 0)],
  ["an unknown opcode before INIT", "error", () => ask(4711, 0)],
  ["INTERRUPT before INIT", "either", () => ask(op.FUSE_INTERRUPT, 0, ones(8))],
];

const inSession = [...headers, ...nodes, ...names, ...offsets, ...sizes, ...forgets, ...inits];

const fromRow =
  (session: boolean) =>
  ([name, expect, request, room]: Row): RequestCase => ({
    name,
    expect,
    request,
    session,
    ...(room === undefined ? {} : { room }),
  });

export const REQUEST_CASES: readonly RequestCase[] = [
  ...inSession.map(fromRow(true)),
  ...early.map(fromRow(false)),
];

/** Every opcode that exists, and some that do not. */
export const OPCODES: readonly number[] = [
  ...Array.from({ length: 60 }, (_, opcode) => opcode),
  4096,
  0x7fff_ffff,
  0x8000_0000,
  HUGE,
];

/** Arguments that every opcode is tried with. */
export const ARGUMENTS: readonly Uint8Array[] = [
  zeros(0),
  zeros(1),
  zeros(7),
  zeros(16),
  zeros(200),
  ones(16),
  ones(64),
  ones(200),
  bytes("a\0b\0"),
  bytes(`${"x".repeat(300)}\0`),
];

/** Rooms for the reply that every opcode is tried with. */
export const ROOMS: readonly number[] = [0, 1, 15, 16, 17, 24, 100, 4096];

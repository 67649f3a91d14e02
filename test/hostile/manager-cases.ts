/**
 * VM managers that break the vhost-user protocol. One line is one case.
 */
import { execFileSync } from "node:child_process";
import { constants, ftruncateSync, writeSync } from "node:fs";
import { FUSE_GETATTR } from "../../src/abi/fuse-constants.ts";
import { encodeRequest } from "../frontend/fuse-request.ts";
import { FIRST_REQUEST_QUEUE } from "../frontend/synthetic-vmm.ts";
import { encodeMemoryTable, encodeMessage } from "../frontend/vhost-user-client.ts";
import { FEATURE, FeatureBits, NO_FD, REQUEST } from "../frontend/vhost-user-protocol.ts";
import { type ManagerAttack, type RawRegion, type Stage, u32s, u64 } from "./manager-attack.ts";

export interface ManagerCase {
  readonly name: string;
  readonly stage: Stage;
  readonly act: (attack: ManagerAttack) => void;
}

type Act = ManagerCase["act"];
type Row = readonly [name: string, act: Act];

const MIB = 1 << 20;
const U64_MAX = (1n << 64n) - 1n;
const HUGE = 0xffff_ffff;
const NONE = new Uint8Array(0);
const ones = (length: number) => new Uint8Array(length).fill(0xff);
const zeros = (length: number) => new Uint8Array(length);

/** One region, with a memfd of 1 MiB unless a size is given. */
const region =
  (fields: RawRegion, fileBytes = MIB): Act =>
  (a) =>
    a.memoryTable([fields], [a.memfd(fileBytes)]);

const regions =
  (list: readonly RawRegion[], fds = list.length): Act =>
  (a) =>
    a.memoryTable(
      list,
      Array.from({ length: fds }, () => a.memfd(MIB)),
    );

const ring = (a: ManagerAttack) => a.vmm!.queues[FIRST_REQUEST_QUEUE]!.ring;
const user = (a: ManagerAttack, address: number) => a.vmm!.memory.userAddress(address);

/** Posts a GETATTR and kicks, without waiting. */
const post: Act = (a) => {
  a.vmm!.port().post(encodeRequest(FUSE_GETATTR, 1, [zeros(16)]), 4096);
  a.vmm!.queues[FIRST_REQUEST_QUEUE]!.flush();
  a.vmm!.queues[FIRST_REQUEST_QUEUE]!.kick();
};

const messages: readonly Row[] = [
  ["a header of one byte, then nothing", (a) => a.client.sendRaw(zeros(1))],
  ["a header of 11 bytes, then nothing", (a) => a.client.sendRaw(zeros(11))],
  ["a header of ones", (a) => a.bytes(ones(12))],
  ["4 KiB of zeros", (a) => a.bytes(zeros(4096))],
  ["1 MiB of ones", (a) => a.bytes(ones(MIB))],
  ["request 0", (a) => a.say(0)],
  ["request 45", (a) => a.say(45, zeros(8))],
  ["request 2^31", (a) => a.say(2 ** 31, zeros(8))],
  ["request 2^32 - 1", (a) => a.say(HUGE, ones(8))],
  ...[0, 2, 3].map(
    (version): Row => [`version ${version}`, (a) => a.say(REQUEST.GET_FEATURES, NONE, [], version)],
  ),
  ["a reply nobody asked for", (a) => a.say(REQUEST.GET_FEATURES, u64(0), [], 5)],
  ["every flag", (a) => a.say(REQUEST.GET_FEATURES, NONE, [], HUGE)],
  ["a size of 2^32 - 1", (a) => a.say(REQUEST.SET_FEATURES, u64(0), [], 1, HUGE)],
  ["a size of 2^31", (a) => a.say(REQUEST.SET_FEATURES, u64(0), [], 1, 2 ** 31)],
  ["a size of 64 KiB, all of it sent", (a) => a.say(REQUEST.SET_FEATURES, zeros(65_536))],
  [
    "a size that says more than was sent",
    (a) => a.client.sendRaw(encodeMessage(REQUEST.SET_FEATURES, zeros(8), 1, 9)),
  ],
  ["a size that says less than was sent", (a) => a.say(REQUEST.SET_FEATURES, zeros(8), [], 1, 7)],
  ["GET_FEATURES with a payload", (a) => a.say(REQUEST.GET_FEATURES, ones(8))],
  [
    "GET_FEATURES with eight file descriptors",
    (a) =>
      a.say(
        REQUEST.GET_FEATURES,
        NONE,
        Array.from({ length: 8 }, () => a.eventfd()),
      ),
  ],
  [
    "GET_FEATURES with 200 file descriptors",
    (a) => a.say(REQUEST.GET_FEATURES, NONE, Array<number>(200).fill(a.eventfd())),
  ],
  ["a file descriptor with one byte of a header", (a) => a.client.sendRaw(zeros(1), [a.eventfd()])],
  [
    "a file descriptor with the payload, not the header",
    (a) => {
      const message = encodeMessage(REQUEST.SET_VRING_KICK, u64(1));
      a.client.sendRaw(message.subarray(0, 12));
      a.bytes(message.subarray(12), [a.eventfd()]);
    },
  ],
  [
    "a message byte by byte",
    (a) => {
      for (const byte of encodeMessage(REQUEST.SET_FEATURES, u64(0)))
        a.client.sendRaw(Uint8Array.of(byte));
    },
  ],
  [
    "two messages at once",
    (a) =>
      a.bytes(
        Buffer.concat([
          encodeMessage(REQUEST.GET_FEATURES, NONE),
          encodeMessage(REQUEST.GET_QUEUE_NUM, NONE),
        ]),
      ),
  ],
  ["unknown feature bits", (a) => a.say(REQUEST.SET_FEATURES, u64(U64_MAX))],
  ["the packed ring", (a) => a.say(REQUEST.SET_FEATURES, u64(1n << BigInt(FEATURE.RING_PACKED)))],
  ["unknown protocol feature bits", (a) => a.say(REQUEST.SET_PROTOCOL_FEATURES, u64(U64_MAX))],
  ["SET_FEATURES of 7 bytes", (a) => a.say(REQUEST.SET_FEATURES, zeros(7))],
  [
    "SET_OWNER twice",
    (a) => {
      a.say(REQUEST.SET_OWNER);
      a.say(REQUEST.SET_OWNER);
    },
  ],
  ["RESET_OWNER", (a) => a.say(REQUEST.RESET_OWNER)],
  ["RESET_DEVICE before anything", (a) => a.say(REQUEST.RESET_DEVICE)],
  ["GET_VRING_BASE of a ring that never was", (a) => a.vring(REQUEST.GET_VRING_BASE, 1, 0)],
  [
    "GET_VRING_BASE twice",
    (a) => {
      a.vring(REQUEST.GET_VRING_BASE, 0, 0);
      a.vring(REQUEST.GET_VRING_BASE, 0, 0);
    },
  ],
  ["GET_VRING_BASE of ring 2^32 - 1", (a) => a.vring(REQUEST.GET_VRING_BASE, HUGE, 0)],
  ...[2, 3, 8, 255, 1024, 2 ** 31, HUGE].flatMap((index): Row[] => [
    [`SET_VRING_NUM of ring ${index}`, (a) => a.vring(REQUEST.SET_VRING_NUM, index, 64)],
    [`SET_VRING_BASE of ring ${index}`, (a) => a.vring(REQUEST.SET_VRING_BASE, index, 0)],
    [`SET_VRING_ENABLE of ring ${index}`, (a) => a.vring(REQUEST.SET_VRING_ENABLE, index, 1)],
    [`SET_VRING_ADDR of ring ${index}`, (a) => a.vringAddress(index, 0, 0, 0)],
    [
      `SET_VRING_KICK of ring ${index}`,
      (a) => a.vringFd(REQUEST.SET_VRING_KICK, index, [a.eventfd()]),
    ],
    [
      `SET_VRING_CALL of ring ${index}`,
      (a) => a.vringFd(REQUEST.SET_VRING_CALL, index, [a.eventfd()]),
    ],
    [
      `SET_VRING_ERR of ring ${index}`,
      (a) => a.vringFd(REQUEST.SET_VRING_ERR, index, [a.eventfd()]),
    ],
  ]),
  ...[0, 1, 3, 63, 65, 1025, 2048, 32_768, 65_535, 65_536, HUGE].map(
    (entries): Row => [
      `a ring of ${entries} entries`,
      (a) => a.vring(REQUEST.SET_VRING_NUM, 0, entries),
    ],
  ),
  ["SET_VRING_NUM of 4 bytes", (a) => a.say(REQUEST.SET_VRING_NUM, zeros(4))],
  ["SET_VRING_ADDR of 8 bytes", (a) => a.say(REQUEST.SET_VRING_ADDR, zeros(8))],
  ["SET_VRING_ENABLE of 2", (a) => a.vring(REQUEST.SET_VRING_ENABLE, 0, 2)],
  ["SET_VRING_ENABLE before anything", (a) => a.vring(REQUEST.SET_VRING_ENABLE, 1, 1)],
  [
    "SET_VRING_ADDR before any memory",
    (a) => a.vringAddress(1, 0x7000_0000_0000, 0x7000_0000_1000, 0x7000_0000_2000),
  ],
  [
    "SET_VRING_KICK before anything else",
    (a) => a.vringFd(REQUEST.SET_VRING_KICK, 1, [a.eventfd()]),
  ],
  ["SET_VRING_KICK without a file descriptor", (a) => a.vringFd(REQUEST.SET_VRING_KICK, 1, [])],
  ["SET_VRING_CALL without a file descriptor", (a) => a.vringFd(REQUEST.SET_VRING_CALL, 1, [])],
  [
    "SET_VRING_KICK with two file descriptors",
    (a) => a.vringFd(REQUEST.SET_VRING_KICK, 1, [a.eventfd(), a.eventfd()]),
  ],
  [
    "SET_VRING_KICK that says it has none, with one",
    (a) => a.vringFd(REQUEST.SET_VRING_KICK, 1 | NO_FD, [a.eventfd()]),
  ],
  ["SET_VRING_KICK by polling", (a) => a.vringFd(REQUEST.SET_VRING_KICK, 1 | NO_FD, [])],
  [
    "SET_VRING_KICK of a ring beyond 2^32",
    (a) => a.vringFd(REQUEST.SET_VRING_KICK, (1n << 40n) | 1n, [a.eventfd()]),
  ],
  [
    "SET_VRING_CALL ten times",
    (a) => {
      for (let i = 0; i < 10; i++) a.vringFd(REQUEST.SET_VRING_CALL, 1, [a.eventfd()]);
    },
  ],
  [
    "SET_VRING_ERR ten times",
    (a) => {
      for (let i = 0; i < 10; i++) a.vringFd(REQUEST.SET_VRING_ERR, 1, [a.eventfd()]);
    },
  ],
  [
    "SET_VRING_KICK ten times",
    (a) => {
      for (let i = 0; i < 10; i++) a.vringFd(REQUEST.SET_VRING_KICK, 1, [a.eventfd()]);
    },
  ],
  ["GET_CONFIG of no bytes", (a) => a.say(REQUEST.GET_CONFIG, u32s(0, 0, 0))],
  ["GET_CONFIG of 2^32 - 1 bytes", (a) => a.say(REQUEST.GET_CONFIG, u32s(0, HUGE, 0))],
  [
    "GET_CONFIG at 2^32 - 1",
    (a) => a.say(REQUEST.GET_CONFIG, Buffer.concat([u32s(HUGE, 4, 0), zeros(4)])),
  ],
  [
    "GET_CONFIG of 256 bytes at 255",
    (a) => a.say(REQUEST.GET_CONFIG, Buffer.concat([u32s(255, 256, 0), zeros(256)])),
  ],
  [
    "GET_CONFIG of 257 bytes",
    (a) => a.say(REQUEST.GET_CONFIG, Buffer.concat([u32s(0, 257, 0), zeros(257)])),
  ],
  [
    "GET_CONFIG whose payload is a byte short",
    (a) => a.say(REQUEST.GET_CONFIG, Buffer.concat([u32s(0, 40, 0), zeros(39)])),
  ],
  ["GET_CONFIG with a header of 4 bytes", (a) => a.say(REQUEST.GET_CONFIG, zeros(4))],
  [
    "SET_CONFIG of ones",
    (a) => a.say(REQUEST.SET_CONFIG, Buffer.concat([u32s(0, 40, 0), ones(40)])),
  ],
  [
    "SET_CONFIG at 2^32 - 1",
    (a) => a.say(REQUEST.SET_CONFIG, Buffer.concat([u32s(HUGE, 256, 1), ones(256)])),
  ],
  [
    "SET_LOG_BASE without a file descriptor",
    (a) => a.say(REQUEST.SET_LOG_BASE, Buffer.concat([u64(4096), u64(0)])),
  ],
  [
    "SET_LOG_BASE of 2^63 bytes",
    (a) => a.say(REQUEST.SET_LOG_BASE, Buffer.concat([u64(1n << 63n), u64(0)]), [a.memfd(4096)]),
  ],
  [
    "SET_LOG_BASE, well-formed",
    (a) => a.say(REQUEST.SET_LOG_BASE, Buffer.concat([u64(4096), u64(0)]), [a.memfd(4096)]),
  ],
  [
    "SET_LOG_BASE beyond its file, twice",
    (a) => {
      for (let i = 0; i < 2; i++)
        a.say(REQUEST.SET_LOG_BASE, Buffer.concat([u64(MIB), u64(1 << 30)]), [a.memfd(4096)]);
    },
  ],
  ["SET_LOG_FD without a file descriptor", (a) => a.say(REQUEST.SET_LOG_FD)],
  [
    "SET_LOG_FD ten times",
    (a) => {
      for (let i = 0; i < 10; i++) a.say(REQUEST.SET_LOG_FD, NONE, [a.eventfd()]);
    },
  ],
  ["SET_BACKEND_REQ_FD without a file descriptor", (a) => a.say(REQUEST.SET_BACKEND_REQ_FD)],
  [
    "SET_BACKEND_REQ_FD of an eventfd, twice",
    (a) => {
      for (let i = 0; i < 2; i++) a.say(REQUEST.SET_BACKEND_REQ_FD, NONE, [a.eventfd()]);
    },
  ],
  ["GET_INFLIGHT_FD of zeros", (a) => a.say(REQUEST.GET_INFLIGHT_FD, zeros(24))],
  ["GET_INFLIGHT_FD of ones", (a) => a.say(REQUEST.GET_INFLIGHT_FD, ones(24))],
  ["SET_INFLIGHT_FD of ones", (a) => a.say(REQUEST.SET_INFLIGHT_FD, ones(24), [a.memfd(4096)])],
  ["SET_INFLIGHT_FD without a file descriptor", (a) => a.say(REQUEST.SET_INFLIGHT_FD, zeros(24))],
  [
    "SET_INFLIGHT_FD of more than its file",
    (a) =>
      a.say(REQUEST.SET_INFLIGHT_FD, Buffer.concat([u64(MIB), u64(0), u32s((128 << 16) | 2)]), [
        a.memfd(4096),
      ]),
  ],
  [
    "POSTCOPY_ADVISE, LISTEN and END",
    (a) => {
      for (const r of [28, 29, 30]) a.say(r);
    },
  ],
  ["POSTCOPY_LISTEN before ADVISE", (a) => a.say(REQUEST.POSTCOPY_LISTEN)],
  ["an IOTLB message of ones", (a) => a.say(REQUEST.IOTLB_MSG, ones(32))],
  ["a crypto session", (a) => a.say(REQUEST.CREATE_CRYPTO_SESSION, ones(2048))],
  ["a GPU socket", (a) => a.say(REQUEST.GPU_SET_SOCKET, NONE, [a.eventfd()])],
  ["VRING_KICK in band", (a) => a.vring(REQUEST.VRING_KICK, 1, 0)],
  ["VRING_KICK in band of ring 2^32 - 1", (a) => a.vring(REQUEST.VRING_KICK, HUGE, 0)],
  ["SET_STATUS of ones", (a) => a.say(REQUEST.SET_STATUS, u64(U64_MAX))],
  ["GET_SHARED_OBJECT", (a) => a.say(REQUEST.GET_SHARED_OBJECT, ones(16))],
  ["SET_DEVICE_STATE_FD", (a) => a.say(REQUEST.SET_DEVICE_STATE_FD, u32s(0, 0), [a.memfd(4096)])],
  ["CHECK_DEVICE_STATE", (a) => a.say(REQUEST.CHECK_DEVICE_STATE)],
];

const memory: readonly Row[] = [
  ["a memory table of no regions", regions([])],
  [
    "a memory table of 8 regions and 8 files",
    regions(Array.from({ length: 8 }, (_, i) => ({ guest: i * MIB, user: i * MIB }))),
  ],
  [
    "a memory table of 9 regions",
    regions(Array.from({ length: 9 }, (_, i) => ({ guest: i * MIB, user: i * MIB }))),
  ],
  ["a memory table that counts 2^32 - 1 regions", (a) => a.memoryTable([{}], [a.memfd(MIB)], HUGE)],
  ["a memory table that counts 2 and has 1", (a) => a.memoryTable([{}], [a.memfd(MIB)], 2)],
  [
    "a memory table that counts 1 and has 2",
    (a) => a.memoryTable([{}, { guest: 2 * MIB }], [a.memfd(MIB), a.memfd(MIB)], 1),
  ],
  ["a memory table without files", regions([{}], 0)],
  ["a memory table of 2 regions and 1 file", regions([{}, { guest: 4 * MIB, user: 4 * MIB }], 1)],
  ["a memory table of 1 region and 8 files", regions([{}], 8)],
  ["a memory table of 4 bytes", (a) => a.say(REQUEST.SET_MEM_TABLE, zeros(4), [a.memfd(MIB)])],
  [
    "a memory table of 39 bytes",
    (a) => a.say(REQUEST.SET_MEM_TABLE, encodeMemoryTable([], 1), [a.memfd(MIB)]),
  ],
  ["a region of no bytes", region({ size: 0 })],
  ["a region of one byte", region({ size: 1 })],
  ["a region of 4097 bytes", region({ size: 4097 })],
  ["a region of 2^63 bytes", region({ size: 1n << 63n })],
  ["a region of 2^64 - 1 bytes", region({ size: U64_MAX })],
  ["a region of 2^47 bytes", region({ size: 1n << 47n })],
  ["a region of 1 TiB over a file of 1 MiB", region({ size: 1n << 40n })],
  ["a region a page larger than its file", region({ size: MIB + 4096 })],
  ["a region over an empty file", region({}, 0)],
  ["a file offset beyond the file", region({ offset: 1 << 30 })],
  ["a file offset in the middle of a page", region({ offset: 100, size: 4096 })],
  ["a file offset of 2^64 - 4096", region({ offset: U64_MAX - 4095n })],
  [
    "a file offset and a size that wrap around together",
    region({ offset: U64_MAX - 4095n, size: 8192 }),
  ],
  ["a guest address of 2^64 - 4096", region({ guest: U64_MAX - 4095n })],
  ["a guest address of 2^53", region({ guest: 1n << 53n })],
  ["a guest address in the middle of a page", region({ guest: 0x10_0001 })],
  ["a user address of 2^64 - 4096", region({ user: U64_MAX - 4095n })],
  ["a user address of 0", region({ user: 0 })],
  ["two regions in the same place", regions([{}, {}])],
  [
    "two regions that overlap by a page",
    regions([{}, { guest: 0x10_0000 + MIB - 4096, user: 8 * MIB }]),
  ],
  ["two regions whose user addresses overlap", regions([{}, { guest: 0x100_0000 }])],
  [
    "a region within another",
    regions([{}, { guest: 0x10_0000 + 4096, size: 4096, user: 8 * MIB }]),
  ],
  [
    "eight regions in falling order",
    regions(Array.from({ length: 8 }, (_, i) => ({ guest: (8 - i) * MIB, user: i * MIB }))),
  ],
  ["an eventfd as memory", (a) => a.memoryTable([{}], [a.eventfd()])],
  ["/dev/null as memory", (a) => a.memoryTable([{}], [a.file("/dev/null", "r+")])],
  ["/dev/zero as memory", (a) => a.memoryTable([{}], [a.file("/dev/zero", "r+")])],
  ["a folder as memory", (a) => a.memoryTable([{}], [a.file("/")])],
  [
    "a file opened for reading as memory",
    (a) => a.memoryTable([{ size: 4096 }], [a.file("/proc/self/exe")]),
  ],
  ["the socket itself as memory", (a) => a.memoryTable([{}], [a.client.fd])],
  [
    "the table again and again",
    (a) => {
      for (let i = 0; i < 20; i++) region({})(a);
    },
  ],
  ["ADD_MEM_REG without a file", (a) => a.addRegion({}, [])],
  ["ADD_MEM_REG with two files", (a) => a.addRegion({}, [a.memfd(MIB), a.memfd(MIB)])],
  [
    "ADD_MEM_REG of a region larger than its file",
    (a) => a.addRegion({ size: 1 << 30 }, [a.memfd(MIB)]),
  ],
  [
    "ADD_MEM_REG of the same region twice",
    (a) => {
      for (let i = 0; i < 2; i++) a.addRegion({}, [a.memfd(MIB)]);
    },
  ],
  ["ADD_MEM_REG of 2^63 bytes", (a) => a.addRegion({ size: 1n << 63n }, [a.memfd(MIB)])],
  ["ADD_MEM_REG of 8 bytes", (a) => a.say(REQUEST.ADD_MEM_REG, zeros(8), [a.memfd(MIB)])],
  [
    "ADD_MEM_REG 600 times",
    (a) => {
      const fd = a.memfd(4096);
      for (let i = 0; i < 600; i++) {
        const payload = Buffer.concat([u64(0), u64(i * 4096), u64(4096), u64(i * 4096), u64(0)]);
        a.client.sendRaw(encodeMessage(REQUEST.ADD_MEM_REG, payload), [fd]);
      }
    },
  ],
  ["REM_MEM_REG of what was never added", (a) => a.removeRegion({})],
  [
    "REM_MEM_REG with a file",
    (a) => {
      a.addRegion({}, [a.memfd(MIB)]);
      a.removeRegion({}, [a.memfd(MIB)]);
    },
  ],
  [
    "REM_MEM_REG of another size",
    (a) => {
      a.addRegion({}, [a.memfd(MIB)]);
      a.removeRegion({ size: 4096 });
    },
  ],
  [
    "REM_MEM_REG twice",
    (a) => {
      a.addRegion({}, [a.memfd(MIB)]);
      a.removeRegion({});
      a.removeRegion({});
    },
  ],
];

/** Kick and call descriptors that are no eventfds, and more, on rings that could run. */
const running: readonly Row[] = [
  ...(
    [
      ["/dev/zero", (a: ManagerAttack) => a.file("/dev/zero", "r+")],
      ["/dev/null", (a: ManagerAttack) => a.file("/dev/null", "r+")],
      ["a memfd", (a: ManagerAttack) => a.memfd(4096)],
      ["a folder", (a: ManagerAttack) => a.file("/")],
      ["the vhost-user socket", (a: ManagerAttack) => a.client.fd],
      ["a full pipe", (a: ManagerAttack) => fullPipe(a)],
    ] as const
  ).flatMap(([name, make]): Row[] => [
    [
      `${name} as the kick`,
      (a) => {
        a.vringFd(REQUEST.SET_VRING_KICK, 1, [make(a)]);
        post(a);
      },
    ],
    [
      `${name} as the call`,
      (a) => {
        a.vringFd(REQUEST.SET_VRING_CALL, 1, [make(a)]);
        post(a);
      },
    ],
    [
      `${name} as the error descriptor`,
      (a) => {
        a.vringFd(REQUEST.SET_VRING_ERR, 1, [make(a)]);
        post(a);
      },
    ],
  ]),
  [
    "a call that overflows its counter",
    (a) => {
      const fd = a.eventfd();
      writeSync(fd, u64(U64_MAX - 1n));
      a.vringFd(REQUEST.SET_VRING_CALL, 1, [fd]);
      post(a);
    },
  ],
  [
    "the same eventfd as kick and call",
    (a) => {
      const fd = a.eventfd();
      a.vringFd(REQUEST.SET_VRING_KICK, 1, [fd]);
      a.vringFd(REQUEST.SET_VRING_CALL, 1, [fd]);
      post(a);
      writeSync(fd, u64(1));
      a.client.drain(30);
    },
  ],
  [
    "ring addresses outside memory",
    (a) => {
      a.vringAddress(1, 0x1000, 0x2000, 0x3000);
      post(a);
    },
  ],
  [
    "ring addresses of 2^64 - 1",
    (a) => {
      a.vringAddress(1, U64_MAX, U64_MAX, U64_MAX);
      post(a);
    },
  ],
  [
    "guest addresses instead of user addresses",
    (a) => {
      const r = ring(a);
      a.vringAddress(1, r.descriptorTable, r.usedRing, r.availRing);
      post(a);
    },
  ],
  [
    "a descriptor table that straddles the end of memory",
    (a) => {
      const r = ring(a);
      a.vringAddress(1, lastPage(a) + 4080, user(a, r.usedRing), user(a, r.availRing));
      post(a);
    },
  ],
  [
    "a used ring that straddles the end of memory",
    (a) => {
      const r = ring(a);
      a.vringAddress(1, user(a, r.descriptorTable), lastPage(a) + 4092, user(a, r.availRing));
      post(a);
    },
  ],
  [
    "an avail ring that straddles the end of memory",
    (a) => {
      const r = ring(a);
      a.vringAddress(1, user(a, r.descriptorTable), user(a, r.usedRing), lastPage(a) + 4090);
      post(a);
    },
  ],
  [
    "misaligned rings",
    (a) => {
      const r = ring(a);
      a.vringAddress(
        1,
        user(a, r.descriptorTable) + 1,
        user(a, r.usedRing) + 1,
        user(a, r.availRing) + 1,
      );
      post(a);
    },
  ],
  [
    "all rings in the same place",
    (a) => {
      const r = ring(a);
      a.vringAddress(
        1,
        user(a, r.descriptorTable),
        user(a, r.descriptorTable),
        user(a, r.descriptorTable),
      );
      post(a);
    },
  ],
  [
    "a log address and the LOG flag",
    (a) => {
      const r = ring(a);
      a.vringAddress(1, user(a, r.descriptorTable), user(a, r.usedRing), user(a, r.availRing), 1);
      post(a);
    },
  ],
  [
    "SET_VRING_ADDR while it runs",
    (a) => {
      const r = ring(a);
      a.vringAddress(1, user(a, r.descriptorTable), user(a, r.usedRing), user(a, r.availRing));
      post(a);
    },
  ],
  ...[0, 3, 65_536, HUGE, 1024].map(
    (entries): Row => [
      `SET_VRING_NUM ${entries} while it runs`,
      (a) => {
        a.vring(REQUEST.SET_VRING_NUM, 1, entries);
        post(a);
        a.vringFd(REQUEST.SET_VRING_KICK, 1, [a.eventfd()]);
        post(a);
      },
    ],
  ),
  ...[1, 0x7fff, 0xffff, 0x1_0000, HUGE].map(
    (base): Row => [
      `SET_VRING_BASE ${base} while it runs`,
      (a) => {
        a.vring(REQUEST.SET_VRING_BASE, 1, base);
        post(a);
      },
    ],
  ),
  ...[1, 0x7fff, 0xffff, HUGE].map(
    (base): Row => [
      `a restart at index ${base}`,
      (a) => {
        a.vring(REQUEST.GET_VRING_BASE, 1, 0);
        a.vring(REQUEST.SET_VRING_BASE, 1, base);
        a.vringFd(REQUEST.SET_VRING_KICK, 1, [a.eventfd()]);
        post(a);
      },
    ],
  ),
  [
    "GET_VRING_BASE twice, then a kick",
    (a) => {
      a.vring(REQUEST.GET_VRING_BASE, 1, 0);
      a.vring(REQUEST.GET_VRING_BASE, 1, 0);
      post(a);
    },
  ],
  [
    "a kick on a ring that was disabled",
    (a) => {
      a.vring(REQUEST.SET_VRING_ENABLE, 1, 0);
      post(a);
    },
  ],
  [
    "enabled and disabled a hundred times",
    (a) => {
      for (let i = 0; i < 100; i++)
        a.client.sendRaw(encodeMessage(REQUEST.SET_VRING_ENABLE, u32s(1, i & 1)));
      post(a);
    },
  ],
  [
    "RESET_DEVICE while it runs, then a kick",
    (a) => {
      a.say(REQUEST.RESET_DEVICE);
      post(a);
    },
  ],
  [
    "RESET_OWNER while it runs, then a kick",
    (a) => {
      a.say(REQUEST.RESET_OWNER);
      post(a);
    },
  ],
  [
    "SET_FEATURES while it runs",
    (a) => {
      a.say(REQUEST.SET_FEATURES, u64(0));
      post(a);
    },
  ],
  [
    "SET_FEATURES without EVENT_IDX while it runs",
    (a) => {
      const { low, high } = FeatureBits.of(FEATURE.VERSION_1, FEATURE.PROTOCOL_FEATURES);
      a.say(REQUEST.SET_FEATURES, u32s(low, high));
      post(a);
    },
  ],
  [
    "SET_OWNER while it runs",
    (a) => {
      a.say(REQUEST.SET_OWNER);
      post(a);
    },
  ],
  [
    "a memory table of nothing while it runs",
    (a) => {
      regions([])(a);
      post(a);
    },
  ],
  [
    "a memory table of other memory while it runs",
    (a) => {
      region({ guest: 0x7000_0000 })(a);
      post(a);
    },
  ],
  [
    "a memory table of the same memory while it runs",
    (a) => {
      const list = a.vmm!.memory.regions;
      a.say(
        REQUEST.SET_MEM_TABLE,
        encodeMemoryTable(list),
        list.map((r) => r.fd),
      );
      post(a);
    },
  ],
  [
    "a bad memory table while it runs",
    (a) => {
      region({ size: U64_MAX })(a);
      post(a);
    },
  ],
  [
    "REM_MEM_REG of the memory that the rings are in",
    (a) => {
      const [first] = a.vmm!.memory.regions;
      a.removeRegion({ guest: first!.guestAddress, size: first!.size, user: first!.userAddress });
      post(a);
    },
  ],
  ["memory truncated to nothing", (a) => truncate(a, 0)],
  ["memory truncated in the middle of the rings", (a) => truncate(a, 4096)],
  ["memory truncated behind the rings", (a) => truncate(a, MIB)],
  [
    "memory truncated with requests under way",
    (a) => {
      for (let i = 0; i < 10; i++) post(a);
      truncate(a, 0);
    },
  ],
  [
    "memory truncated and grown again",
    (a) => {
      const { fd, size } = a.vmm!.memory.regions[0]!;
      ftruncateSync(fd, 0);
      ftruncateSync(fd, size);
      a.vmm!.queues[FIRST_REQUEST_QUEUE]!.kick();
      a.client.drain(30);
    },
  ],
  ["a client gone in mid-request", (a) => post(a)],
  [
    "a client gone with 20 requests under way",
    (a) => {
      for (let i = 0; i < 20; i++) post(a);
    },
  ],
  [
    "half a message while requests are under way",
    (a) => {
      post(a);
      a.client.sendRaw(zeros(5));
      post(a);
    },
  ],
  [
    "a thousand kicks without a request",
    (a) => {
      for (let i = 0; i < 1000; i++) a.vmm!.queues[FIRST_REQUEST_QUEUE]!.kick();
      a.client.drain(20);
    },
  ],
];

/** Every request number is tried with each of these payloads … */
export const PAYLOADS: readonly Uint8Array[] = [
  NONE,
  zeros(4),
  zeros(8),
  ones(8),
  zeros(40),
  ones(40),
  ones(264),
];

/** … and so many file descriptors. */
export const FD_COUNTS: readonly number[] = [0, 1, 3];

export const REQUESTS_END = 48;

function lastPage(a: ManagerAttack): number {
  const { userAddress, size } = a.vmm!.memory.regions.at(-1)!;
  return userAddress + size - 4096;
}

/** The VM manager pulls memory away under the device's feet. */
function truncate(a: ManagerAttack, bytes: number): void {
  const { fd } = a.vmm!.memory.regions[0]!;
  ftruncateSync(fd, bytes);
  // Our own mapping is as short now: only the eventfd may be touched.
  a.vmm!.queues[FIRST_REQUEST_QUEUE]!.kick();
  a.client.drain(50);
}

/** The writing end of a pipe that holds all it can: writing to it blocks. */
function fullPipe(a: ManagerAttack): number {
  const path = `${a.folder()}/pipe`;
  execFileSync("mkfifo", [path]);
  const filler = a.file(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(filler, zeros(4096));
  } catch {
    // It is full.
  }
  return a.file(path, "r+");
}

const at =
  (stage: Stage) =>
  ([name, act]: Row): ManagerCase => ({ name: `${name} (${stage})`, stage, act });

export const MANAGER_CASES: readonly ManagerCase[] = [
  ...messages.map(at("connected")),
  ...messages.map(at("negotiated")),
  ...messages.map(at("running")),
  ...memory.map(at("negotiated")),
  ...running.map(at("running")),
];

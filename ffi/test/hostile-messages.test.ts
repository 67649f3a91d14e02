import { closeSync, openSync, writeSync } from "node:fs";
import fc from "fast-check";
import { EventFd, FEATURE, REQUEST, SharedMemory, sendMessage, signalFd } from "node-vhost-user";
import { describe, expect, it } from "vitest";
import {
  address,
  bits,
  config,
  FrontEnd,
  GUEST,
  MIB,
  message,
  NEED_REPLY,
  oneRegion,
  openFds,
  ring,
  sharedMappings,
  state,
  table,
  USER,
  u64,
  VERSION,
} from "./front-end.ts";

const BEYOND = 2n ** 63n;
const LAST = 2n ** 64n - 1n;

/** What a case may use: a front-end that has agreed on everything, with memory and ring 0 running. */
interface Scene {
  readonly memory: SharedMemory;
  readonly event: EventFd;
  readonly full: EventFd;
  readonly zero: number;
}

type Case = [
  what: string,
  request: number,
  payload?: Uint8Array | undefined,
  fds?: ((scene: Scene) => number[]) | undefined,
];

const memoryFd = (scene: Scene) => [scene.memory.fd];
const eventFd = (scene: Scene) => [scene.event.fd];

const REFUSED: readonly Case[] = [
  ["request 0, which libvhost-user takes for a closed connection", 0],
  ["an unknown request", 250],
  ["a request of 2^32 - 1", 0xffff_ffff],
  ["dirty logging (SET_LOG_BASE)", 6, u64(4096, 0), memoryFd],
  ["dirty logging (SET_LOG_FD)", 7, undefined, eventFd],
  ["SEND_RARP", 19, u64(0)],
  ["NET_SET_MTU", 20, u64(1500)],
  ["SET_BACKEND_REQ_FD", 21, undefined, eventFd],
  ["IOTLB_MSG", 22, new Uint8Array(32)],
  ["SET_VRING_ENDIAN", 23, state(0, 1)],
  ["CREATE_CRYPTO_SESSION", 26],
  ["POSTCOPY_ADVISE", 28],
  ["POSTCOPY_LISTEN", 29],
  ["POSTCOPY_END", 30],
  ["GET_INFLIGHT_FD", 31, new Uint8Array(20)],
  ["SET_INFLIGHT_FD", 32, new Uint8Array(20), memoryFd],
  ["GPU_SET_SOCKET", 33, undefined, eventFd],
  ["VRING_KICK in-band", 35, state(0, 0)],
  ["GET_SHARED_OBJECT", 41, new Uint8Array(16)],

  ["features that were not offered", REQUEST.SET_FEATURES, bits([32, 26])],
  ["no VERSION_1", REQUEST.SET_FEATURES, bits([28])],
  ["other features while a ring runs", REQUEST.SET_FEATURES, bits([32])],
  ["protocol features not offered", REQUEST.SET_PROTOCOL_FEATURES, bits([0, 14])],
  ["protocol feature 63", REQUEST.SET_PROTOCOL_FEATURES, bits([63])],
  ["features with a file descriptor", REQUEST.SET_FEATURES, bits([32, 30]), eventFd],
  ["GET_FEATURES with a payload", REQUEST.GET_FEATURES, u64(1)],
  ["SET_FEATURES without one", REQUEST.SET_FEATURES],

  ["9 regions", REQUEST.SET_MEM_TABLE, table([{ size: 4096 }], 9), memoryFd],
  ["2^32 - 1 regions", REQUEST.SET_MEM_TABLE, table([{ size: 4096 }], 0xffff_ffff), memoryFd],
  ["more regions than bytes", REQUEST.SET_MEM_TABLE, table([{ size: 4096 }], 2), memoryFd],
  ["fewer regions than bytes", REQUEST.SET_MEM_TABLE, table([{ size: 4096 }], 0)],
  ["a region without its file descriptor", REQUEST.SET_MEM_TABLE, table([{ size: 4096 }])],
  [
    "more file descriptors than regions",
    REQUEST.SET_MEM_TABLE,
    table([{ size: 4096 }]),
    ({ memory }) => [memory.fd, memory.fd],
  ],
  ["an empty region", REQUEST.SET_MEM_TABLE, table([{ size: 0 }]), memoryFd],
  ["a region beyond its file", REQUEST.SET_MEM_TABLE, table([{ size: MIB + 1 }]), memoryFd],
  ["an offset beyond", REQUEST.SET_MEM_TABLE, table([{ size: 4096, offset: MIB }]), memoryFd],
  ["an unaligned offset", REQUEST.SET_MEM_TABLE, table([{ size: 4096, offset: 12 }]), memoryFd],
  [
    "a wrapping offset",
    REQUEST.SET_MEM_TABLE,
    table([{ size: 4096, offset: LAST - 4095n }]),
    memoryFd,
  ],
  ["a size of 2^63", REQUEST.SET_MEM_TABLE, table([{ size: BEYOND }]), memoryFd],
  ["a size of 2^64 - 1", REQUEST.SET_MEM_TABLE, table([{ size: LAST }]), memoryFd],
  [
    "a guest address that wraps",
    REQUEST.SET_MEM_TABLE,
    table([{ guest: LAST - 4095n, size: 8192 }]),
    memoryFd,
  ],
  [
    "a user address that wraps",
    REQUEST.SET_MEM_TABLE,
    table([{ user: LAST - 4095n, size: 8192 }]),
    memoryFd,
  ],
  [
    "an unaligned guest address",
    REQUEST.SET_MEM_TABLE,
    table([{ guest: 1, size: 4096 }]),
    memoryFd,
  ],
  [
    "regions that overlap for the guest",
    REQUEST.SET_MEM_TABLE,
    table([{ size: 8192 }, { guest: GUEST + 4096, user: USER + MIB, size: 4096 }]),
    ({ memory }) => [memory.fd, memory.fd],
  ],
  [
    "regions that overlap for the front-end",
    REQUEST.SET_MEM_TABLE,
    table([{ size: 8192 }, { guest: GUEST + MIB, user: USER + 4096, size: 4096 }]),
    ({ memory }) => [memory.fd, memory.fd],
  ],
  ["an eventfd as memory", REQUEST.SET_MEM_TABLE, table([{ size: 4096 }]), eventFd],
  ["a device as memory", REQUEST.SET_MEM_TABLE, table([{ size: 4096 }]), ({ zero }) => [zero]],
  ["adding what overlaps", REQUEST.ADD_MEM_REG, oneRegion({ size: 4096 }), memoryFd],
  ["adding no memory", REQUEST.ADD_MEM_REG, oneRegion({ guest: 0, user: 0, size: 4096 })],
  ["adding with a short payload", REQUEST.ADD_MEM_REG, u64(0, 0, 4096, 0), memoryFd],
  ["removing what is not there", REQUEST.REM_MEM_REG, oneRegion({ guest: 0, size: 4096 })],
  ["removing a part", REQUEST.REM_MEM_REG, oneRegion({ size: 4096 })],
  ["removing by another user address", REQUEST.REM_MEM_REG, oneRegion({ user: 0, size: MIB })],

  ["a ring of 0 entries", REQUEST.SET_VRING_NUM, state(1, 0)],
  ["a ring of 3 entries", REQUEST.SET_VRING_NUM, state(1, 3)],
  ["a ring of 512 entries, 256 allowed", REQUEST.SET_VRING_NUM, state(1, 512)],
  ["a ring of 2^31 entries", REQUEST.SET_VRING_NUM, state(1, 0x8000_0000)],
  ["a queue that is not there", REQUEST.SET_VRING_NUM, state(3, 16)],
  ["queue 2^32 - 1", REQUEST.SET_VRING_NUM, state(0xffff_ffff, 16)],
  ["another size for a running ring", REQUEST.SET_VRING_NUM, state(0, 8)],
  ["a position of 65536", REQUEST.SET_VRING_BASE, state(1, 65536)],
  ["another position for a running ring", REQUEST.SET_VRING_BASE, state(0, 1)],
  ["the position of no queue", REQUEST.SET_VRING_BASE, state(9, 1)],
  ["enabling with 2", REQUEST.SET_VRING_ENABLE, state(0, 2)],
  ["enabling no queue", REQUEST.SET_VRING_ENABLE, state(3, 1)],
  ["stopping no queue", REQUEST.GET_VRING_BASE, state(3, 0)],
  ["stopping with half a payload", REQUEST.GET_VRING_BASE, new Uint8Array(4)],

  ["a ring outside memory", REQUEST.SET_VRING_ADDR, ring(1, USER + MIB, 16)],
  ["a ring by guest addresses", REQUEST.SET_VRING_ADDR, ring(1, GUEST, 16)],
  ["a ring that straddles the end", REQUEST.SET_VRING_ADDR, ring(1, USER + MIB - 16, 16)],
  ["a used ring that wraps", REQUEST.SET_VRING_ADDR, address(1, USER, LAST - 3n, USER + 256)],
  [
    "descriptors not on 16 bytes",
    REQUEST.SET_VRING_ADDR,
    address(1, USER + 8, USER + 512, USER + 256),
  ],
  ["an odd available ring", REQUEST.SET_VRING_ADDR, address(1, USER, USER + 512, USER + 257)],
  ["a used ring not on 4 bytes", REQUEST.SET_VRING_ADDR, address(1, USER, USER + 514, USER + 256)],
  ["the address of no queue", REQUEST.SET_VRING_ADDR, ring(3, USER, 16)],
  ["another place for a running ring", REQUEST.SET_VRING_ADDR, ring(0, USER + 8192, 16)],

  ["a kick without an eventfd", REQUEST.SET_VRING_KICK, u64(0)],
  ["a kick that wants polling", REQUEST.SET_VRING_KICK, u64(0x100)],
  ["a kick with a file descriptor that it denies", REQUEST.SET_VRING_KICK, u64(0x100), eventFd],
  ["a kick with two", REQUEST.SET_VRING_KICK, u64(0), ({ event }) => [event.fd, event.fd]],
  ["a kick with a memfd", REQUEST.SET_VRING_KICK, u64(0), memoryFd],
  ["a kick with a device", REQUEST.SET_VRING_KICK, u64(0), ({ zero }) => [zero]],
  ["a kick for a ring without an address", REQUEST.SET_VRING_KICK, u64(1), eventFd],
  ["a kick for no queue", REQUEST.SET_VRING_KICK, u64(3), eventFd],
  ["a kick with unknown bits", REQUEST.SET_VRING_KICK, u64(0x200), eventFd],
  ["a kick with high bits", REQUEST.SET_VRING_KICK, u64(2n ** 40n), eventFd],
  ["a call without an eventfd", REQUEST.SET_VRING_CALL, u64(0)],
  ["a call with a memfd", REQUEST.SET_VRING_CALL, u64(0), memoryFd],
  ["a call with a full eventfd", REQUEST.SET_VRING_CALL, u64(0), ({ full }) => [full.fd]],
  ["a call for queue 255", REQUEST.SET_VRING_CALL, u64(255), eventFd],
  ["an err without an eventfd", REQUEST.SET_VRING_ERR, u64(0)],
  ["an err with a device", REQUEST.SET_VRING_ERR, u64(0), ({ zero }) => [zero]],

  ["a config request of another length", REQUEST.GET_CONFIG, config(0, 8, 4)],
  ["a config request of 2^32 - 1 bytes", REQUEST.GET_CONFIG, config(0, 0xffff_ffff, 0)],
  ["a config request of 8 bytes", REQUEST.GET_CONFIG, u64(0)],
];

function withScene(run: (frontEnd: FrontEnd, scene: Scene) => void): void {
  using frontEnd = new FrontEnd();
  using memory = SharedMemory.create(MIB);
  using event = new EventFd();
  using full = new EventFd();
  fill(full);
  const zero = openSync("/dev/zero", "r+");
  frontEnd.negotiate([FEATURE.VERSION_1, FEATURE.RING_EVENT_IDX, 30]);
  frontEnd.shareMemory(memory);
  const { kick, call } = frontEnd.startRing(0);
  try {
    run(frontEnd, { memory, event, full, zero });
  } finally {
    closeSync(zero);
    kick[Symbol.dispose]();
    call[Symbol.dispose]();
  }
}

/** Brings an eventfd to its highest count: writing 1 more would block. */
function fill(event: EventFd): void {
  writeSync(event.fd, u64(LAST - 1n));
}

describe("a message that breaks the protocol", () => {
  it.each(REFUSED)("is refused, without a reply or a leak: %s", (_what, request, payload, fds) => {
    let before: string[] = [];
    let after: string[] = [];
    const mappings = sharedMappings();
    withScene((frontEnd, scene) => {
      expect(frontEnd.send(request, payload, fds?.(scene) ?? [])).toBe("refused");
      expect(frontEnd.receive()).toBeUndefined();
      expect(frontEnd.log).toHaveLength(1);
    });
    // The first round may open what stays open (an epoll of Node's); the second tells.
    for (const round of [0, 1]) {
      withScene((frontEnd, scene) => {
        frontEnd.send(request, payload, fds?.(scene) ?? [], VERSION | NEED_REPLY);
        expect(frontEnd.receive()?.payload.getUint32(0, true) ?? 1).not.toBe(0);
      });
      if (round === 0) before = openFds();
      else after = openFds();
    }
    expect(after).toEqual(before);
    expect(sharedMappings()).toBe(mappings);
  });

  it("is refused by its header alone", () => {
    for (const bytes of [
      message(REQUEST.GET_FEATURES, undefined, 0), // version 0
      message(REQUEST.GET_FEATURES, undefined, 2), // version 2
      message(REQUEST.GET_FEATURES, undefined, VERSION | 4), // a reply
      message(REQUEST.GET_FEATURES, undefined, VERSION | 16),
      message(REQUEST.SET_FEATURES, undefined, VERSION, 0xffff_ffff),
      message(REQUEST.SET_FEATURES, undefined, VERSION, 9),
      message(200, undefined, VERSION, 4096),
    ]) {
      using frontEnd = new FrontEnd();
      sendMessage(frontEnd.fd, bytes);
      expect(frontEnd.device.dispatch()).toBe("refused");
    }
  });

  it("is refused with more file descriptors than any message has", () => {
    withScene((frontEnd, { event }) => {
      const before = openFds().length;
      const many = Array<number>(100).fill(event.fd);
      expect(frontEnd.send(REQUEST.SET_MEM_TABLE, table([]), many)).toBe("refused");
      expect(openFds().length).toBe(before);
    });
    withScene((frontEnd, { event }) => {
      const five = Array<number>(5).fill(event.fd);
      const bytes = message(REQUEST.SET_MEM_TABLE, table([]));
      sendMessage(frontEnd.fd, bytes.subarray(0, 6), five);
      expect(frontEnd.device.dispatch()).toBe("handled");
      sendMessage(frontEnd.fd, bytes.subarray(6), five);
      expect(frontEnd.device.dispatch()).toBe("refused");
    });
  });

  it("may be cut in halves whose file descriptors come late", () => {
    withScene((frontEnd, { event }) => {
      const bytes = message(REQUEST.SET_VRING_ERR, u64(0));
      sendMessage(frontEnd.fd, bytes.subarray(0, 13));
      expect(frontEnd.device.dispatch()).toBe("handled");
      sendMessage(frontEnd.fd, bytes.subarray(13), [event.fd]);
      expect(frontEnd.device.dispatch()).toBe("handled");
      expect(frontEnd.log).toEqual([]);
    });
  });
});

describe("a front-end", () => {
  it("that sends a ring's address before any memory is refused", () => {
    using frontEnd = new FrontEnd();
    frontEnd.tell(REQUEST.SET_VRING_NUM, state(0, 16));
    expect(frontEnd.send(REQUEST.SET_VRING_ADDR, ring(0, USER, 16))).toBe("refused");
  });

  it("that grows a ring beyond memory after telling its address is refused when it starts", () => {
    using frontEnd = new FrontEnd();
    using memory = SharedMemory.create(8192);
    using event = new EventFd();
    frontEnd.negotiate();
    frontEnd.shareMemory(memory);
    frontEnd.tell(REQUEST.SET_VRING_NUM, state(0, 16));
    frontEnd.tell(REQUEST.SET_VRING_ADDR, ring(0, USER + 6144, 16));
    frontEnd.tell(REQUEST.SET_VRING_NUM, state(0, 256));
    expect(frontEnd.send(REQUEST.SET_VRING_KICK, u64(0), [event.fd])).toBe("refused");
  });

  it("that takes a stopped ring's memory away does no harm", () => {
    using frontEnd = new FrontEnd();
    using memory = SharedMemory.create(MIB);
    frontEnd.negotiate();
    frontEnd.shareMemory(memory);
    frontEnd.startRing(0);
    frontEnd.ask(REQUEST.GET_VRING_BASE, state(0, 0));
    frontEnd.tell(REQUEST.SET_MEM_TABLE, table([]));
    expect(frontEnd.device.queue(0).descriptorTable).toBe(0);
    using event = new EventFd();
    expect(frontEnd.send(REQUEST.SET_VRING_KICK, u64(0), [event.fd])).toBe("refused");
  });

  it("that does not read its replies is dropped before anything blocks", () => {
    using frontEnd = new FrontEnd();
    let result = "handled";
    let sent = 0;
    for (; result === "handled" && sent < 100_000; sent++) {
      result = frontEnd.send(REQUEST.GET_FEATURES);
    }
    expect(result).toBe("refused");
    expect(frontEnd.log[0]).toContain("does not read its replies");
  });

  it("cannot make us wait for its eventfds", () => {
    withScene((frontEnd) => {
      const { callFd } = frontEnd.device.queue(0);
      writeSync(callFd, u64(LAST - 2n));
      for (let i = 0; i < 4; i++) expect(signalFd(callFd)).toBe(0);
    });
  });

  it("that sends random bytes neither breaks nor leaks anything", () => {
    const before = openFds();
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 6 }), (chunks) => {
        using frontEnd = new FrontEnd();
        pour(frontEnd, chunks);
      }),
      { numRuns: 300 },
    );
    expect(openFds().length).toBeLessThanOrEqual(before.length + 1);
  });

  it("that sends any messages in any order, right and wrong, does neither", () => {
    const mappings = sharedMappings();
    let handled = 0;
    fc.assert(
      fc.property(fc.array(ANY_MESSAGE, { minLength: 1, maxLength: 20 }), (messages) => {
        withScene((frontEnd, scene) => {
          for (const { request, payload, fds, flags } of messages) {
            const passed = fds.map((name) => fdOf(scene, name));
            if (frontEnd.send(request, payload, passed, flags) !== "handled") return;
            handled++;
            frontEnd.receive();
            touchEverything(frontEnd);
          }
        });
      }),
      { numRuns: 500 },
    );
    expect(handled).toBeGreaterThan(500);
    expect(sharedMappings()).toBe(mappings);
  });
});

interface AnyMessage {
  readonly request: number;
  readonly payload: Uint8Array;
  readonly fds: readonly (keyof Scene)[];
  readonly flags: number;
}

const INDEX = fc.nat(3);
const AT = fc.constantFrom(0, 16, 4096, 8192, MIB - 4096, MIB - 16, MIB);
const BYTES = fc.constantFrom(4096, 8192, MIB / 2, MIB, MIB + 4096);
const ENTRIES = fc.constantFrom(0, 1, 2, 16, 100, 256, 512);
const REGION = fc.record({
  guest: AT.map((at) => GUEST + at),
  user: AT.map((at) => USER + at),
  size: BYTES,
  offset: fc.constantFrom(0, 4096),
});

function plausible(
  request: number,
  payload: fc.Arbitrary<Uint8Array>,
  fds: readonly (keyof Scene)[] = [],
): fc.Arbitrary<AnyMessage> {
  const flags = fc.constantFrom(VERSION, VERSION | NEED_REPLY);
  return fc.record({ request: fc.constant(request), payload, fds: fc.constant(fds), flags });
}

const EMPTY = fc.constant(new Uint8Array(0));
const WILD: fc.Arbitrary<AnyMessage> = fc.record({
  request: fc.oneof(fc.constantFrom(...Object.values(REQUEST)), fc.nat(50)),
  payload: fc.uint8Array({ maxLength: 280 }),
  fds: fc.array(fc.constantFrom<keyof Scene>("memory", "event", "full", "zero"), { maxLength: 3 }),
  flags: fc.constantFrom(VERSION, VERSION | NEED_REPLY, 0),
});

const ANY_MESSAGE: fc.Arbitrary<AnyMessage> = fc.oneof(
  { weight: 1, arbitrary: WILD },
  ...[
    plausible(
      REQUEST.SET_MEM_TABLE,
      REGION.map((region) => table([region])),
      ["memory"],
    ),
    plausible(REQUEST.ADD_MEM_REG, REGION.map(oneRegion), ["memory"]),
    plausible(REQUEST.REM_MEM_REG, REGION.map(oneRegion)),
    plausible(REQUEST.REM_MEM_REG, fc.constant(oneRegion({ size: MIB }))),
    plausible(
      REQUEST.SET_VRING_NUM,
      fc.tuple(INDEX, ENTRIES).map(([i, n]) => state(i, n)),
    ),
    plausible(
      REQUEST.SET_VRING_BASE,
      fc.tuple(INDEX, ENTRIES).map(([i, n]) => state(i, n)),
    ),
    plausible(
      REQUEST.GET_VRING_BASE,
      INDEX.map((i) => state(i, 0)),
    ),
    plausible(
      REQUEST.SET_VRING_ENABLE,
      fc.tuple(INDEX, fc.nat(2)).map(([i, n]) => state(i, n)),
    ),
    plausible(
      REQUEST.SET_VRING_ADDR,
      fc.tuple(INDEX, AT, ENTRIES).map(([i, at, n]) => ring(i, USER + at, n)),
    ),
    plausible(
      REQUEST.SET_VRING_KICK,
      INDEX.map((i) => u64(i)),
      ["event"],
    ),
    plausible(
      REQUEST.SET_VRING_CALL,
      INDEX.map((i) => u64(i)),
      ["event"],
    ),
    plausible(
      REQUEST.SET_VRING_CALL,
      INDEX.map((i) => u64(i | 0x100)),
    ),
    plausible(REQUEST.SET_FEATURES, fc.constantFrom(bits([32, 29, 30]), bits([32]))),
    plausible(REQUEST.RESET_DEVICE, EMPTY),
    plausible(REQUEST.RESET_OWNER, EMPTY),
    plausible(REQUEST.GET_QUEUE_NUM, EMPTY),
    plausible(
      REQUEST.GET_CONFIG,
      fc.nat(60).map((n) => config(n, 8)),
    ),
  ].map((arbitrary) => ({ weight: 2, arbitrary })),
);

function fdOf(scene: Scene, name: keyof Scene): number {
  const what = scene[name];
  return typeof what === "number" ? what : what.fd;
}

/** Reads what a device would: every window's ends, every part of every ring. */
function touchEverything(frontEnd: FrontEnd): void {
  const { memory } = frontEnd.device;
  for (const { buffer } of memory.windows) {
    const bytes = new Uint8Array(buffer);
    expect(bytes[0]! + bytes[bytes.length - 1]!).toBeGreaterThanOrEqual(0);
  }
  for (let index = 0; index < 3; index++) {
    const queue = frontEnd.device.queue(index);
    if (!queue.started || queue.descriptorTable === 0) continue;
    expect(queue.size).toBeGreaterThan(0);
    expect(memory.view(queue.descriptorTable, 16 * queue.size)).toBeDefined();
    expect(memory.view(queue.availRing, 4 + 2 * queue.size)).toBeDefined();
    expect(memory.view(queue.usedRing, 4 + 8 * queue.size)).toBeDefined();
  }
}

/** Sends chunk after chunk until the device has had enough. */
function pour(frontEnd: FrontEnd, chunks: readonly Uint8Array[]): void {
  for (const chunk of chunks) {
    if (chunk.length > 0) sendMessage(frontEnd.fd, chunk);
    for (let i = 0; i < 8; i++) if (frontEnd.device.dispatch() !== "handled") return;
  }
}

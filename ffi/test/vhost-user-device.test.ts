import { closeSync, ftruncateSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  type DeviceEvents,
  EventFd,
  FEATURE,
  PROTOCOL_FEATURE,
  REQUEST,
  SharedMemory,
  sendMessage,
} from "node-vhost-user";
import { describe, expect, it } from "vitest";
import {
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

describe("negotiation", () => {
  it("offers exactly the features that the device was made with", () => {
    using frontEnd = new FrontEnd();
    const features = frontEnd.ask(REQUEST.GET_FEATURES).getBigUint64(0, true);
    expect(features).toBe((1n << 28n) | (1n << 29n) | (1n << 30n) | (1n << 32n));
    const protocol = frontEnd.ask(REQUEST.GET_PROTOCOL_FEATURES).getBigUint64(0, true);
    expect(protocol).toBe(0b1010_0010_0000_1001n);
    expect(frontEnd.ask(REQUEST.GET_QUEUE_NUM).getUint32(0, true)).toBe(3);
  });

  it("keeps what the driver acknowledged and says so", () => {
    let negotiated = 0;
    using frontEnd = new FrontEnd({ events: { featuresNegotiated: () => negotiated++ } });
    expect(frontEnd.device.features).toEqual({ low: 0, high: 0 });
    frontEnd.negotiate([29, 30, 32]);
    expect(frontEnd.device.features).toEqual({ low: 0x6000_0000, high: 1 });
    expect(frontEnd.device.hasFeature(FEATURE.RING_EVENT_IDX)).toBe(true);
    expect(frontEnd.device.hasFeature(FEATURE.RING_INDIRECT_DESC)).toBe(false);
    expect(negotiated).toBe(1);
  });

  it("begins rings disabled with vhost-user's own feature bit, else enabled", () => {
    using frontEnd = new FrontEnd();
    frontEnd.negotiate([FEATURE.VERSION_1, FEATURE.RING_INDIRECT_DESC, 30]);
    expect(frontEnd.device.queue(1).enabled).toBe(false);
    frontEnd.tell(REQUEST.SET_FEATURES, bits([FEATURE.VERSION_1]));
    expect(frontEnd.device.queue(1).enabled).toBe(true);
  });

  it("refuses options that cannot be served", () => {
    for (const options of [
      { queues: 0 },
      { queues: 257 },
      { features: [26] },
      { features: [34] },
      { protocolFeatures: [1] },
      { protocolFeatures: [] },
      { config: new Uint8Array(257) },
      { maxQueueSize: 100 },
      { maxQueueSize: 65536 },
    ]) {
      expect(() => new FrontEnd(options)).toThrow(RangeError);
    }
  });
});

describe("REPLY_ACK", () => {
  it("answers every message that asks, after it has been agreed on and not before", () => {
    using frontEnd = new FrontEnd();
    expect(frontEnd.verdictOn(REQUEST.SET_OWNER)).toBeUndefined();
    frontEnd.negotiate();
    expect(frontEnd.verdictOn(REQUEST.SET_OWNER)).toBe(0);
    using memory = SharedMemory.create(MIB);
    expect(frontEnd.verdictOn(REQUEST.SET_MEM_TABLE, table([{ size: MIB }]), [memory.fd])).toBe(0);
    expect(frontEnd.verdictOn(REQUEST.SET_VRING_NUM, state(0, 16))).toBe(0);
    expect(frontEnd.verdictOn(REQUEST.SET_VRING_ADDR, ring(0, USER, 16))).toBe(0);
    using event = new EventFd();
    expect(frontEnd.verdictOn(REQUEST.SET_VRING_KICK, u64(0), [event.fd])).toBe(0);
    expect(frontEnd.verdictOn(REQUEST.SET_VRING_CALL, u64(0), [event.fd])).toBe(0);
    expect(frontEnd.verdictOn(REQUEST.SET_VRING_ERR, u64(0), [event.fd])).toBe(0);
    expect(frontEnd.verdictOn(REQUEST.RESET_DEVICE)).toBe(0);
    expect(frontEnd.receive()).toBeUndefined();
  });

  it("adds nothing to a message that has a reply of its own", () => {
    using frontEnd = new FrontEnd();
    frontEnd.negotiate();
    for (const request of [REQUEST.GET_FEATURES, REQUEST.GET_QUEUE_NUM]) {
      expect(frontEnd.send(request, undefined, [], VERSION | NEED_REPLY)).toBe("handled");
      expect(frontEnd.receive()?.flags).toBe(5);
      expect(frontEnd.receive()).toBeUndefined();
    }
  });

  it("says no to what cannot be done, and goes on", () => {
    using frontEnd = new FrontEnd();
    frontEnd.negotiate();
    expect(frontEnd.verdictOn(77)).toBe(1);
    expect(frontEnd.verdictOn(REQUEST.SET_CONFIG, config(0, 4))).toBe(1);
    expect(frontEnd.ask(REQUEST.GET_QUEUE_NUM).getUint32(0, true)).toBe(3);
  });

  it("says no to what breaks the protocol before the connection ends", () => {
    using frontEnd = new FrontEnd();
    frontEnd.negotiate();
    expect(frontEnd.verdictOn(REQUEST.SET_VRING_NUM, state(0, 3))).toBe(1);
    expect(frontEnd.log).toEqual([
      "vhost-user message refused: SET_VRING_NUM: a ring of 3 entries",
    ]);
  });
});

describe("the configuration space", () => {
  it("is read at any offset", () => {
    using frontEnd = new FrontEnd();
    frontEnd.negotiate();
    const reply = frontEnd.ask(REQUEST.GET_CONFIG, config(36, 8));
    expect(reply.byteLength).toBe(20);
    expect([reply.getUint32(0, true), reply.getUint32(4, true)]).toEqual([36, 8]);
    expect(reply.getUint8(12)).toBe(37);
    expect(reply.getUint8(19)).toBe(44);
  });

  it("answers nothing for a range outside", () => {
    using frontEnd = new FrontEnd();
    frontEnd.negotiate();
    expect(frontEnd.ask(REQUEST.GET_CONFIG, config(37, 8)).byteLength).toBe(0);
    expect(frontEnd.ask(REQUEST.GET_CONFIG, config(0xffff_ffff, 1)).byteLength).toBe(0);
  });
});

describe("guest memory", () => {
  it("is seen without a copy, both ways", () => {
    let changes = 0;
    using frontEnd = new FrontEnd({ events: { memoryChanged: () => changes++ } });
    using memory = SharedMemory.create(MIB);
    memory.bytes[5] = 55;
    frontEnd.shareMemory(memory);
    const [region] = frontEnd.device.memory.regions;
    expect(region).toMatchObject({ guestAddress: GUEST, userAddress: USER, size: MIB });
    const [window] = frontEnd.device.memory.windows;
    expect(window).toMatchObject({ guestAddress: GUEST, hostAddress: region!.hostAddress });
    const bytes = new Uint8Array(window!.buffer);
    expect(bytes.length).toBe(MIB);
    expect(bytes[5]).toBe(55);
    bytes[6] = 66;
    expect(memory.bytes[6]).toBe(66);
    const view = frontEnd.device.memory.view(region!.hostAddress + 4, 3)!;
    expect([...new Uint8Array(view)]).toEqual([0, 55, 66]);
    expect(frontEnd.device.memory.view(region!.hostAddress + MIB - 1, 2)).toBeUndefined();
    expect(changes).toBe(1);
  });

  it("is cut off from old views when the table changes and when the device ends", () => {
    const frontEnd = new FrontEnd();
    using memory = SharedMemory.create(MIB);
    frontEnd.shareMemory(memory);
    const old = new Uint8Array(frontEnd.device.memory.windows[0]!.buffer);
    frontEnd.shareMemory(memory);
    expect(old.length).toBe(0);
    const last = new Uint8Array(frontEnd.device.memory.windows[0]!.buffer);
    expect(last.length).toBe(MIB);
    frontEnd[Symbol.dispose]();
    expect(last.length).toBe(0);
    expect(frontEnd.device.memory.regions).toEqual([]);
  });

  it("larger than a window is seen through several", () => {
    using frontEnd = new FrontEnd();
    using memory = SharedMemory.create(4096);
    // Sparse: nothing of it is touched but two bytes.
    using large = SharedMemory.create(2 ** 31);
    frontEnd.tell(
      REQUEST.SET_MEM_TABLE,
      table([{ size: 2 ** 31 }, { guest: GUEST + 2 ** 32, user: USER + 2 ** 33, size: 4096 }]),
      [large.fd, memory.fd],
    );
    const { windows } = frontEnd.device.memory;
    expect(windows.map((window) => window.buffer.byteLength)).toEqual([2 ** 30, 2 ** 30, 4096]);
    expect(windows[1]!.guestAddress).toBe(GUEST + 2 ** 30);
    new Uint8Array(windows[1]!.buffer)[0] = 9;
    expect(large.bytes[2 ** 30]).toBe(9);
    const across = frontEnd.device.memory.view(windows[1]!.hostAddress - 1, 2)!;
    expect([...new Uint8Array(across)]).toEqual([0, 9]);
  });

  it("may lie in a file on disk", () => {
    using frontEnd = new FrontEnd();
    const path = join(import.meta.dirname, `memory-${process.pid}.tmp`);
    const fd = openSync(path, "w+");
    ftruncateSync(fd, 8192);
    frontEnd.tell(REQUEST.SET_MEM_TABLE, table([{ size: 4096, offset: 4096 }]), [fd]);
    new Uint8Array(frontEnd.device.memory.windows[0]!.buffer)[1] = 42;
    expect(readFileSync(path)[4097]).toBe(42);
    closeSync(fd);
    rmSync(path);
  });

  it("is added and removed region by region", () => {
    using frontEnd = new FrontEnd();
    using one = SharedMemory.create(MIB);
    using two = SharedMemory.create(MIB);
    frontEnd.negotiate();
    expect(frontEnd.ask(REQUEST.GET_MAX_MEM_SLOTS).getUint32(0, true)).toBeGreaterThanOrEqual(32);
    const second = { guest: 0, size: 2 * 4096, user: USER + MIB, offset: 4096 };
    frontEnd.tell(REQUEST.ADD_MEM_REG, oneRegion({ size: MIB }), [one.fd]);
    frontEnd.tell(REQUEST.ADD_MEM_REG, oneRegion(second), [two.fd]);
    expect(frontEnd.device.memory.regions.map((r) => r.guestAddress)).toEqual([0, GUEST]);
    two.bytes[4096] = 7;
    expect(new Uint8Array(frontEnd.device.memory.windows[0]!.buffer)[0]).toBe(7);
    frontEnd.tell(REQUEST.REM_MEM_REG, oneRegion(second), [two.fd]);
    expect(frontEnd.device.memory.regions.map((r) => r.guestAddress)).toEqual([GUEST]);
  });
});

describe("rings", () => {
  function recorded(): { events: DeviceEvents; seen: string[] } {
    const seen: string[] = [];
    const events: DeviceEvents = {
      memoryChanged: () => seen.push("memory"),
      queueStarted: (i) => seen.push(`start ${i}`),
      queueStopped: (i) => seen.push(`stop ${i}`),
      ringPosition: (i) => {
        seen.push(`position ${i}`);
        return { lastAvail: 7, used: 5 };
      },
      deviceReset: () => seen.push("reset"),
    };
    return { events, seen };
  }

  it("are found in memory, started, enabled, and stopped where the device says", () => {
    const { events, seen } = recorded();
    using frontEnd = new FrontEnd({ events });
    using memory = SharedMemory.create(MIB);
    frontEnd.negotiate();
    frontEnd.shareMemory(memory);
    const { kick, call } = frontEnd.startRing(1, 16, 4096, 3);
    const queue = frontEnd.device.queue(1);
    const base = frontEnd.device.memory.regions[0]!.hostAddress + 4096;
    expect(queue).toMatchObject({ started: true, enabled: true, size: 16, lastAvail: 3 });
    expect([queue.descriptorTable, queue.availRing, queue.usedRing]).toEqual([
      base,
      base + 256,
      base + 304,
    ]);
    kick.signal();
    using ours = EventFd.adopt(queue.kickFd);
    expect(ours.drain()).toBe(true);
    expect(call.drain()).toBe(true); // libvhost-user signals a new call eventfd.
    const stopped = frontEnd.ask(REQUEST.GET_VRING_BASE, state(1, 0));
    expect([stopped.getUint32(0, true), stopped.getUint32(4, true)]).toEqual([1, 7]);
    expect(queue).toMatchObject({ started: false, kickFd: -1, callFd: -1, lastAvail: 7 });
    expect(seen).toEqual(["memory", "start 1", "position 1", "stop 1"]);
  });

  it("that are stopped twice answer the same position, and the device hears it once", () => {
    const { events, seen } = recorded();
    using frontEnd = new FrontEnd({ events });
    using memory = SharedMemory.create(MIB);
    frontEnd.negotiate();
    frontEnd.shareMemory(memory);
    frontEnd.startRing(0);
    for (let i = 0; i < 2; i++) {
      expect(frontEnd.ask(REQUEST.GET_VRING_BASE, state(0, 0)).getUint32(4, true)).toBe(7);
    }
    expect(frontEnd.ask(REQUEST.GET_VRING_BASE, state(2, 0)).getUint32(4, true)).toBe(0);
    expect(seen.filter((line) => line.startsWith("stop"))).toEqual(["stop 0"]);
  });

  it("may get another call and kick eventfd while they run", () => {
    const { events, seen } = recorded();
    using frontEnd = new FrontEnd({ events });
    using memory = SharedMemory.create(MIB);
    frontEnd.negotiate();
    frontEnd.shareMemory(memory);
    frontEnd.startRing(0);
    using event = new EventFd();
    frontEnd.tell(REQUEST.SET_VRING_KICK, u64(0), [event.fd]);
    frontEnd.tell(REQUEST.SET_VRING_CALL, u64(0x100));
    expect(frontEnd.device.queue(0).callFd).toBe(-1);
    frontEnd.tell(REQUEST.SET_VRING_CALL, u64(0), [event.fd]);
    expect(frontEnd.device.queue(0).callFd).toBeGreaterThan(0);
    expect(seen).toEqual(["memory", "start 0"]);
  });

  it("stay where they are in a new memory table, and wait while their region is away", () => {
    const { events } = recorded();
    using frontEnd = new FrontEnd({ events });
    using memory = SharedMemory.create(2 * MIB);
    frontEnd.negotiate();
    frontEnd.shareMemory(memory);
    frontEnd.startRing(0, 16, MIB + 64);
    const queue = frontEnd.device.queue(0);
    const offset = () => queue.descriptorTable - frontEnd.device.memory.regions[0]!.hostAddress;
    expect(offset()).toBe(MIB + 64);
    frontEnd.tell(
      REQUEST.SET_MEM_TABLE,
      table([{ guest: GUEST + MIB, user: USER + MIB, size: MIB, offset: MIB }]),
      [memory.fd],
    );
    expect(offset()).toBe(64);
    const half = oneRegion({ guest: GUEST + MIB, user: USER + MIB, size: MIB, offset: MIB });
    frontEnd.tell(REQUEST.REM_MEM_REG, half);
    expect([queue.started, queue.descriptorTable, queue.usedRing]).toEqual([true, 0, 0]);
    frontEnd.tell(REQUEST.ADD_MEM_REG, oneRegion({ size: 2 * MIB }), [memory.fd]);
    expect(offset()).toBe(MIB + 64);
  });

  it("are all stopped by RESET_DEVICE, and can be started again", () => {
    const { events, seen } = recorded();
    using frontEnd = new FrontEnd({ events });
    using memory = SharedMemory.create(MIB);
    frontEnd.negotiate();
    frontEnd.shareMemory(memory);
    frontEnd.startRing(0);
    frontEnd.startRing(2, 8, 8192);
    const before = openFds().length;
    frontEnd.tell(REQUEST.RESET_DEVICE);
    expect(openFds().length).toBe(before - 4);
    expect(frontEnd.device.queue(0)).toMatchObject({ started: false, enabled: false, size: 0 });
    expect(seen.slice(-3)).toEqual(["stop 0", "stop 2", "reset"]);
    frontEnd.startRing(0, 4);
    expect(frontEnd.device.queue(0)).toMatchObject({ started: true, enabled: true, size: 4 });
  });

  it("keep their place when they are disabled", () => {
    const { events } = recorded();
    using frontEnd = new FrontEnd({ events });
    using memory = SharedMemory.create(MIB);
    frontEnd.negotiate();
    frontEnd.shareMemory(memory);
    frontEnd.startRing(0);
    frontEnd.tell(REQUEST.SET_VRING_ENABLE, state(0, 0));
    expect(frontEnd.device.queue(0)).toMatchObject({ started: true, enabled: false, lastAvail: 7 });
  });
});

describe("the connection", () => {
  it("is closed when the front-end goes, even in the middle of a message", () => {
    for (const half of [0, 5, 14]) {
      using frontEnd = new FrontEnd();
      sendMessage(frontEnd.fd, message(REQUEST.SET_VRING_NUM, state(0, 16)).subarray(0, half));
      if (half > 0) expect(frontEnd.device.dispatch()).toBe("handled");
      frontEnd.hangUp();
      expect(frontEnd.device.dispatch()).toBe("closed");
    }
  });

  it("takes messages that arrive byte by byte, and several that arrive at once", () => {
    using frontEnd = new FrontEnd();
    for (const byte of message(REQUEST.GET_QUEUE_NUM)) {
      expect(frontEnd.receive()).toBeUndefined();
      sendMessage(frontEnd.fd, Uint8Array.of(byte));
      expect(frontEnd.device.dispatch()).toBe("handled");
    }
    expect(frontEnd.receive()?.payload.getUint32(0, true)).toBe(3);
    frontEnd.post(REQUEST.GET_QUEUE_NUM);
    frontEnd.post(REQUEST.GET_FEATURES);
    expect(frontEnd.device.dispatch()).toBe("handled");
    expect(frontEnd.receive()?.request).toBe(REQUEST.GET_QUEUE_NUM);
    expect(frontEnd.receive()).toBeUndefined();
    expect(frontEnd.device.dispatch()).toBe("handled");
    expect(frontEnd.receive()?.request).toBe(REQUEST.GET_FEATURES);
  });

  it("made and dropped 200 times leaves no file descriptor and no mapping behind", () => {
    const cycle = (refuse: boolean) => {
      using frontEnd = new FrontEnd();
      using memory = SharedMemory.create(MIB);
      frontEnd.negotiate();
      frontEnd.shareMemory(memory);
      const { kick, call } = frontEnd.startRing(0);
      using err = new EventFd();
      frontEnd.tell(REQUEST.SET_VRING_ERR, u64(0), [err.fd]);
      if (refuse) expect(frontEnd.send(REQUEST.GET_FEATURES, u64(0), [err.fd])).toBe("refused");
      // The rest of a message never comes.
      else sendMessage(frontEnd.fd, message(REQUEST.SET_FEATURES).subarray(0, 9), [err.fd]);
      frontEnd.device.dispatch();
      kick[Symbol.dispose]();
      call[Symbol.dispose]();
    };
    cycle(true);
    const fds = openFds();
    const mappings = sharedMappings();
    for (let i = 0; i < 200; i++) cycle(i % 2 === 0);
    expect(openFds()).toEqual(fds);
    expect(sharedMappings()).toBe(mappings);
  });
});

describe("PROTOCOL_FEATURE", () => {
  it("gates the requests that belong to it", () => {
    for (const [request, payload] of [
      [REQUEST.GET_CONFIG, config(0, 4)],
      [REQUEST.RESET_DEVICE, undefined],
      [REQUEST.GET_MAX_MEM_SLOTS, undefined],
    ] as const) {
      using frontEnd = new FrontEnd();
      frontEnd.tell(REQUEST.SET_PROTOCOL_FEATURES, bits([PROTOCOL_FEATURE.MQ]));
      expect(frontEnd.send(request, payload)).toBe("refused");
    }
  });
});

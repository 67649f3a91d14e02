/** Rings at work: many requests at a time, many queues, notifications, and rings that wrap. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID, fuseGetattrIn, fuseReadIn } from "../../src/abi/fuse.ts";
import { FUSE_GETATTR, FUSE_READ } from "../../src/abi/fuse-constants.ts";
import { BATCH_CHAINS_MAX } from "../../src/device/request-queue.ts";
import { ANSWER_MILLISECONDS } from "./chain-port.ts";
import { LINUX_SHAPE, PLAIN_SHAPE } from "./chain-shape.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { decodeReply, encode, encodeRequest, uniqueOf } from "./fuse-request.ts";
import { RequestLane } from "./request-lane.ts";
import { makeShare, ROOT_NAME, type ShareFixture } from "./share-fixture.ts";
import { HIGH_PRIORITY_QUEUE, SyntheticVmm, type VmmPlan } from "./synthetic-vmm.ts";
import { TreeWalker } from "./tree-walker.ts";

const REQUEST_QUEUES = 4;

let share: ShareFixture;
let daemon: DaemonProcess;

beforeAll(() => {
  share = makeShare();
  const options = ["--root", ROOT_NAME, "--queues", String(REQUEST_QUEUES)];
  daemon = DaemonProcess.serve(share.store, ...options);
});

afterAll(() => {
  daemon?.[Symbol.dispose]();
  share?.[Symbol.dispose]();
});

function start(plan: VmmPlan = {}): SyntheticVmm {
  return SyntheticVmm.start(daemon.socketPath, { requestQueues: REQUEST_QUEUES, ...plan });
}

const RINGS: readonly VmmPlan[] = [
  { eventIdx: true, indirect: true },
  { eventIdx: false, indirect: true },
  { eventIdx: true, indirect: false },
  { eventIdx: false, indirect: false },
];

describe.each(RINGS)("with EVENT_IDX $eventIdx and INDIRECT_DESC $indirect", (plan) => {
  it("many requests in one batch are all answered, each with its own reply", () => {
    using vmm = start({ ...plan, queueSize: 1024 });
    const fuse = vmm.session();
    const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "large");
    const expected = share.files.get("large")!;
    const port = vmm.port();
    const sent = new Map<number, { request: Uint8Array; offset: number }>();
    for (let index = 0; index < 60; index++) {
      const offset = index * 54_321;
      const args = encode(fuseReadIn, { offset, size: 4096 });
      const request = encodeRequest(FUSE_READ, nodeid, [args], { unique: uniqueOf(index) });
      const shape = plan.indirect === true ? LINUX_SHAPE : PLAIN_SHAPE;
      sent.set(port.post(request, 16 + 4096, shape).head, { request, offset });
    }
    vmm.queues[1]!.flush();
    while (port.inFlight > 0) {
      const { head, reply } = port.collect(ANSWER_MILLISECONDS);
      const { request, offset } = sent.get(head)!;
      const { error, body } = decodeReply(reply.room, reply.usedLength, request);
      expect(error).toBe(0);
      expect(Buffer.compare(body, expected.subarray(offset, offset + 4096))).toBe(0);
    }
  });

  it("the ring's indexes wrap around 65536 without a lost request", () => {
    using vmm = start({ ...plan, queueSize: 64 });
    vmm.session();
    const queue = vmm.queues[1]!;
    const lane = new RequestLane(vmm.memory, queue, {
      depth: 8,
      dataBytes: 4096,
      indirect: plan.indirect ?? true,
    });
    const before = queue.ring.availIndex;
    for (let round = 0; round < 8500; round++) {
      for (let slot = 0; slot < lane.depth; slot++) lane.getattr(slot, FUSE_ROOT_ID);
      lane.flush();
      for (let left = lane.depth; left > 0; left--) {
        const slot = lane.wait(ANSWER_MILLISECONDS);
        if (slot < 0 || lane.error(slot) !== 0 || !lane.isOwnReply(slot)) {
          throw new Error(`round ${round}: slot ${slot}`);
        }
      }
    }
    expect((before + 8500 * 8) & 0xffff).toBe(queue.ring.availIndex);
  });
});

describe("the used length", () => {
  it("is the reply's length, for data, for errors and for a short read", () => {
    using vmm = start();
    const fuse = vmm.session();
    const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "p4095");
    const port = vmm.port();
    const used = (request: Uint8Array, room: number) => port.transact(request, room).usedLength;
    const read = (offset: number, size: number) =>
      encodeRequest(FUSE_READ, nodeid, [encode(fuseReadIn, { offset, size })]);
    expect(used(read(0, 4096), 16 + 4096)).toBe(16 + 4095);
    expect(used(read(4000, 4096), 16 + 4096)).toBe(16 + 95);
    expect(used(read(9000, 4096), 16 + 4096)).toBe(16);
    expect(used(encodeRequest(9999, 1), 500)).toBe(16);
    const getattr = encodeRequest(FUSE_GETATTR, 1, [new Uint8Array(fuseGetattrIn.size)]);
    expect(used(getattr, 500)).toBe(16 + 104);
  });
});

describe("notifications", () => {
  it("a batch is answered with few calls", () => {
    using vmm = start({ eventIdx: true });
    vmm.session();
    const queue = vmm.queues[1]!;
    const lane = new RequestLane(vmm.memory, queue, { depth: 16, dataBytes: 4096, indirect: true });
    const callsBefore = queue.calls;
    const rounds = 500;
    for (let round = 0; round < rounds; round++) {
      for (let slot = 0; slot < lane.depth; slot++) lane.getattr(slot, FUSE_ROOT_ID);
      lane.flush();
      for (let left = lane.depth; left > 0; left--) lane.wait(ANSWER_MILLISECONDS);
    }
    expect(queue.calls - callsBefore).toBeLessThan(rounds * lane.depth * 0.75);
  });

  it("a driver that polls is not called", () => {
    using vmm = start({ eventIdx: true });
    vmm.session();
    const queue = vmm.queues[1]!;
    const lane = new RequestLane(vmm.memory, queue, { depth: 1, dataBytes: 4096, indirect: true });
    const roundTrip = () => {
      queue.ring.disarmCalls();
      lane.getattr(0, FUSE_ROOT_ID);
      lane.flush();
      while (lane.poll() < 0);
    };
    // The call for the session's last reply may come after that reply was seen, but not after another.
    roundTrip();
    queue.callEvent.drain();
    for (let round = 0; round < 200; round++) roundTrip();
    expect(queue.callEvent.drain()).toBe(false);
  });

  it("a kick without a request does no harm", () => {
    using vmm = start();
    const fuse = vmm.session();
    for (let index = 0; index < 100; index++) vmm.queues[1]!.kick();
    expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
  });
});

describe("several queues", () => {
  it("each serves the same session", () => {
    using vmm = start();
    const first = vmm.session(1);
    const { nodeid } = first.lookup(FUSE_ROOT_ID, "hello");
    for (let queue = 1; queue <= REQUEST_QUEUES; queue++) {
      expect(vmm.fuse(queue).read(nodeid, 0, 100).toString()).toBe("Hello World!");
    }
  });

  it("a busy one does not starve the others", () => {
    using vmm = start({ queueSize: 128 });
    vmm.session(1);
    const busy = new RequestLane(vmm.memory, vmm.queues[1]!, {
      depth: 64,
      dataBytes: 4096,
      indirect: true,
    });
    const fuse = vmm.fuse(2);
    for (let round = 0; round < 50; round++) {
      for (let slot = 0; slot < busy.depth; slot++) busy.getattr(slot, FUSE_ROOT_ID);
      busy.flush();
      expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
      for (let left = busy.depth; left > 0; left--) busy.wait(ANSWER_MILLISECONDS);
    }
  });

  it("have their turn while one is full of requests", () => {
    using vmm = start({ queueSize: 1024, memory: [{ guestAddress: 0, bytes: 32 << 20 }] });
    const { nodeid } = vmm.session(1).lookup(FUSE_ROOT_ID, "large");
    const plan = { dataBytes: 32_768, indirect: true };
    const full = new RequestLane(vmm.memory, vmm.queues[1]!, { ...plan, depth: 512 });
    const other = new RequestLane(vmm.memory, vmm.queues[2]!, { ...plan, depth: 1 });
    const { ring } = full.queue;
    // How many of the full queue were answered when the other was; what we are late by does not count.
    let least = full.depth;
    for (let round = 0; round < 20; round++) {
      const before = ring.deviceUsedIndex();
      for (let slot = 0; slot < full.depth; slot++) full.read(slot, nodeid, 0, slot * 4096, 32_768);
      other.getattr(0, FUSE_ROOT_ID);
      full.flush();
      other.flush();
      while (other.poll() < 0);
      least = Math.min(least, (ring.deviceUsedIndex() - before) & 0xffff);
      for (let left = full.depth; left > 0; left--) full.wait(ANSWER_MILLISECONDS);
    }
    expect(least).toBeLessThanOrEqual(3 * BATCH_CHAINS_MAX);
  });

  it("the high-priority queue takes FORGET, and anything else", () => {
    using vmm = start();
    const fuse = vmm.session(1);
    const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "hello");
    const high = vmm.fuse(HIGH_PRIORITY_QUEUE);
    high.forget(nodeid, 1);
    expect(() => fuse.getattr(nodeid)).toThrow();
    expect(high.getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
  });

  it("a VM manager may use fewer than there are", () => {
    using vmm = start({ requestQueues: 1 });
    expect(vmm.session().getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
  });
});

describe("a walk of the whole tree", () => {
  it.each([1, 16])("at depth %i sees every entry and every byte", (depth) => {
    using vmm = start({ queueSize: 1024 });
    vmm.session();
    const lane = new RequestLane(vmm.memory, vmm.queues[1]!, {
      depth,
      dataBytes: 1 << 17,
      indirect: true,
    });
    const contents = new Map<number, Buffer>();
    const names = new Map<string, number>();
    const walker = new TreeWalker(lane, {
      readBytes: 1 << 17,
      listBytes: 1 << 17,
      onEntry: (_parent, nodeid, _mode, size, name) => {
        names.set(name, nodeid);
        if (!contents.has(nodeid)) contents.set(nodeid, Buffer.alloc(size));
      },
      onData: (nodeid, offset, data) => contents.get(nodeid)?.set(data, offset),
    });
    const result = walker.walk();
    expect(result).toMatchObject({ symlinks: 3, directories: 7 });
    for (const [name, bytes] of share.files) {
      const nodeid = names.get(Buffer.from(name).toString("latin1"))!;
      expect(Buffer.compare(contents.get(nodeid)!, bytes), name).toBe(0);
    }
  });
});

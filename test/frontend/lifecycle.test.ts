/** Connections, negotiation, stops, restarts and resets of a real daemon; its beginning and its end. */
import { existsSync, ftruncateSync, mkdtempSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acceptUnix, closeFd, connectUnix, listenUnix } from "node-vhost-user";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID, fuseAttrOut, fuseGetattrIn } from "../../src/abi/fuse.ts";
import { FUSE_GETATTR } from "../../src/abi/fuse-constants.ts";
import { ChainPort } from "./chain-port.ts";
import { PLAIN_SHAPE } from "./chain-shape.ts";
import { castorefs, DaemonProcess, eventually } from "./daemon-process.ts";
import { decodeReply, encodeRequest } from "./fuse-request.ts";
import { makeShare, ROOT_NAME, type ShareFixture } from "./share-fixture.ts";
import { ONE_REGION, PC_REGIONS } from "./synthetic-memory.ts";
import { FIRST_REQUEST_QUEUE, HIGH_PRIORITY_QUEUE, SyntheticVmm } from "./synthetic-vmm.ts";
import { VhostUserClient, viewOf } from "./vhost-user-client.ts";
import { FEATURE, PROTOCOL_FEATURE } from "./vhost-user-protocol.ts";

const END_MILLISECONDS = 15_000;
const ROOT_MODE = 0o040555;

let share: ShareFixture;
let daemon: DaemonProcess;

beforeAll(() => {
  share = makeShare();
  daemon = DaemonProcess.serve(
    share.store,
    "--root",
    ROOT_NAME,
    "--tag",
    "greeting",
    "--queues",
    "2",
  );
});

afterAll(() => {
  daemon?.[Symbol.dispose]();
  share?.[Symbol.dispose]();
});

function serveOnce(socketPath: string): void {
  using vmm = SyntheticVmm.start(socketPath);
  const fuse = vmm.session();
  expect(fuse.read(fuse.lookup(FUSE_ROOT_ID, "hello").nodeid, 0, 99).toString()).toBe(
    "Hello World!",
  );
}

describe("negotiation", () => {
  it("offers what a virtio-fs device of today has, and nothing that it does not serve", () => {
    using vmm = SyntheticVmm.negotiate(daemon.socketPath);
    const { bits } = vmm.offered;
    for (const bit of ["VERSION_1", "INDIRECT_DESC", "EVENT_IDX", "PROTOCOL_FEATURES"] as const) {
      expect(bits, bit).toContain(FEATURE[bit]);
    }
    for (const bit of ["RING_PACKED", "LOG_ALL", "NOTIFY_ON_EMPTY", "ACCESS_PLATFORM"] as const) {
      expect(bits, bit).not.toContain(FEATURE[bit]);
    }
    const protocol = vmm.client.getProtocolFeatures().bits;
    for (const bit of ["MQ", "REPLY_ACK", "CONFIG", "CONFIGURE_MEM_SLOTS"] as const) {
      expect(protocol, bit).toContain(PROTOCOL_FEATURE[bit]);
    }
    for (const bit of ["LOG_SHMFD", "PAGEFAULT", "BACKEND_REQ", "HOST_NOTIFIER"] as const) {
      expect(protocol, bit).not.toContain(PROTOCOL_FEATURE[bit]);
    }
  });

  it("tells the number of queues: the high-priority one and the request queues", () => {
    using vmm = SyntheticVmm.negotiate(daemon.socketPath, { memorySlots: true });
    expect(vmm.client.getQueueCount()).toBe(3);
    expect(vmm.client.getMemorySlots()).toBeGreaterThanOrEqual(8);
  });

  it("has the tag and the number of request queues in its config space", () => {
    using vmm = SyntheticVmm.negotiate(daemon.socketPath);
    const config = vmm.client.getConfig(0, 40);
    expect(Buffer.from(config.subarray(0, 36)).toString()).toBe("greeting".padEnd(36, "\0"));
    expect(viewOf(config).getUint32(36, true)).toBe(2);
    expect(Buffer.from(vmm.client.getConfig(4, 4)).toString()).toBe("ting");
  });

  it.each([
    { replyAck: false },
    { replyAck: true },
    { memorySlots: true, replyAck: false },
    { memorySlots: true, memory: PC_REGIONS },
    { memory: PC_REGIONS, oneFile: true },
    { protocolFeatures: false },
    { protocolFeatures: false, eventIdx: false, indirect: false },
  ])("serves a VM manager with %o", (plan) => {
    using vmm = SyntheticVmm.start(daemon.socketPath, plan);
    expect(vmm.session().getattr(FUSE_ROOT_ID).mode).toBe(ROOT_MODE);
  });

  it("serves memory above 4 GiB in one region, and across the borders of its windows", () => {
    using vmm = SyntheticVmm.negotiate(daemon.socketPath);
    const [region] = vmm.memory.regions;
    const size = 5 * 2 ** 30;
    ftruncateSync(region!.fd, size);
    vmm.client.setMemoryTable([{ ...region!, size }]);
    vmm.startQueues();
    vmm.session();
    const getattr = encodeRequest(FUSE_GETATTR, 1, [new Uint8Array(fuseGetattrIn.size)]);
    const room = 16 + fuseAttrOut.size;
    for (const gibibytes of [1, 2, 3, 4]) {
      for (const before of [0, 1, 20, 60, 100]) {
        const offset = gibibytes * 2 ** 30 - before;
        const address = region!.guestAddress + offset;
        writeSync(region!.fd, getattr, 0, getattr.length, offset);
        vmm.port().postPieces(
          [
            { address, length: getattr.length, writable: false },
            { address: address + getattr.length, length: room, writable: true },
          ],
          "direct",
        );
        const queue = vmm.queues[FIRST_REQUEST_QUEUE]!;
        queue.flush();
        queue.take(5000);
        vmm.port().abandon();
        const reply = Buffer.alloc(room);
        readSync(region!.fd, reply, 0, room, offset + getattr.length);
        expect(decodeReply(reply, queue.ring.usedLength, getattr).error).toBe(0);
      }
    }
  });
});

describe("a ring", () => {
  it("stops at GET_VRING_BASE and goes on from there", () => {
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < round; index++) fuse.getattr(FUSE_ROOT_ID);
      const base = vmm.stopQueue(FIRST_REQUEST_QUEUE);
      expect(base).toBe(vmm.queues[FIRST_REQUEST_QUEUE]!.ring.availIndex);
      vmm.startQueue(FIRST_REQUEST_QUEUE, base);
      expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(ROOT_MODE);
    }
  });

  it("keeps its session over a stop of all rings", () => {
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "hello");
    const bases = vmm.queues.map((_, index) => vmm.stopQueue(index));
    for (const [index, base] of bases.entries()) vmm.startQueue(index, base);
    expect(fuse.getattr(nodeid).size).toBe(12);
  });

  it("answers after its start what was posted before", () => {
    using vmm = SyntheticVmm.start(daemon.socketPath);
    vmm.session();
    const base = vmm.stopQueue(FIRST_REQUEST_QUEUE);
    const port = vmm.port();
    port.post(encodeRequest(FUSE_GETATTR, 1, [new Uint8Array(fuseGetattrIn.size)]), 500);
    vmm.queues[FIRST_REQUEST_QUEUE]!.flush();
    vmm.startQueue(FIRST_REQUEST_QUEUE, base);
    expect(port.collect().reply.usedLength).toBe(16 + fuseAttrOut.size);
  });

  it("waits while it is disabled", () => {
    using vmm = SyntheticVmm.start(daemon.socketPath);
    vmm.session();
    vmm.client.setVringEnable(FIRST_REQUEST_QUEUE, false);
    const port = vmm.port();
    port.post(encodeRequest(FUSE_GETATTR, 1, [new Uint8Array(fuseGetattrIn.size)]), 500);
    vmm.queues[FIRST_REQUEST_QUEUE]!.flush();
    expect(vmm.queues[FIRST_REQUEST_QUEUE]!.wait(100)).toBe(false);
    vmm.client.setVringEnable(FIRST_REQUEST_QUEUE, true);
    expect(port.collect().reply.usedLength).toBe(16 + fuseAttrOut.size);
  });

  it("takes a new call descriptor while it runs, as QEMU gives it", () => {
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    const { kickEvent, callEvent } = vmm.queues[FIRST_REQUEST_QUEUE]!;
    vmm.client.setVringCall(FIRST_REQUEST_QUEUE);
    vmm.client.setVringCall(FIRST_REQUEST_QUEUE, callEvent.fd);
    vmm.client.setVringKick(FIRST_REQUEST_QUEUE, kickEvent.fd);
    expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(ROOT_MODE);
  });

  it("starts whatever the order in which it was described", () => {
    using vmm = SyntheticVmm.negotiate(daemon.socketPath);
    vmm.shareMemory();
    const { client, memory } = vmm;
    for (let index = 0; index < 2; index++) vmm.addQueue();
    vmm.startQueue(HIGH_PRIORITY_QUEUE);
    const { ring, kickEvent, callEvent } = vmm.queues[FIRST_REQUEST_QUEUE]!;
    client.setVringEnable(FIRST_REQUEST_QUEUE, true);
    client.setVringCall(FIRST_REQUEST_QUEUE, callEvent.fd);
    client.setVringAddress(
      FIRST_REQUEST_QUEUE,
      memory.userAddress(ring.descriptorTable),
      memory.userAddress(ring.availRing),
      memory.userAddress(ring.usedRing),
    );
    client.setVringBase(FIRST_REQUEST_QUEUE, 0);
    client.setVringNum(FIRST_REQUEST_QUEUE, ring.size);
    client.setVringKick(FIRST_REQUEST_QUEUE, kickEvent.fd);
    expect(vmm.session().getattr(FUSE_ROOT_ID).mode).toBe(ROOT_MODE);
  });

  it("may be started again at another place, with another size", () => {
    using vmm = SyntheticVmm.start(daemon.socketPath, { queueSize: 64 });
    vmm.session();
    for (const size of [128, 16, 256]) {
      vmm.stopQueue(FIRST_REQUEST_QUEUE);
      vmm.replaceQueue(FIRST_REQUEST_QUEUE, size);
      vmm.startQueue(FIRST_REQUEST_QUEUE);
      expect(vmm.fuse().getattr(FUSE_ROOT_ID).mode).toBe(ROOT_MODE);
    }
  });

  it.each([{ memorySlots: true }, { memorySlots: false }])(
    "runs on while memory is plugged in and out, with %o",
    (plan) => {
      const memory = [...ONE_REGION, { guestAddress: 0x1_0000_0000, bytes: 4 << 20 }];
      using vmm = SyntheticVmm.negotiate(daemon.socketPath, { memory, ...plan });
      const [first, second] = vmm.memory.regions;
      const plug = () =>
        plan.memorySlots
          ? vmm.client.addMemoryRegion(second!)
          : vmm.client.setMemoryTable([first!, second!]);
      const unplug = () =>
        plan.memorySlots
          ? vmm.client.removeMemoryRegion(second!)
          : vmm.client.setMemoryTable([first!]);
      vmm.client.setMemoryTable([first!]);
      vmm.startQueues();
      vmm.session();
      const far = new ChainPort(vmm.memory, vmm.queues[1]!, second!.guestAddress);
      const getattr = encodeRequest(FUSE_GETATTR, 1, [new Uint8Array(fuseGetattrIn.size)]);
      const used = () => far.transact(getattr, 500, PLAIN_SHAPE).usedLength;
      for (let round = 0; round < 3; round++) {
        expect(used()).toBe(0);
        plug();
        expect(used()).toBe(16 + fuseAttrOut.size);
        unplug();
      }
      expect(vmm.fuse().getattr(FUSE_ROOT_ID).mode).toBe(ROOT_MODE);
    },
  );

  it("follows a new memory table", () => {
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "hello");
    for (let round = 0; round < 5; round++) {
      const bases = vmm.queues.map((_, index) => vmm.stopQueue(index));
      vmm.shareMemory();
      for (const [index, base] of bases.entries()) vmm.startQueue(index, base);
      expect(fuse.getattr(nodeid).size).toBe(12);
    }
  });
});

describe("a device reset", () => {
  it("drops rings and session; the driver begins anew", () => {
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "hello");
    if (vmm.protocolFeatures.has(PROTOCOL_FEATURE.RESET_DEVICE)) vmm.client.resetDevice();
    else for (const index of vmm.queues.keys()) vmm.stopQueue(index);
    vmm.client.setFeatures(vmm.features);
    for (const [index, queue] of vmm.queues.entries()) {
      queue.ring.restart();
      vmm.startQueue(index);
    }
    fuse.init();
    expect(() => fuse.getattr(nodeid)).toThrow();
    expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(ROOT_MODE);
  });
});

describe("the daemon", () => {
  it("serves one client after another", () => {
    const before = daemon.descriptorCount;
    for (let index = 0; index < 20; index++) serveOnce(daemon.socketPath);
    expect(eventually(() => daemon.descriptorCount <= before, END_MILLISECONDS)).toBe(true);
  });

  it("lets a second client wait until the first has gone", () => {
    const first = SyntheticVmm.start(daemon.socketPath);
    const second = VhostUserClient.connect(daemon.socketPath);
    expect(first.session().getattr(FUSE_ROOT_ID).mode).toBe(ROOT_MODE);
    first[Symbol.dispose]();
    expect(second.getFeatures().has(FEATURE.VERSION_1)).toBe(true);
    second.close();
  });

  it("unmaps guest memory when its client has gone", () => {
    const memfds = () => daemon.mappings.filter((line) => line.includes("memfd:")).length;
    const before = memfds();
    const vmm = SyntheticVmm.start(daemon.socketPath);
    expect(memfds()).toBeGreaterThan(before);
    vmm[Symbol.dispose]();
    expect(eventually(() => memfds() === before, END_MILLISECONDS)).toBe(true);
  });

  it("uses no CPU when its client is idle", () => {
    using vmm = SyntheticVmm.start(daemon.socketPath);
    vmm.session().getattr(FUSE_ROOT_ID);
    const idle = () => {
      const before = daemon.cpuNanoseconds;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      return daemon.cpuNanoseconds - before < 50e6;
    };
    expect(idle() || idle()).toBe(true);
  });

  it("two of them serve one store", () => {
    using other = DaemonProcess.serve(share.store, "--root", ROOT_NAME);
    using first = SyntheticVmm.start(daemon.socketPath);
    using second = SyntheticVmm.start(other.socketPath);
    const sessions = [first.session(), second.session()];
    for (const name of ["hello", "large", "p4097"]) {
      const [one, two] = sessions.map((fuse) => fuse.readAll(fuse.lookup(1, name).nodeid));
      expect(Buffer.compare(one!, two!)).toBe(0);
    }
  });

  it("ends when its client disconnects, if asked to", async () => {
    using once = DaemonProcess.serve(share.store, "--root", ROOT_NAME, "--exit-on-disconnect");
    serveOnce(once.socketPath);
    expect(once.ended(END_MILLISECONDS)).toBe(true);
    expect(await once.outcome()).toBe(0);
  });

  it("takes a listening socket from its parent", () => {
    const folder = mkdtempSync(join(tmpdir(), "castorefs-fd-"));
    const path = join(folder, "inherited");
    const listening = listenUnix(path);
    using inherited = DaemonProcess.inherit(listening, path, share.store, "--root", ROOT_NAME);
    closeFd(listening);
    serveOnce(path);
    serveOnce(path);
    expect(inherited.isAlive).toBe(true);
    rmSync(folder, { recursive: true });
  });

  it("takes a connected socket from its parent, and ends with it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "castorefs-fd-"));
    const path = join(folder, "connected");
    const listening = listenUnix(path);
    const ours = connectUnix(path);
    const theirs = acceptUnix(listening)!;
    using inherited = DaemonProcess.inherit(theirs, path, share.store, "--root", ROOT_NAME);
    closeFd(theirs);
    closeFd(listening);
    const client = new VhostUserClient(ours);
    expect(client.getFeatures().has(FEATURE.VERSION_1)).toBe(true);
    client.close();
    expect(inherited.ended(END_MILLISECONDS)).toBe(true);
    expect(await inherited.outcome()).toBe(0);
    rmSync(folder, { recursive: true });
  });

  it.each(["SIGTERM", "SIGINT"] as const)("ends cleanly at %s, with a client", async (signal) => {
    using doomed = DaemonProcess.serve(share.store, "--root", ROOT_NAME);
    using vmm = SyntheticVmm.start(doomed.socketPath);
    vmm.session();
    doomed.signal(signal);
    expect(doomed.ended(END_MILLISECONDS)).toBe(true);
    expect(await doomed.outcome()).toBe(0);
    expect(existsSync(doomed.socketPath)).toBe(false);
  });

  it("ends cleanly at a SIGTERM that comes while it is starting", async () => {
    for (let round = 0; round < 3; round++) {
      using doomed = DaemonProcess.serve(share.store, "--root", ROOT_NAME);
      doomed.signal("SIGTERM");
      expect(doomed.ended(END_MILLISECONDS)).toBe(true);
      expect(await doomed.outcome()).toBe(0);
      expect(existsSync(doomed.socketPath)).toBe(false);
    }
  });

  it("shows all roots by name, and lists them only when allowed", () => {
    castorefs("import", "--store", share.store, "--name", "second", `${share.source}/deep`);
    using silent = DaemonProcess.serve(share.store);
    using open = DaemonProcess.serve(share.store, "--list-root");
    using first = SyntheticVmm.start(silent.socketPath);
    using second = SyntheticVmm.start(open.socketPath);
    const one = first.session();
    expect(one.walk(`${ROOT_NAME}/hello`).attr.size).toBe(12);
    expect(() => one.readdir(FUSE_ROOT_ID)).toThrow("-1");
    const two = second.session();
    const names = two.readdir(FUSE_ROOT_ID).map((entry) => entry.name.toString());
    expect(names.filter((name) => !name.startsWith(".")).sort()).toEqual(["second", ROOT_NAME]);
    expect(two.walk("second/er/and/deeper/leaf").attr.size).toBe(4);
  });
});

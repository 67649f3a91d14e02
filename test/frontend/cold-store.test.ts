/** Machines on a store that lacks things: what is missing is parked, fetched, and answered late. */
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID, fuseGetattrIn, fuseReadIn } from "../../src/abi/fuse.ts";
import { FUSE_GETATTR, FUSE_READ } from "../../src/abi/fuse-constants.ts";
import { EINTR, EIO } from "../../src/base/errno.ts";
import { STOP_GRACE_MILLISECONDS } from "../../src/device/control-port.ts";
import type { ChainPort } from "./chain-port.ts";
import { ColdShare } from "./cold-share.ts";
import { sleep } from "./daemon-process.ts";
import { errnoOf } from "./fuse-client.ts";
import { decodeReply, encode, encodeRequest } from "./fuse-request.ts";
import { MANY, makeShare, type ShareFixture } from "./share-fixture.ts";
import { FIRST_REQUEST_QUEUE, SyntheticVmm } from "./synthetic-vmm.ts";

const HEADER = 16;
const END_MILLISECONDS = 15_000;

let share: ShareFixture;

beforeAll(() => {
  share = makeShare();
});
afterAll(() => share?.[Symbol.dispose]());

const getattr = encodeRequest(FUSE_GETATTR, 1, [new Uint8Array(fuseGetattrIn.size)]);
const readRequest = (nodeid: number, offset: number, size: number) =>
  encodeRequest(FUSE_READ, nodeid, [encode(fuseReadIn, { offset, size })]);

/** Sends without waiting. */
function send(port: ChainPort, request: Uint8Array, room: number): number {
  const { head } = port.post(request, HEADER + room);
  port.queue.flush();
  return head;
}

/** The reply that comes next: which request's it is, its errno, and its bytes. */
function next(port: ChainPort, request: Uint8Array) {
  const { head, reply } = port.collect();
  const { error, body } = decodeReply(reply.room, reply.usedLength, request);
  return { head, error, body: Buffer.from(body) };
}

/** Everything up, the session begun, and the source held. */
function held(cold: ColdShare, plan: Parameters<typeof SyntheticVmm.start>[1] = {}) {
  const vmm = SyntheticVmm.start(cold.daemon.socketPath, plan);
  const fuse = vmm.session();
  const large = fuse.lookup(FUSE_ROOT_ID, "large").nodeid;
  const hello = fuse.lookup(FUSE_ROOT_ID, "hello").nodeid;
  cold.source("hold");
  return { vmm, fuse, large, hello, port: vmm.port() };
}

describe("a store that lacks everything but its root", () => {
  it("serves the whole tree, fetching each object once", () => {
    using cold = new ColdShare(share);
    using vmm = SyntheticVmm.start(cold.daemon.socketPath);
    const fuse = vmm.session();
    for (let round = 0; round < 2; round++) {
      for (const [name, bytes] of share.files) {
        const { nodeid } = fuse.lookup(FUSE_ROOT_ID, name);
        expect(fuse.readAll(nodeid).equals(bytes), name).toBe(true);
      }
      expect(fuse.readAll(fuse.walk("deep/er/and/deeper/leaf").nodeid).toString()).toBe("leaf");
      expect(fuse.readdirplus(fuse.walk("many").nodeid).length).toBe(MANY + 2);
    }
    expect(new Set(cold.fetches).size).toBe(cold.fetches.length);
  });

  it("answers others while a read waits, and the read when its bytes have come", () => {
    using cold = new ColdShare(share);
    const { vmm, large, port } = held(cold);
    using _ = vmm;
    const read = readRequest(large, 1_000_000, 100_000);
    const parked = send(port, read, 100_000);
    expect(cold.asked(1)).toBe(true);
    for (let round = 0; round < 50; round++) {
      const head = send(port, getattr, 200);
      expect(next(port, getattr)).toMatchObject({ head, error: 0 });
    }
    expect(port.queue.wait(200)).toBe(false);
    cold.source("pass");
    const reply = next(port, read);
    expect(reply).toMatchObject({ head: parked, error: 0 });
    expect(share.files.get("large")!.subarray(1_000_000, 1_100_000).equals(reply.body)).toBe(true);
  });

  it("a listing comes at once, and a lookup of what it lists waits", () => {
    using cold = new ColdShare(share);
    const { vmm, fuse } = held(cold);
    using _ = vmm;
    const entries = fuse.readdirplus(FUSE_ROOT_ID);
    const deep = entries.find(({ name }) => name.toString() === "deep");
    expect(deep?.entry.nodeid).toBe(0);
    expect(cold.fetches).toEqual([]);
    cold.source("pass");
    expect(fuse.walk("deep").attr.nlink).toBe(3);
    expect(cold.fetches).toEqual([expect.stringMatching(/^directory/)]);
  });

  it("asks once for what a thousand requests wait for, and answers each", () => {
    using cold = new ColdShare(share);
    const { vmm, large, port } = held(cold, { queueSize: 1024 });
    using _ = vmm;
    const read = readRequest(large, 500_000, 64);
    const heads = Array.from({ length: 1000 }, () => port.post(read, HEADER + 64).head);
    port.queue.flush();
    expect(cold.asked(1)).toBe(true);
    sleep(100);
    expect(cold.fetches).toHaveLength(1);
    cold.source("pass");
    const answered = heads.map(() => next(port, read));
    expect(answered.map(({ head }) => head).sort()).toEqual(heads.sort());
    const expected = share.files.get("large")!.subarray(500_000, 500_064);
    expect(answered.every(({ error, body }) => error === 0 && expected.equals(body))).toBe(true);
    expect(cold.fetches).toHaveLength(1);
  });

  it("a flood of reads that wait leaves the other queue served", () => {
    using cold = new ColdShare(share);
    using vmm = SyntheticVmm.start(cold.daemon.socketPath, { requestQueues: 2, queueSize: 1024 });
    const fuse = vmm.session();
    const files = fuse.readdirplus(fuse.walk("many").nodeid, 65_536).slice(2);
    cold.forget();
    cold.source("hold");
    const flood = vmm.port(FIRST_REQUEST_QUEUE);
    const reads = files.map(({ entry }) => readRequest(entry.nodeid, 0, 64));
    for (const read of reads) flood.post(read, HEADER + 64);
    flood.queue.flush();
    expect(cold.asked(10)).toBe(true);
    const other = vmm.fuse(FIRST_REQUEST_QUEUE + 1);
    for (let round = 0; round < 200; round++) other.getattr(FUSE_ROOT_ID);
    cold.source("pass");
    for (const read of reads) expect(next(flood, read).error).toBe(0);
    expect(cold.fetches).toHaveLength(MANY);
  });
});

describe("a source that does not answer", () => {
  it("costs a read EIO at its deadline, one line, and nothing later", () => {
    using cold = new ColdShare(share, { timeoutMilliseconds: 600 });
    const { vmm, fuse, large } = held(cold);
    using _ = vmm;
    const begun = performance.now();
    expect(errnoOf(() => fuse.read(large, 0, 4096))).toBe(EIO);
    const waited = performance.now() - begun;
    expect(waited).toBeGreaterThan(550);
    expect(waited).toBeLessThan(5_000);
    expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
    cold.source("pass");
    expect(fuse.readAll(large).equals(share.files.get("large")!)).toBe(true);
    expect(cold.daemon.log.match(/did not come in time/g)).toHaveLength(1);
    expect(cold.daemon.log).toMatch(/did not come in time.*blake3-/);
  });

  it("is asked again when it is back, before the deadline", () => {
    using cold = new ColdShare(share);
    const { vmm, port, large } = held(cold);
    using _ = vmm;
    cold.source("down");
    const read = readRequest(large, 0, 1000);
    send(port, read, 1000);
    expect(cold.asked(2)).toBe(true);
    expect(port.queue.wait(50)).toBe(false);
    cold.source("pass");
    expect(next(port, read).error).toBe(0);
  });

  it("that is down for too long costs EIO, and reads work again when it is back", () => {
    using cold = new ColdShare(share, { timeoutMilliseconds: 700 });
    const { vmm, fuse, hello } = held(cold);
    using _ = vmm;
    cold.source("down");
    expect(errnoOf(() => fuse.read(hello, 0, 99))).toBe(EIO);
    cold.source("pass");
    expect(fuse.read(hello, 0, 99).toString()).toBe("Hello World!");
  });

  it("that lacks the object, too, costs EIO at once", () => {
    using cold = new ColdShare(share);
    const { vmm, fuse, hello } = held(cold);
    using _ = vmm;
    cold.source("absent");
    for (let round = 0; round < 3; round++)
      expect(errnoOf(() => fuse.read(hello, 0, 99))).toBe(EIO);
    cold.source("pass");
    expect(fuse.read(hello, 0, 99).toString()).toBe("Hello World!");
    expect(cold.daemon.log.match(/object cannot be fetched/g)).toHaveLength(1);
  });

  it("is waited for beyond the deadline while bytes come in", () => {
    using cold = new ColdShare(share, { timeoutMilliseconds: 3_000 });
    const { vmm, port, large } = held(cold);
    using _ = vmm;
    cold.source("trickle");
    const read = readRequest(large, 0, 1000);
    send(port, read, 1000);
    expect(port.queue.wait(5_000)).toBe(false);
    cold.source("pass");
    expect(next(port, read).error).toBe(0);
  });
});

describe("while requests are parked", () => {
  it("a ring that stops gives everything back: what comes in time, and EINTR for the rest", () => {
    using cold = new ColdShare(share);
    const { vmm, port, large, hello } = held(cold);
    using _ = vmm;
    const reads = [readRequest(large, 0, 500), readRequest(hello, 0, 500)];
    const heads = reads.map((read) => send(port, read, 500));
    expect(cold.asked(2)).toBe(true);
    const begun = performance.now();
    const base = vmm.stopQueue(FIRST_REQUEST_QUEUE);
    expect(performance.now() - begun).toBeLessThan(STOP_GRACE_MILLISECONDS + 2_000);
    expect(base).toBe(port.queue.ring.availIndex);
    const replies = heads.map(() => next(port, reads[0]!));
    expect(replies.map(({ error }) => error)).toEqual([-EINTR, -EINTR]);
    expect(replies.map(({ head }) => head).sort()).toEqual(heads.sort());
    cold.source("pass");
    vmm.startQueue(FIRST_REQUEST_QUEUE, base);
    send(port, reads[1]!, 500);
    expect(next(port, reads[1]!).body.toString()).toBe("Hello World!");
  });

  it("rings that stop together wait together, and answer what comes meanwhile", () => {
    using cold = new ColdShare(share, { timeoutMilliseconds: 60_000 });
    using vmm = SyntheticVmm.start(cold.daemon.socketPath, { requestQueues: 2 });
    const fuse = vmm.session();
    const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "hello");
    cold.source("hold");
    const ports = [vmm.port(FIRST_REQUEST_QUEUE), vmm.port(FIRST_REQUEST_QUEUE + 1)];
    const read = readRequest(nodeid, 0, 500);
    for (const port of ports) send(port, read, 500);
    expect(cold.asked(1)).toBe(true);
    const begun = performance.now();
    vmm.stopQueue(FIRST_REQUEST_QUEUE);
    vmm.stopQueue(FIRST_REQUEST_QUEUE + 1);
    expect(performance.now() - begun).toBeLessThan(1.8 * STOP_GRACE_MILLISECONDS);
    for (const port of ports) expect(next(port, read).error).toBe(-EINTR);
  });

  it("the memory table may change, and rings may lose their memory for a while", () => {
    using cold = new ColdShare(share);
    const { vmm, port, large } = held(cold);
    using _ = vmm;
    const read = readRequest(large, 7, 5000);
    const parked = send(port, read, 5000);
    expect(cold.asked(1)).toBe(true);
    vmm.shareMemory();
    expect(vmm.session().getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
    vmm.client.setMemoryTable([]);
    cold.source("pass");
    sleep(300);
    vmm.shareMemory();
    const reply = next(port, read);
    expect(reply).toMatchObject({ head: parked });
    // The session began anew, and with it the nodeids.
    expect([0, -116]).toContain(reply.error);
  });

  it("a client may go, and the next is served", () => {
    using cold = new ColdShare(share);
    const { vmm, port, large, hello } = held(cold);
    const before = cold.daemon.descriptorCount;
    for (const nodeid of [large, hello]) send(port, readRequest(nodeid, 0, 500), 500);
    expect(cold.asked(2)).toBe(true);
    vmm[Symbol.dispose]();
    cold.source("pass");
    for (let round = 0; round < 3; round++) {
      using again = SyntheticVmm.start(cold.daemon.socketPath);
      const fuse = again.session();
      const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "large");
      expect(fuse.readAll(nodeid).equals(share.files.get("large")!)).toBe(true);
    }
    expect(cold.daemon.descriptorCount).toBeLessThanOrEqual(before + 4);
  });

  it("a device reset drops them, and the driver begins anew", () => {
    using cold = new ColdShare(share);
    const { vmm, port, fuse, large } = held(cold);
    using _ = vmm;
    for (let count = 0; count < 5; count++) send(port, readRequest(large, count, 500), 500);
    expect(cold.asked(1)).toBe(true);
    vmm.client.resetDevice();
    port.abandon();
    vmm.client.setFeatures(vmm.features);
    for (const [index, queue] of vmm.queues.entries()) {
      queue.ring.restart();
      vmm.startQueue(index);
    }
    cold.source("pass");
    fuse.init();
    const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "large");
    expect(fuse.readAll(nodeid).equals(share.files.get("large")!)).toBe(true);
  });

  it("the daemon ends when it is told to", async () => {
    using cold = new ColdShare(share);
    const { vmm, port, large } = held(cold);
    using _ = vmm;
    send(port, readRequest(large, 0, 500), 500);
    expect(cold.asked(1)).toBe(true);
    cold.daemon.signal("SIGTERM");
    expect(cold.daemon.ended(END_MILLISECONDS)).toBe(true);
    expect(await cold.daemon.outcome()).toBe(0);
  });
});

describe("a store that rots", () => {
  /** A copy of the complete store, damaged. */
  function damaged(damage: (store: string) => void): string {
    const store = mkdtempSync(join(tmpdir(), "castorefs-rotten-"));
    cpSync(share.store, store, { recursive: true });
    damage(store);
    return store;
  }

  function serveDamaged(store: string): ColdShare {
    const cold = new ColdShare(share, { store });
    using vmm = SyntheticVmm.start(cold.daemon.socketPath);
    const fuse = vmm.session();
    for (let round = 0; round < 2; round++) {
      for (const [name, bytes] of share.files) {
        expect(fuse.readAll(fuse.lookup(FUSE_ROOT_ID, name).nodeid).equals(bytes), name).toBe(true);
      }
    }
    expect(fuse.walk("deep/er/and/deeper/leaf").attr.size).toBe(4);
    return cold;
  }

  it("is healed where bytes have flipped, each chunk once", () => {
    const store = damaged((folder) => {
      for (const name of ["large", "hello", "p4097", "zeros"]) flip(folder, share.files.get(name)!);
    });
    {
      using cold = serveDamaged(store);
      expect(cold.fetches.length).toBeGreaterThan(3);
      expect(cold.fetches.every((line) => line.endsWith(" heal"))).toBe(true);
      expect(cold.daemon.log.match(/chunk is rotten/g)!.length).toBe(cold.fetches.length);
    }
    using again = serveDamaged(store);
    expect(again.fetches).toEqual([]);
    rmSync(store, { recursive: true });
  });

  it.each([
    ["places chunks wrongly", "UPDATE objects SET offset = offset + 1 WHERE kind = 0"],
    ["places directories nowhere", "UPDATE objects SET segment = 9999 WHERE kind = 1"],
    ["has lost rows", "DELETE FROM objects WHERE kind = 0"],
    ["has lost chunk lists", "DELETE FROM blobs"],
    ["has damaged chunk lists", "UPDATE blobs SET chunks = zeroblob(length(chunks))"],
  ])("is healed where its index %s", (_what, sql) => {
    const store = damaged((folder) => {
      using database = new DatabaseSync(join(folder, "index.sqlite"));
      database.exec(sql);
    });
    using cold = serveDamaged(store);
    expect(cold.fetches.length).toBeGreaterThan(0);
    rmSync(store, { recursive: true });
  });

  it("is healed where a segment was overwritten", () => {
    const store = damaged((folder) => {
      for (const name of readdirSync(join(folder, "segments"))) {
        const path = join(folder, "segments", name);
        writeFileSync(path, Buffer.alloc(statSync(path).size));
      }
    });
    using cold = serveDamaged(store);
    expect(cold.fetches.length).toBeGreaterThan(share.files.size);
    rmSync(store, { recursive: true });
  });
});

/** Flips a bit in the middle of what begins like `needle`, in whatever segment it lies. */
function flip(store: string, needle: Buffer): void {
  for (const name of readdirSync(join(store, "segments"))) {
    const path = join(store, "segments", name);
    const at = readFileSync(path).indexOf(needle.subarray(0, 4096));
    if (at < 0) continue;
    const middle = Math.min(needle.length, 4096) >>> 1;
    const fd = openSync(path, "r+");
    writeSync(fd, Uint8Array.of(needle[middle]! ^ 1), 0, 1, at + middle);
    closeSync(fd);
  }
}

/**
 * Guests and VM managers that make the most of requests which wait for their data: they rewrite
 * them, flood the device with them, stop rings and vanish. Whatever they do, every head comes back,
 * nothing is written beside the room of a reply, and a good client is served afterwards.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID, fuseForgetIn, fuseInitIn, fuseReadIn } from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import { EINTR } from "../../src/base/errno.ts";
import type { ChainPort, PostedChain } from "../frontend/chain-port.ts";
import { PLAIN_SHAPE } from "../frontend/chain-shape.ts";
import { ColdShare } from "../frontend/cold-share.ts";
import { sleep } from "../frontend/daemon-process.ts";
import { decodeReply, encode, encodeRequest, nameBytes } from "../frontend/fuse-request.ts";
import { makeShare } from "../frontend/share-fixture.ts";
import { DESCRIPTOR_BYTES } from "../frontend/split-ring-driver.ts";
import { ONE_REGION } from "../frontend/synthetic-memory.ts";
import { FIRST_REQUEST_QUEUE, HIGH_PRIORITY_QUEUE } from "../frontend/synthetic-vmm.ts";
import { ProvingGround } from "./proving-ground.ts";
import { encodeDescriptor, type RawDescriptor } from "./ring-attack.ts";

const ROOM = 4096;
const TIMEOUT = 1_500;

let ground: ProvingGround;
let cold: ColdShare;
/** Nodeids differ from session to session: the files that nobody has read, by name. */
let unread: string[];

beforeAll(() => {
  const share = makeShare();
  cold = new ColdShare(share, { timeoutMilliseconds: TIMEOUT });
  ground = new ProvingGround(share, cold.daemon);
  unread = Array.from({ length: 1000 }, (_, index) => `entry-${index}`);
});
afterAll(() => {
  cold?.[Symbol.dispose]();
  ground?.[Symbol.dispose]();
});
beforeEach(() => {
  cold.source("pass");
  cold.forget();
});

/** A machine that has looked up `count` files which nobody has read; the source is held then. */
function held(count: number, plan: Parameters<ProvingGround["vmm"]>[0] = {}) {
  const vmm = ground.vmm(plan);
  const fuse = vmm.session();
  const many = fuse.walk("many").nodeid;
  const files = unread.splice(0, count).map((name) => fuse.lookup(many, name).nodeid);
  cold.forget();
  cold.source("hold");
  return { vmm, fuse, files, port: vmm.port() };
}

function readOf(nodeid: number, size = ROOM - 16): Uint8Array {
  return encodeRequest(op.FUSE_READ, nodeid, [encode(fuseReadIn, { offset: 0, size })]);
}

function post(port: ChainPort, request: Uint8Array): PostedChain {
  const chain = port.post(request, ROOM, PLAIN_SHAPE);
  port.queue.flush();
  return chain;
}

/** What the guest makes of a parked READ, as bytes in place of the old ones. */
const REWRITTEN: readonly (readonly [what: string, request: (nodeid: number) => Uint8Array])[] = [
  ["another opcode", (nodeid) => encodeRequest(op.FUSE_GETATTR, nodeid, [new Uint8Array(40)])],
  ["an unknown opcode", (nodeid) => encodeRequest(9999, nodeid, [new Uint8Array(40)])],
  ["a wrong length", (nodeid) => encodeRequest(op.FUSE_READ, nodeid, [], { len: 0xffff_ffff })],
  ["another file", () => readOf(FUSE_ROOT_ID)],
  ["a huge read", (nodeid) => readOf(nodeid, 0xffff_ffff)],
  ["a FORGET of its own file", (nodeid) => forget(nodeid)],
  ["a LOOKUP", () => encodeRequest(op.FUSE_LOOKUP, FUSE_ROOT_ID, [nameBytes("hello")])],
  ["an INIT", () => encodeRequest(op.FUSE_INIT, 0, [encode(fuseInitIn, { major: 7, minor: 31 })])],
  ["a DESTROY", () => encodeRequest(op.FUSE_DESTROY, 0, [])],
  ["noise", () => new Uint8Array(80).fill(0xa7)],
];

function forget(nodeid: number): Uint8Array {
  return encodeRequest(op.FUSE_FORGET, nodeid, [encode(fuseForgetIn, { nlookup: 99 })]);
}

describe("a guest that rewrites a parked request", () => {
  it.each(REWRITTEN)("into %s gets its head back, and harms nobody", (_what, rewrite) => {
    const { vmm, files, port } = held(2);
    {
      using _ = vmm;
      const chains = files.map((nodeid) => post(port, readOf(nodeid)));
      expect(cold.asked(2)).toBe(true);
      const [piece] = chains[0]!.pieces;
      const bytes = new Uint8Array(piece!.length);
      bytes.set(rewrite(files[0]!).subarray(0, piece!.length));
      vmm.memory.write(piece!.address, bytes);
      cold.source("pass");
      const heads = chains.map(() => port.collect().head);
      expect(heads.sort()).toEqual(chains.map(({ head }) => head).sort());
    }
    ground.verify();
  });

  const DESCRIPTORS: readonly (readonly [what: string, descriptor: RawDescriptor])[] = [
    ["to nowhere", [2 ** 45, 80, 1, 1]],
    ["to itself", [0x10_0000, 80, 1, 0]],
    ["to beyond the ring", [0x10_0000, 80, 1, 0xffff]],
    ["into an indirect one", [0x10_0000, 64, 4, 0]],
    ["into one to write to", [0x10_0000, 0, 2, 0]],
  ];

  it.each(DESCRIPTORS)("by pointing its descriptor %s gets its head back", (_what, descriptor) => {
    const { vmm, files, port } = held(1);
    {
      using _ = vmm;
      const { head } = post(port, readOf(files[0]!));
      expect(cold.asked(1)).toBe(true);
      const at = vmm.queues[FIRST_REQUEST_QUEUE]!.ring.descriptorTable + head * DESCRIPTOR_BYTES;
      vmm.memory.write(at, encodeDescriptor(descriptor));
      cold.source("pass");
      expect(port.collect().head).toBe(head);
    }
    ground.verify();
  });

  it("whose file it forgets meanwhile gets an answer", () => {
    const { vmm, files, port } = held(1, { memory: ONE_REGION });
    {
      using _ = vmm;
      post(port, readOf(files[0]!));
      expect(cold.asked(1)).toBe(true);
      vmm.port(HIGH_PRIORITY_QUEUE).transact(forget(files[0]!), 0, PLAIN_SHAPE);
      cold.source("pass");
      const { reply } = port.collect();
      expect(decodeReply(reply.room, reply.usedLength, readOf(files[0]!)).error).toBe(-116);
    }
    ground.verify();
  });
});

describe("a flood of requests that wait", () => {
  it("fills the ring, is refused at its deadline, and leaves nothing behind", () => {
    const { vmm, fuse, files, port } = held(400, { queueSize: 1024 });
    {
      using _ = vmm;
      for (let round = 0; round < 2; round++) {
        for (const nodeid of files) port.post(readOf(nodeid, 100), 116, PLAIN_SHAPE);
        port.queue.flush();
        const resident = ground.daemon.residentBytes;
        const errors = files.map(() => {
          const { reply } = port.collect();
          return decodeReply(reply.room, reply.usedLength, readOf(files[0]!)).error;
        });
        expect(new Set(errors)).toEqual(new Set([-5]));
        expect(ground.daemon.residentBytes - resident).toBeLessThan(64 << 20);
      }
      cold.source("pass");
      expect(fuse.read(files[0]!, 0, 99).length).toBeGreaterThan(0);
    }
    ground.verify();
  });

  it("for one object costs one fetch, however many there are", () => {
    const { vmm, files, port } = held(1, { queueSize: 1024 });
    {
      using _ = vmm;
      for (let count = 0; count < 500; count++) port.post(readOf(files[0]!), ROOM, PLAIN_SHAPE);
      port.queue.flush();
      expect(cold.asked(1)).toBe(true);
      cold.source("pass");
      for (let count = 0; count < 500; count++) port.collect();
      expect(cold.fetches).toHaveLength(1);
    }
    ground.verify();
  });

  it("whose sender vanishes, again and again, leaves nothing behind", () => {
    for (let round = 0; round < 10; round++) {
      const { vmm, files, port } = held(20);
      for (const nodeid of files) port.post(readOf(nodeid, 100), 116, PLAIN_SHAPE);
      port.queue.flush();
      if (round % 2 === 0) expect(cold.asked(1)).toBe(true);
      vmm[Symbol.dispose]();
      cold.source("pass");
    }
    ground.verify();
  });
});

describe("a VM manager that stops rings with parked requests", () => {
  it("gets all heads back, however it does it", () => {
    const { vmm, files, port } = held(6);
    {
      using _ = vmm;
      for (let round = 0; round < 3; round++) {
        for (const nodeid of files) post(port, readOf(nodeid, 100));
        expect(cold.asked(1)).toBe(true);
        if (round === 0) {
          const base = vmm.stopQueue(FIRST_REQUEST_QUEUE);
          vmm.startQueue(FIRST_REQUEST_QUEUE, base);
        } else {
          vmm.client.setVringEnable(FIRST_REQUEST_QUEUE, false);
          vmm.client.setVringEnable(FIRST_REQUEST_QUEUE, true);
        }
        for (const nodeid of files) {
          const { reply } = port.collect();
          const { error } = decodeReply(reply.room, reply.usedLength, readOf(nodeid));
          expect([-EINTR, -5]).toContain(error);
        }
      }
    }
    cold.source("pass");
    ground.verify();
  });

  it("takes their memory away, and brings it back at another place", () => {
    const { vmm, files, port } = held(2);
    {
      using _ = vmm;
      const chains = files.map((nodeid) => post(port, readOf(nodeid, 100)));
      expect(cold.asked(1)).toBe(true);
      for (let round = 0; round < 5; round++) {
        vmm.client.setMemoryTable([]);
        vmm.shareMemory();
      }
      cold.source("pass");
      sleep(200);
      const heads = chains.map(() => port.collect().head);
      expect(heads.sort()).toEqual(chains.map(({ head }) => head).sort());
    }
    ground.verify();
  });
});

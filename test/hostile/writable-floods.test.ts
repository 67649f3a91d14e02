/**
 * Guests and VM managers that make the most of a share's layer: more than its memory holds, requests
 * that wait for its disk and are rewritten, stopped or left behind, and floods of all that it has to
 * remember. Every head comes back, memory stays bounded, and a good client is served afterwards.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  fuseFsyncIn,
  fuseInitIn,
  fuseSetattrIn,
  fuseSetxattrIn,
  fuseStatfsOut,
  fuseWriteIn,
} from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import { EINTR, EINVAL, ENOSPC } from "../../src/base/errno.ts";
import type { ChainPort, PostedChain } from "../frontend/chain-port.ts";
import { PLAIN_SHAPE } from "../frontend/chain-shape.ts";
import { DaemonProcess, eventually } from "../frontend/daemon-process.ts";
import { errnoOf } from "../frontend/fuse-client.ts";
import { decode, decodeReply, encode, encodeRequest, nameBytes } from "../frontend/fuse-request.ts";
import { makeShare, ROOT_NAME } from "../frontend/share-fixture.ts";
import { DESCRIPTOR_BYTES } from "../frontend/split-ring-driver.ts";
import { ONE_REGION, type RegionPlan } from "../frontend/synthetic-memory.ts";
import { FIRST_REQUEST_QUEUE, SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import { WritableClient } from "../frontend/writable-client.ts";
import { ProvingGround } from "./proving-ground.ts";
import { encodeDescriptor, type RawDescriptor } from "./ring-attack.ts";

const MIB = 1 << 20;
/** The least that a layer may have. */
const LAYER_MEMORY = 16 * MIB;
/** Writes of 1 MiB that are posted at once: half as much again as memory holds. */
const WRITES = 24;
/** Room for all of them. */
const LARGE_MEMORY: readonly RegionPlan[] = [{ guestAddress: 0x10_0000, bytes: 32 * MIB }];
/** How long a daemon may take to end when it has more to write than memory holds. */
const END_MILLISECONDS = 20_000;
/** What the daemon may grow by in a flood: its garbage, and not what the flood is made of. */
const GROWTH_MAX = 256 * MIB;

let ground: ProvingGround;
let files = 0;

beforeAll(() => {
  ground = ProvingGround.serve("--writable", "--layer-memory", String(LAYER_MEMORY));
});
afterAll(() => {
  ground?.verifyUnshaken();
  ground?.[Symbol.dispose]();
});

function writeOf(nodeid: number, offset: number, bytes: Uint8Array): Uint8Array {
  const args = encode(fuseWriteIn, { offset, size: bytes.length });
  return encodeRequest(op.FUSE_WRITE, nodeid, [args, bytes]);
}

const fsyncOf = (nodeid: number) => encodeRequest(op.FUSE_FSYNC, nodeid, [encode(fuseFsyncIn, {})]);

/** A machine that has posted more writes to a file than memory holds, and an fsync behind each. */
function overloaded() {
  const vmm = ground.vmm({ queueSize: 1024, memory: LARGE_MEMORY });
  const client = WritableClient.over(vmm);
  const name = `overload-${++files}`;
  const { nodeid } = client.create(1, name);
  const port = vmm.port();
  const writes: PostedChain[] = [];
  const syncs: PostedChain[] = [];
  for (let index = 0; index < WRITES; index++) {
    const bytes = new Uint8Array(MIB).fill(index + 1);
    writes.push(port.post(writeOf(nodeid, index * MIB, bytes), 24, PLAIN_SHAPE));
    syncs.push(port.post(fsyncOf(nodeid), 16, PLAIN_SHAPE));
  }
  port.queue.flush();
  return { vmm, client, name, nodeid, port, writes, syncs, all: [...writes, ...syncs] };
}

/** Takes all back, in any order: their errors by head. */
function collectAll(port: ChainPort, chains: readonly PostedChain[]): Map<number, number> {
  const errors = new Map<number, number>();
  for (let count = 0; count < chains.length; count++) {
    const { head, reply } = port.collect();
    const { room, usedLength } = reply;
    errors.set(head, usedLength === 0 ? 0 : new DataView(room.buffer).getInt32(4, true));
  }
  expect([...errors.keys()].sort()).toEqual(chains.map(({ head }) => head).sort());
  return errors;
}

describe("a guest that writes more than memory holds", () => {
  it("has every write taken, and reads what it wrote", () => {
    const { vmm, client, name, nodeid, port, all } = overloaded();
    {
      using _ = vmm;
      expect(new Set(collectAll(port, all).values())).toEqual(new Set([0]));
      for (let index = 0; index < WRITES; index++) {
        const bytes = client.read(nodeid, index * MIB, MIB);
        expect([bytes.length, bytes.every((byte) => byte === index + 1)]).toEqual([MIB, true]);
      }
      client.unlink(1, name);
    }
    ground.verify();
  });

  const REWRITTEN: readonly (readonly [string, (nodeid: number) => Uint8Array])[] = [
    ["other contents", () => new Uint8Array(0)],
    ["an unknown opcode", (nodeid) => encodeRequest(9999, nodeid, [new Uint8Array(40)])],
    ["a wrong length", (nodeid) => encodeRequest(op.FUSE_WRITE, nodeid, [], { len: 0xffff_ffff })],
    [
      "a size beyond the chain",
      (nodeid) =>
        encodeRequest(op.FUSE_WRITE, nodeid, [encode(fuseWriteIn, { size: 0xffff_ffff })], {
          len: 80 + MIB,
        }),
    ],
    [
      "a truncation",
      (nodeid) =>
        encodeRequest(op.FUSE_SETATTR, nodeid, [encode(fuseSetattrIn, { valid: 8 })], {
          len: 80 + MIB,
        }),
    ],
    ["an unlink of its file", () => encodeRequest(op.FUSE_UNLINK, 1, [nameBytes("overload-2")])],
    ["a FORGET", (nodeid) => encodeRequest(op.FUSE_FORGET, nodeid, [new Uint8Array(8)])],
    [
      "an INIT",
      () => encodeRequest(op.FUSE_INIT, 0, [encode(fuseInitIn, { major: 7, minor: 31 })]),
    ],
    ["a DESTROY", () => encodeRequest(op.FUSE_DESTROY, 0, [])],
    ["noise", () => new Uint8Array(120).fill(0xa7)],
  ];

  it.each(REWRITTEN)("and makes of them %s gets its heads back", (_what, rewrite) => {
    const { vmm, nodeid, port, all } = overloaded();
    {
      using _ = vmm;
      const bytes = rewrite(nodeid);
      for (const { pieces } of all) {
        const [piece] = pieces;
        vmm.memory.write(piece!.address, bytes.subarray(0, Math.min(bytes.length, piece!.length)));
      }
      collectAll(port, all);
    }
    ground.verify();
  });

  const DESCRIPTORS: readonly (readonly [string, RawDescriptor])[] = [
    ["to nowhere", [2 ** 45, MIB, 1, 1]],
    ["to itself", [0x10_0000, 80, 1, 0]],
    ["to beyond the ring", [0x10_0000, 80, 1, 0xffff]],
    ["to one to write to", [0x10_0000, 0, 2, 0]],
  ];

  it.each(DESCRIPTORS)("and points their descriptors %s gets its heads back", (_what, raw) => {
    const { vmm, port, all } = overloaded();
    {
      using _ = vmm;
      const { descriptorTable } = vmm.queues[FIRST_REQUEST_QUEUE]!.ring;
      for (const { head } of all) {
        vmm.memory.write(descriptorTable + head * DESCRIPTOR_BYTES, encodeDescriptor(raw));
      }
      collectAll(port, all);
    }
    ground.verify();
  });

  it("and vanishes, again and again, leaves nothing behind", () => {
    for (let round = 0; round < 6; round++) {
      const { vmm, port } = overloaded();
      if (round % 2 === 0) port.collect();
      vmm[Symbol.dispose]();
    }
    ground.verify();
  });
});

describe("a VM manager that stops a ring whose requests wait for the layer", () => {
  it("gets all of them answered first", () => {
    const { vmm, port, writes, syncs, all } = overloaded();
    {
      using _ = vmm;
      const base = vmm.stopQueue(FIRST_REQUEST_QUEUE);
      vmm.startQueue(FIRST_REQUEST_QUEUE, base);
      // What had not been taken by then is served now.
      const errors = collectAll(port, all);
      for (const { head } of writes) expect(errors.get(head)).toBe(0);
      for (const { head } of syncs) expect([0, -EINTR]).toContain(errors.get(head));
    }
    ground.verify();
  });

  it("takes their memory away meanwhile, and brings it back", () => {
    const { vmm, client, port, all } = overloaded();
    {
      using _ = vmm;
      for (let round = 0; round < 5; round++) {
        vmm.client.setMemoryTable([]);
        vmm.shareMemory();
      }
      expect(new Set(collectAll(port, all).values())).toEqual(new Set([0]));
      client.getattr(1);
    }
    ground.verify();
  });
});

describe("a flood of", () => {
  /** What it makes the daemon grow by; it is looked after afterwards. */
  function growth(flood: (client: WritableClient, vmm: SyntheticVmm) => void): number {
    const before = ground.daemon.residentBytes;
    let grown = 0;
    {
      using vmm = ground.vmm({ queueSize: 1024, memory: ONE_REGION });
      flood(WritableClient.over(vmm), vmm);
      grown = ground.daemon.residentBytes - before;
    }
    ground.verify();
    return grown;
  }

  it("fsyncs is answered as one", () => {
    const grown = growth((client, vmm) => {
      const { nodeid } = client.create(1, "synced");
      const port = vmm.port();
      for (let round = 0; round < 3; round++) {
        client.write(nodeid, 0, new Uint8Array(100_000));
        const chains = Array.from({ length: 500 }, () =>
          port.post(fsyncOf(nodeid), 16, PLAIN_SHAPE),
        );
        port.queue.flush();
        expect(new Set(collectAll(port, chains).values())).toEqual(new Set([0]));
      }
    });
    expect(grown).toBeLessThan(GROWTH_MAX);
  });

  it("files that are removed and never forgotten is bounded by what they are", () => {
    const grown = growth((client) => {
      const { nodeid } = client.mkdir(1, "graves");
      for (let count = 0; count < 5000; count++) {
        const file = client.create(nodeid, "grave");
        client.write(file.nodeid, 0, Buffer.from("rest"));
        client.unlink(nodeid, "grave");
      }
      client.rmdir(1, "graves");
      client.syncfs();
    });
    expect(grown).toBeLessThan(GROWTH_MAX);
  });

  it("extended attributes ends with ENOSPC, and the rest goes on", () => {
    const errors = new Set<number>();
    const grown = growth((client) => {
      const { nodeid } = client.create(1, "attributed");
      const value = new Uint8Array(65_536);
      const args = encode(fuseSetxattrIn, { size: value.length }).subarray(0, 8);
      for (let count = 0; count < 300; count++) {
        const parts = [args, nameBytes(`user.${count}`), value];
        errors.add(client.request(op.FUSE_SETXATTR, nodeid, parts, 0).error);
      }
      client.syncfs();
      client.unlink(1, "attributed");
    });
    expect(errors).toEqual(new Set([0, -ENOSPC]));
    expect(grown).toBeLessThan(GROWTH_MAX);
  });

  it("single bytes all over a file is written, read and dropped", () => {
    const grown = growth((client) => {
      const { nodeid } = client.create(1, "sparse");
      for (let count = 0; count < 6000; count++) {
        const offset = (count * 0x9e37_79b9) % 2 ** 43;
        expect(client.write(nodeid, offset, Uint8Array.of(count))).toBe(1);
        if (count % 100 === 0) expect(client.read(nodeid, offset, 1)[0]).toBe(count & 0xff);
      }
      client.fsync(nodeid);
      client.truncate(nodeid, 0);
      client.unlink(1, "sparse");
      client.syncfs();
    });
    expect(grown).toBeLessThan(GROWTH_MAX);
  });

  it("directories within directories can be moved anywhere but into themselves", () => {
    growth((client) => {
      const chain = [client.mkdir(1, "chain").nodeid];
      for (let depth = 0; depth < 1500; depth++) {
        chain.push(client.mkdir(chain.at(-1)!, "d").nodeid);
      }
      for (const into of chain.slice(-300)) {
        expect(errnoOf(() => client.rename(1, "chain", into, "loop"))).toBe(EINVAL);
      }
      client.rename(chain[700]!, "d", 1, "half");
      client.rename(1, "chain", chain.at(-1)!, "whole");
    });
  });
});

describe("a layer with a limit", () => {
  it("says what is left, ends with ENOSPC, and goes on when something is removed", () => {
    const size = 32 * MIB;
    using limited = ProvingGround.serve(
      ...["--writable", "--layer-memory", String(LAYER_MEMORY), "--layer-size", String(size)],
    );
    {
      using vmm = limited.vmm({ queueSize: 64, memory: ONE_REGION });
      const client = WritableClient.over(vmm);
      const free = () => {
        const { st } = decode(fuseStatfsOut, client.call(op.FUSE_STATFS, 1, [], 80));
        return st.bavail * st.bsize;
      };
      expect(free()).toBeLessThanOrEqual(size);
      const names: string[] = [];
      const fill = () => {
        for (let count = 0; ; count++) {
          names.push(`full-${++files}`);
          const { nodeid } = client.create(1, names.at(-1)!);
          const request = writeOf(nodeid, 0, new Uint8Array(MIB).fill(7));
          const reply = vmm.port().transact(request, 24);
          const { error, body } = decodeReply(reply.room, reply.usedLength, request);
          if (error !== 0) return error;
          if (new DataView(body.buffer, body.byteOffset).getUint32(0, true) < MIB) return -ENOSPC;
          expect(count).toBeLessThan(size / MIB);
        }
      };
      for (let round = 0; round < 3; round++) {
        expect(fill()).toBe(-ENOSPC);
        expect(free()).toBeLessThan(2 * MIB);
        expect(client.getattr(1).mode & 0o170000).toBe(0o040000);
        for (const name of names.splice(0)) {
          const { nodeid } = client.lookup(1, name);
          client.unlink(1, name);
          client.forget(nodeid, 2);
        }
        client.syncfs();
        expect(free()).toBeGreaterThan(size / 2);
      }
    }
    limited.verify();
  });
});

describe("a daemon that is told to end", () => {
  it("ends although a guest never stops writing, and all that was answered is in the layer", () => {
    const folder = mkdtempSync(join(tmpdir(), "castorefs-layer-"));
    using share = makeShare();
    const options = ["--root", ROOT_NAME, "--writable", "--layer", join(folder, "layer")];
    const serve = () =>
      DaemonProcess.serve(share.store, ...options, "--layer-memory", String(LAYER_MEMORY));
    try {
      let answered = 0;
      {
        using daemon = serve();
        using vmm = SyntheticVmm.start(daemon.socketPath, { memory: LARGE_MEMORY });
        const client = WritableClient.over(vmm);
        const { nodeid } = client.create(1, "endless");
        const piece = new Uint8Array(MIB / 4);
        const write = () => {
          try {
            client.write(nodeid, answered * piece.length, piece.fill(answered + 1));
            answered += 1;
          } catch {
            // It has gone.
          }
          return !daemon.isAlive;
        };
        for (let count = 0; count < 40; count++) write();
        daemon.signal("SIGTERM");
        expect(eventually(write, END_MILLISECONDS)).toBe(true);
      }
      using daemon = serve();
      using vmm = SyntheticVmm.start(daemon.socketPath, { memory: LARGE_MEMORY });
      const client = WritableClient.over(vmm);
      const { nodeid } = client.lookup(1, "endless");
      for (let index = 0; index < answered; index++) {
        const bytes = client.read(nodeid, (index * MIB) / 4, MIB / 4);
        expect(bytes.every((byte) => byte === ((index + 1) & 0xff))).toBe(true);
      }
      expect(answered).toBeGreaterThanOrEqual(40);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

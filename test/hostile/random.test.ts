/**
 * Random bytes in every place where a guest or a VM manager may write. Seeds are fixed, so that a
 * run is the same each time; CASTOREFS_RANDOM_RUNS and CASTOREFS_RANDOM_SEED make others.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { fuseOutHeader } from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import { type ChainShape, LINUX_SHAPE, PLAIN_SHAPE } from "../frontend/chain-shape.ts";
import { decode, encodeRequest, nameBytes } from "../frontend/fuse-request.ts";
import { NOTHING } from "../frontend/split-ring-driver.ts";
import { FIRST_REQUEST_QUEUE, SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import { encodeMessage, VhostUserClient } from "../frontend/vhost-user-client.ts";
import { ManagerAttack } from "./manager-attack.ts";
import { ProvingGround, SMALL_MEMORY } from "./proving-ground.ts";
import { type RawDescriptor, RingAttack } from "./ring-attack.ts";

const RUNS = Number(process.env["CASTOREFS_RANDOM_RUNS"] ?? 150);
const SEED = Number(process.env["CASTOREFS_RANDOM_SEED"] ?? 20_261);
const RING_SIZE = 16;
const QUIET_MILLISECONDS = 8;
/** How often the daemon is looked at closely. */
const VERIFY_EVERY = 10;

let ground: ProvingGround;
let runs = 0;

beforeAll(() => {
  ground = ProvingGround.serve();
});
afterAll(() => ground?.[Symbol.dispose]());

/** Runs a property; after a failure the daemon is gone, so there is nothing to shrink. */
function always<T>(arbitrary: fc.Arbitrary<T>, act: (value: T) => void): void {
  fc.assert(
    fc.property(arbitrary, (value) => {
      act(value);
      if (!ground.daemon.isAlive || ++runs % VERIFY_EVERY === 0) ground.verify();
    }),
    { seed: SEED, numRuns: RUNS, endOnFailure: true },
  );
  ground.verify();
}

const BASE = SMALL_MEMORY[0]!.guestAddress;
const END = BASE + SMALL_MEMORY[0]!.bytes;
/** Guest memory that random descriptors may name: the attack's own pages, far from the rest. */
const PLAYGROUND = END - (1 << 20);

const address = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: PLAYGROUND, max: END - 1 }) },
  fc.constantFrom<number | bigint>(
    0,
    1,
    END - 1,
    END,
    END - 8,
    2 ** 32,
    2 ** 53,
    1n << 63n,
    (1n << 64n) - 1n,
  ),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const length = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 5000 }) },
  fc.constantFrom(0, 1, 15, 16, 39, 40, 4096, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
);
const flags = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 2, 3) },
  fc.constantFrom(4, 5, 6, 7),
  fc.nat(0xffff),
);
const next = fc.oneof({ weight: 4, arbitrary: fc.nat(RING_SIZE - 1) }, fc.nat(0xffff));
const descriptor: fc.Arbitrary<RawDescriptor> = fc.tuple(address, length, flags, next);
const head = fc.oneof({ weight: 20, arbitrary: fc.nat(RING_SIZE - 1) }, fc.nat(0xffff));

describe("the daemon survives", () => {
  it("random descriptor tables and heads", () => {
    const table = fc.array(descriptor, { minLength: RING_SIZE, maxLength: RING_SIZE });
    const heads = fc.array(head, { minLength: 1, maxLength: RING_SIZE });
    always(fc.tuple(table, heads, fc.boolean()), ([descriptors, pushed, eventIdx]) => {
      using vmm = ground.vmm({ queueSize: RING_SIZE, eventIdx });
      vmm.session();
      const attack = new RingAttack(vmm);
      const request = attack.memory.read(attack.request, attack.requestBytes);
      attack.memory.write(PLAYGROUND, request);
      attack.mayChange(PLAYGROUND, END - PLAYGROUND);
      attack.descriptors(0, [PLAYGROUND, attack.requestBytes, 1, 1], ...descriptors.slice(1));
      attack.go(...pushed);
      const queue = vmm.queues[FIRST_REQUEST_QUEUE]!;
      while (queue.wait(QUIET_MILLISECONDS)) while (queue.ring.pop() !== NOTHING);
      attack.checkUntouched();
    });
  });

  it("random FUSE requests", () => {
    const opcode = fc.oneof({ weight: 5, arbitrary: fc.nat(53) }, fc.nat(0xffff_ffff));
    const nodeid = fc.oneof({ weight: 5, arbitrary: fc.nat(6) }, fc.nat());
    const text = fc.string({ maxLength: 300 }).map(nameBytes);
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      text,
      fc
        .tuple(fc.uint8Array({ minLength: 40, maxLength: 40 }), text)
        .map((two) => Buffer.concat(two)),
    );
    const len = fc.option(fc.nat(0xffff_ffff), { freq: 5, nil: undefined });
    const room = fc.oneof(fc.nat(200), fc.constantFrom(0, 16, 4096, 70_000));
    const shape = fc.constantFrom<ChainShape>(LINUX_SHAPE, PLAIN_SHAPE);
    const request = fc.record({ opcode, nodeid, body, len, room, shape });
    always(fc.array(request, { minLength: 1, maxLength: 20 }), (list) => {
      using vmm = ground.vmm({ queueSize: 128 });
      const fuse = vmm.session();
      for (const name of ["hello", "many", "to-hello", "large"]) fuse.lookup(1, name);
      for (const each of list) {
        const header = each.len === undefined ? {} : { len: each.len };
        const bytes = encodeRequest(each.opcode, each.nodeid, [each.body], header);
        const reply = vmm.port().transact(bytes, each.room, each.shape);
        if (reply.usedLength === 0) continue;
        const { len: replied } = decode(fuseOutHeader, reply.room);
        if (replied !== reply.usedLength) throw new Error(`${replied} is not ${reply.usedLength}`);
      }
    });
  });

  it("random arguments of the requests that it knows", () => {
    const known = [1, 2, 3, 5, 14, 15, 17, 18, 22, 23, 27, 28, 29, 34, 42, 44, 46, 52];
    const request = fc.record({
      opcode: fc.constantFrom(...known),
      nodeid: fc.nat(5),
      words: fc.array(
        fc.oneof(fc.nat(64), fc.constantFrom(0xffff_ffff, 0x8000_0000, 0x7fff_ffff), fc.nat()),
        { minLength: 10, maxLength: 10 },
      ),
    });
    always(fc.array(request, { minLength: 1, maxLength: 30 }), (list) => {
      using vmm = ground.vmm({ queueSize: 128 });
      const fuse = vmm.session();
      for (const name of ["hello", "many", "to-hello", "large"]) fuse.lookup(1, name);
      for (const { opcode, nodeid, words } of list) {
        const args = new Uint8Array(Uint32Array.from(words).buffer);
        const { usedLength } = vmm.port().transact(encodeRequest(opcode, nodeid, [args]), 8192);
        const silent = opcode === op.FUSE_FORGET || opcode === op.FUSE_BATCH_FORGET;
        if (silent !== (usedLength === 0)) throw new Error(`opcode ${opcode}: ${usedLength}`);
      }
    });
  });

  it("random vhost-user messages", () => {
    const message = fc.record({
      request: fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 1, max: 45 }) },
        fc.nat(0xffff_ffff),
      ),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc
          .array(fc.oneof(fc.nat(4), fc.nat(0xffff_ffff)), { maxLength: 20 })
          .map((words) => new Uint8Array(Uint32Array.from(words).buffer)),
      ),
      flags: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(1, 9) }, fc.nat(0xffff_ffff)),
      size: fc.option(fc.nat(0xffff_ffff), { freq: 10, nil: undefined }),
      fds: fc.nat(3),
      memory: fc.boolean(),
    });
    const stage = fc.constantFrom("connected", "negotiated", "running");
    always(fc.tuple(stage, fc.array(message, { minLength: 1, maxLength: 12 })), ([when, list]) => {
      using attack = begin(when);
      for (const { request, payload, flags: bits, size, fds, memory } of list) {
        const passed = Array.from({ length: fds }, () =>
          memory ? attack.memfd(8192) : attack.eventfd(),
        );
        const bytes = encodeMessage(request, payload, bits, size ?? payload.length);
        if (attack.bytes(bytes, passed, 2)) return;
      }
    });
  });

  it("random bytes on the socket", () => {
    always(fc.uint8Array({ minLength: 1, maxLength: 500 }), (bytes) => {
      using attack = begin("connected");
      attack.bytes(bytes, [], 2);
    });
  });
});

function begin(stage: string): ManagerAttack {
  const { socketPath } = ground.daemon;
  if (stage === "connected") return new ManagerAttack(VhostUserClient.connect(socketPath));
  const plan = { memory: SMALL_MEMORY, queueSize: 64, replyAck: false };
  const vmm =
    stage === "negotiated"
      ? SyntheticVmm.negotiate(socketPath, plan)
      : SyntheticVmm.start(socketPath, plan);
  return new ManagerAttack(vmm.client, vmm);
}

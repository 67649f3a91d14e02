/** Guests that break the rules of the virtqueue, against a real daemon. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID, fuseInHeader } from "../../src/abi/fuse.ts";
import {
  FUSE_BATCH_FORGET,
  FUSE_GETXATTR,
  FUSE_LOOKUP,
  FUSE_READDIR,
  FUSE_READDIRPLUS,
  FUSE_WRITE,
} from "../../src/abi/fuse-constants.ts";
import {
  VRING_DESC_F_INDIRECT as INDIRECT,
  VRING_DESC_F_NEXT as NEXT,
  VRING_DESC_F_WRITE as WRITE,
} from "../../src/abi/virtio.ts";
import { encodeRequest } from "../frontend/fuse-request.ts";
import { DESCRIPTOR_BYTES, NOTHING } from "../frontend/split-ring-driver.ts";
import { ONE_REGION } from "../frontend/synthetic-memory.ts";
import { FIRST_REQUEST_QUEUE, type SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import { ProvingGround } from "./proving-ground.ts";
import { type RawDescriptor, RingAttack } from "./ring-attack.ts";
import { RING_CASES, RING_SIZE, type RingCase } from "./ring-cases.ts";

const ANSWER_MILLISECONDS = 20_000;
/** CPU time that one request may take, whatever it asks for. */
const ENDLESS_MILLISECONDS = 500;
/** How long a ring that has stopped is watched. */
const SILENCE_MILLISECONDS = 60;

let ground: ProvingGround;

beforeAll(() => {
  ground = ProvingGround.serve();
});
afterAll(() => ground?.[Symbol.dispose]());

function attack({ lay, outcome, indirect = true }: RingCase, eventIdx: boolean): void {
  using vmm = ground.vmm({ queueSize: RING_SIZE, indirect, eventIdx });
  vmm.session();
  const trap = new RingAttack(vmm);
  lay(trap);
  const returned = takeAll(
    vmm,
    outcome === "returned" ? ANSWER_MILLISECONDS : SILENCE_MILLISECONDS,
  );
  trap.checkUntouched();
  if (outcome === "returned") expect(returned).toBe(1);
  if (outcome === "stopped") expect(returned).toBe(0);
  if (outcome !== "returned") restart(vmm);
  expect(vmm.fuse().getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
}

/** Waits for one chain, and takes what came with it. */
function takeAll(vmm: SyntheticVmm, timeoutMilliseconds: number): number {
  const queue = vmm.queues[FIRST_REQUEST_QUEUE]!;
  if (!queue.wait(timeoutMilliseconds)) return 0;
  let returned = 0;
  while (queue.ring.pop() !== NOTHING) returned++;
  return returned;
}

/** Stops the ring and sets it up anew, as a driver does after a reset. */
function restart(vmm: SyntheticVmm): void {
  vmm.stopQueue(FIRST_REQUEST_QUEUE);
  vmm.queues[FIRST_REQUEST_QUEUE]!.ring.restart();
  vmm.startQueue(FIRST_REQUEST_QUEUE);
}

describe("the log", () => {
  const CHAINS = 5_000;
  const LINES_MAX = 100;

  it(`gets few lines from ${CHAINS} broken chains and as many broken requests`, () => {
    const lines = () => ground.daemon.log.split("\n").length;
    using vmm = ground.vmm({ queueSize: RING_SIZE });
    vmm.session();
    const before = lines();
    const attack = new RingAttack(vmm);
    const queue = vmm.queues[FIRST_REQUEST_QUEUE]!;
    attack.descriptors(0, [attack.request, 56, NEXT, 0xffff]);
    attack.descriptors(1, [attack.request, 40, NEXT, 2], [attack.reply, 4096, WRITE]);
    for (let index = 0; index < CHAINS; index++) {
      queue.ring.push(0);
      queue.ring.push(1);
      queue.flush();
      for (let left = 2; left > 0; left--) {
        expect(queue.take(ANSWER_MILLISECONDS)).not.toBe(NOTHING);
      }
    }
    expect(lines() - before).toBeLessThan(LINES_MAX);
    vmm[Symbol.dispose]();
    ground.verify();
  });
});

describe("work without end", () => {
  /** As many pieces of 32 MiB as a length of 32 bits can tell of. */
  const PIECES = 127;

  /** A request, then the same 32 MiB again and again. Returns the daemon's CPU milliseconds. */
  function endless(vmm: SyntheticVmm, request: Uint8Array, writable: boolean): number {
    const [region] = vmm.memory.regions;
    const attack = new RingAttack(vmm);
    attack.memory.write(attack.request, request);
    const piece = (index: number): RawDescriptor => [
      region!.guestAddress,
      region!.size,
      (index < PIECES ? NEXT : 0) | (writable ? WRITE : 0),
      index + 1,
    ];
    const pieces = Array.from({ length: PIECES }, (_, index) => piece(index + 1));
    const table = attack.indirectTable([attack.request, request.length, NEXT, 1], ...pieces);
    attack.descriptors(0, [table, (PIECES + 1) * DESCRIPTOR_BYTES, INDIRECT]);
    const before = ground.daemon.cpuNanoseconds;
    attack.go(0);
    expect(takeAll(vmm, ANSWER_MILLISECONDS)).toBe(1);
    return (ground.daemon.cpuNanoseconds - before) / 1e6;
  }

  it.each([
    ["BATCH_FORGET", FUSE_BATCH_FORGET, [(PIECES * ONE_REGION[0]!.bytes) / 16, 0], false],
    ["LOOKUP of a name without an end", FUSE_LOOKUP, [], false],
    ["GETXATTR of a name without an end", FUSE_GETXATTR, [0, 0], false],
    ["WRITE", FUSE_WRITE, [0, 0, 0, 0, 0xffff_ffff, 0, 0, 0, 0, 0], false],
    ["READDIR", FUSE_READDIR, [0, 0, 0, 0, 0xffff_ffff, 0, 0, 0, 0, 0], true],
    ["READDIRPLUS", FUSE_READDIRPLUS, [0, 0, 0, 0, 0xffff_ffff, 0, 0, 0, 0, 0], true],
  ] as const)("%s over 4 GiB is answered soon", (_name, opcode, words, writable) => {
    try {
      using vmm = ground.vmm({ memory: ONE_REGION, queueSize: 1024 });
      vmm.session();
      const args = new Uint8Array(Uint32Array.from(words).buffer);
      const honest = fuseInHeader.size + args.length;
      const len = honest + (writable ? 0 : PIECES * ONE_REGION[0]!.bytes);
      const request = encodeRequest(opcode, 1, [args], { len });
      expect(endless(vmm, request, writable)).toBeLessThan(ENDLESS_MILLISECONDS);
    } finally {
      ground.verify();
    }
  });
});

describe.each([true, false])("with EVENT_IDX %s the daemon survives", (eventIdx) => {
  it.each(RING_CASES)("$name", (ringCase) => {
    try {
      attack(ringCase, eventIdx);
    } finally {
      ground.verify();
    }
  });
});

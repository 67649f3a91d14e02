/**
 * A guest that rewrites descriptors, headers and the avail ring while they are being read. Whatever
 * the device makes of it, it must not write outside what any of the descriptors ever named.
 */
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  FUSE_ROOT_ID,
  fuseFsyncIn,
  fuseGetattrIn,
  fuseReadIn,
  fuseRenameIn,
  fuseSetattrIn,
  fuseSetxattrIn,
  fuseWriteIn,
} from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import {
  VRING_DESC_F_INDIRECT as INDIRECT,
  VRING_DESC_F_NEXT as NEXT,
  VRING_DESC_F_WRITE as WRITE,
} from "../../src/abi/virtio.ts";
import { eventually } from "../frontend/daemon-process.ts";
import { encode, encodeRequest, nameBytes } from "../frontend/fuse-request.ts";
import { DESCRIPTOR_BYTES, NOTHING } from "../frontend/split-ring-driver.ts";
import { FIRST_REQUEST_QUEUE, type SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import { viewOf } from "../frontend/vhost-user-client.ts";
import { ProvingGround } from "./proving-ground.ts";
import { encodeDescriptor, type RawDescriptor, RingAttack } from "./ring-attack.ts";
import type { Scribble, ScribblerData } from "./scribbler.ts";

/** Every request is padded to so many bytes. */
const REQUEST_BYTES = 256;
/** How long each attack goes on. */
const ATTACK_MILLISECONDS = Number(process.env["CASTOREFS_REWRITE_MS"] ?? 1_500);
const RING_SIZE = 16;
/** The largest length of a variant that fits into memory. */
const LENGTH_MAX = 65_536;
const START_MILLISECONDS = 5_000;

let ground: ProvingGround;

/** Requests that take turns in the same place in memory. The last change something, where they may. */
function requests(file: number): Uint8Array[] {
  const read = (offset: number, size: number) =>
    encodeRequest(op.FUSE_READ, file, [encode(fuseReadIn, { offset, size })]);
  const list = [
    encodeRequest(op.FUSE_GETATTR, 1, [new Uint8Array(fuseGetattrIn.size)]),
    read(0, 4096),
    read(1000, 100_000),
    encodeRequest(op.FUSE_LOOKUP, 1, [nameBytes("hello")]),
    encodeRequest(op.FUSE_READDIRPLUS, 1, [encode(fuseReadIn, { size: 3000 })]),
    encodeRequest(op.FUSE_GETATTR, 1, [new Uint8Array(16)], { len: 0xffff_ffff }),
    encodeRequest(op.FUSE_WRITE, file, [encode(fuseWriteIn, { size: 120 }), new Uint8Array(120)]),
    encodeRequest(op.FUSE_WRITE, file, [encode(fuseWriteIn, { size: 60_000 })], { len: 65_536 }),
    encodeRequest(op.FUSE_SETATTR, file, [encode(fuseSetattrIn, { valid: 8, size: 2 ** 33 })]),
    encodeRequest(op.FUSE_SETATTR, file, [encode(fuseSetattrIn, { valid: 8 })]),
    encodeRequest(op.FUSE_SYMLINK, 1, [nameBytes("scribbled"), nameBytes("nowhere")]),
    encodeRequest(op.FUSE_RENAME, 1, [
      encode(fuseRenameIn, { newdir: 1 }),
      nameBytes("scribbled"),
      nameBytes("n".repeat(100)),
    ]),
    encodeRequest(op.FUSE_UNLINK, 1, [nameBytes("scribbled")]),
    encodeRequest(op.FUSE_SETXATTR, file, [
      encode(fuseSetxattrIn, { size: 50 }).subarray(0, 8),
      nameBytes("user.scribbled"),
      new Uint8Array(60),
    ]),
    encodeRequest(op.FUSE_FSYNC, file, [encode(fuseFsyncIn, {})]),
  ];
  return list;
}

/** The places that are rewritten, and with what. */
function scribbles(attack: RingAttack, file: number): Scribble[] {
  const base = attack.memory.regions[0]!.guestAddress;
  const { descriptorTable, availRing } = attack.ring;
  const all = requests(file);
  // A request is looked at only if its header agrees with its descriptors.
  const lengths = [...new Set(all.map((request) => viewOf(request).getUint32(0, true)))].filter(
    (length) => length <= LENGTH_MAX,
  );
  const variants: RawDescriptor[] = [
    [attack.request, 56, NEXT, 1],
    [attack.request, 56, NEXT, 0],
    [attack.request, 80, NEXT, 1],
    [attack.request, 40, NEXT, 2],
    [attack.reply, 4096, WRITE],
    [attack.reply, 16, WRITE | NEXT, 2],
    [attack.reply + 8192, 50_000, WRITE],
    [attack.reply, LENGTH_MAX, WRITE | NEXT, 3],
    [2 ** 45, 4096, WRITE],
    [attack.end - 8, 4096, WRITE],
    [attack.request, 0xffff_ffff, NEXT, 1],
    [descriptorTable, DESCRIPTOR_BYTES * 4, INDIRECT],
    [attack.request, 56, 0xffff, 0xffff],
    ...lengths.map((length): RawDescriptor => [attack.request, length, NEXT, 1]),
  ];
  const descriptors = [0, 1, 2, 3].map((index) => ({
    offset: descriptorTable + index * DESCRIPTOR_BYTES - base,
    variants: variants.map(encodeDescriptor),
  }));
  const flagsOnly = [0, 1, 2, 3].map((index) => ({
    offset: descriptorTable + index * DESCRIPTOR_BYTES + 12 - base,
    variants: [0, NEXT, WRITE, NEXT | WRITE, INDIRECT].map((flags) => Uint8Array.of(flags, 0)),
  }));
  const heads = [0, 1, 2, 3].map((index) => ({
    offset: availRing + 4 + 2 * index - base,
    variants: [0, 1, 2, 3].map((head) => Uint8Array.of(head, 0)),
  }));
  const padded = all.map((request) =>
    Buffer.concat([request, new Uint8Array(REQUEST_BYTES - request.length)]),
  );
  const header = { offset: attack.request - base, variants: padded };
  return [...descriptors, ...flagsOnly, ...heads, header, header, header];
}

async function attack(
  vmm: SyntheticVmm,
  seed: number,
): Promise<{ answers: number; writes: number }> {
  const fuse = vmm.session();
  const file = fuse.lookup(FUSE_ROOT_ID, "large").nodeid;
  const trap = new RingAttack(vmm);
  const { ring } = trap;
  trap.descriptors(0, [trap.request, 56, NEXT, 1], [trap.reply, 4096, WRITE]);
  // A descriptor is read in two halves: any address may come with the length of another variant.
  for (const address of [trap.reply, trap.reply + 8192, trap.request, ring.descriptorTable]) {
    trap.mayChange(address, LENGTH_MAX);
  }
  trap.mayChange(trap.end - 8, 8);
  trap.remember();
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const writes = new Int32Array(new SharedArrayBuffer(4));
  const fd = vmm.memory.regions[0]!.fd;
  const workerData: ScribblerData = { fd, scribbles: scribbles(trap, file), stop, writes, seed };
  const worker = new Worker(new URL("./scribbler.ts", import.meta.url), { workerData });
  const ended = new Promise((resolve) => worker.once("exit", resolve));
  await new Promise((resolve) => worker.once("online", resolve));
  eventually(() => Atomics.load(writes, 0) > 0, START_MILLISECONDS);
  const answers = drive(vmm, ring);
  Atomics.store(stop, 0, 1);
  await ended;
  trap.checkUntouched();
  return { answers, writes: writes[0]! };
}

/** Posts head 0 again and again; sets the ring up anew whenever the device gave up on it. */
function drive(vmm: SyntheticVmm, ring: SyntheticVmm["queues"][number]["ring"]): number {
  const queue = vmm.queues[FIRST_REQUEST_QUEUE]!;
  const end = performance.now() + ATTACK_MILLISECONDS;
  let answers = 0;
  while (performance.now() < end) {
    ring.push(0);
    queue.flush();
    if (queue.wait(20)) {
      while (ring.pop() !== NOTHING) answers++;
      continue;
    }
    vmm.stopQueue(FIRST_REQUEST_QUEUE);
    ring.restart();
    vmm.startQueue(FIRST_REQUEST_QUEUE);
  }
  return answers;
}

describe.each([
  ["a share that stays as it is", []],
  ["one that it changes", ["--writable", "--layer-memory", String(16 << 20)]],
])("a guest that rewrites what the device is reading, on %s", (_which, options) => {
  beforeAll(() => {
    ground = ProvingGround.serve(...options);
  });
  afterAll(() => ground?.[Symbol.dispose]());

  it.each([
    [1, true],
    [2, false],
    [3, true],
  ] as const)("does no harm (seed %i, EVENT_IDX %s)", async (seed, eventIdx) => {
    try {
      using vmm = ground.vmm({ queueSize: RING_SIZE, eventIdx });
      const { answers, writes } = await attack(vmm, seed * 0x9e37_79b9);
      expect(answers).toBeGreaterThan(100);
      expect(writes).toBeGreaterThan(1000);
    } finally {
      ground.verify();
      ground.verifyUnshaken();
    }
  });
});

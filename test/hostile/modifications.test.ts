/** Guests that change a share in ways that make no sense, against a real daemon with a layer. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fuseOutHeader } from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import type { ChainReply } from "../frontend/chain-port.ts";
import { type ChainShape, PLAIN_SHAPE, SHAPES } from "../frontend/chain-shape.ts";
import {
  decode,
  decodeReply,
  encodeRequest,
  nameBytes,
  uniqueOf,
} from "../frontend/fuse-request.ts";
import { ONE_REGION } from "../frontend/synthetic-memory.ts";
import type { SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import { WritableClient } from "../frontend/writable-client.ts";
import { MODIFYING_GROUPS, type Pit } from "./modifying-cases.ts";
import { ProvingGround } from "./proving-ground.ts";
import { ARGUMENTS, OPCODES, ROOMS } from "./request-cases.ts";

const DEFAULT_ROOM = 4096;
const RUNS = Number(process.env["CASTOREFS_RANDOM_RUNS"] ?? 60);
const SEED = Number(process.env["CASTOREFS_RANDOM_SEED"] ?? 20_265);

/** How often the daemon is looked at closely. */
const VERIFY_EVERY = 8;

/** The shapes that the cases are sent in: whole, and in single bytes. */
const CUTS: readonly ChainShape[] = [
  PLAIN_SHAPE,
  SHAPES.find((shape) => shape.name === "data across the reply header")!,
];

let ground: ProvingGround;
let pits = 0;
let groups = 0;

beforeAll(() => {
  ground = ProvingGround.serve("--writable", "--layer-memory", String(16 << 20));
});
afterAll(() => ground?.[Symbol.dispose]());

/** A directory of its own for one case, with one of everything in it. */
function dig(client: WritableClient): Pit {
  const directory = client.mkdir(1, `pit-${++pits}`).nodeid;
  const file = client.create(directory, "file").nodeid;
  client.write(file, 0, Buffer.from("something"));
  return {
    directory,
    file,
    other: client.create(directory, "other").nodeid,
    symlink: client.symlink(directory, "symlink", "nowhere").nodeid,
    inner: client.mkdir(directory, "inner").nodeid,
    base: client.lookup(1, "large").nodeid,
  };
}

/** The share goes on: a file is written, read, made lasting and removed. */
function verify(): void {
  ground.verify();
  ground.verifyUnshaken();
  using vmm = ground.vmm({ queueSize: 64 });
  const client = WritableClient.over(vmm);
  const { nodeid } = client.create(1, "good");
  expect(client.write(nodeid, 1, Buffer.from("ood"))).toBe(3);
  expect(client.read(nodeid, 0, 10).toString()).toBe("\0ood");
  client.fsync(nodeid);
  client.unlink(1, "good");
}

function send(vmm: SyntheticVmm, request: Uint8Array, shape: ChainShape): ChainReply {
  return vmm.port().transact(request, DEFAULT_ROOM, shape);
}

describe.each(MODIFYING_GROUPS)("the daemon survives $name", ({ cases }) => {
  it("whatever it is, and answers each", () => {
    try {
      for (const shape of CUTS) {
        using vmm = ground.vmm({ queueSize: 1024, memory: ONE_REGION });
        const client = WritableClient.over(vmm);
        for (const one of cases) {
          const request = one.request(dig(client));
          // A MiB in single bytes is more descriptors than there are.
          if (request.length > 500 && shape !== PLAIN_SHAPE) continue;
          const { room, usedLength } = send(vmm, request, shape);
          const { error } = decodeReply(room, usedLength, request);
          if (one.expect === "error") expect([one.name, error < 0]).toEqual([one.name, true]);
          client.getattr(1);
        }
      }
    } finally {
      if (++groups % VERIFY_EVERY === 0 || !ground.daemon.isAlive) verify();
    }
  });
});

interface RandomRequest {
  readonly opcode: number;
  readonly on: keyof Pit;
  /** A nodeid that the session knows, in a place where some requests have one. */
  readonly named: readonly [keyof Pit, number] | null;
  readonly words: readonly number[];
  readonly texts: readonly string[];
  readonly data: Uint8Array;
  readonly shape: ChainShape;
}

function sendAll(list: readonly RandomRequest[]): void {
  using vmm = ground.vmm({ queueSize: 1024, memory: ONE_REGION });
  const client = WritableClient.over(vmm);
  const pit = dig(client);
  for (const { opcode, on, named, words, texts, data, shape } of list) {
    const args = Uint32Array.from(words);
    if (named !== null && named[1] + 1 < args.length) {
      args[named[1]] = pit[named[0]] % 2 ** 32;
      args[named[1] + 1] = pit[named[0]] / 2 ** 32;
    }
    const parts = [new Uint8Array(args.buffer), ...texts.map(nameBytes), data];
    const sent = encodeRequest(opcode, pit[on], parts);
    if (sent.length > 500 && shape !== PLAIN_SHAPE) continue;
    const { room, usedLength } = send(vmm, sent, shape);
    if (decode(fuseOutHeader, room).len !== usedLength) throw new Error(`opcode ${opcode}`);
  }
  client.getattr(1);
}

describe("the daemon survives", () => {
  it("every opcode with arguments and rooms of every kind", () => {
    const noReply: readonly number[] = [op.FUSE_FORGET, op.FUSE_BATCH_FORGET];
    const maybe: readonly number[] = [op.FUSE_INTERRUPT, op.FUSE_NOTIFY_REPLY];
    try {
      using vmm = ground.vmm({ queueSize: 128, memory: ONE_REGION });
      for (const opcode of OPCODES) {
        const client = WritableClient.over(vmm);
        const pit = dig(client);
        for (const [variant, args] of ARGUMENTS.entries()) {
          if (opcode === op.FUSE_INIT || opcode === op.FUSE_DESTROY) WritableClient.over(vmm);
          const nodeid = variant % 2 === 0 ? pit.directory : pit.file;
          for (const room of ROOMS) {
            const request = encodeRequest(opcode, nodeid, [args], { unique: uniqueOf(room) });
            const reply = vmm.port().transact(request, room);
            const what = `opcode ${opcode}, arguments ${variant}, room ${room}`;
            if (noReply.includes(opcode) || room < fuseOutHeader.size) {
              expect(reply.usedLength, what).toBe(0);
            } else if (reply.usedLength > 0 || !maybe.includes(opcode)) {
              decodeReply(reply.room, reply.usedLength, request);
            }
          }
        }
      }
    } finally {
      verify();
    }
  });

  it("random arguments of the requests that change something", () => {
    const known = [4, 6, 8, 9, 10, 11, 12, 13, 16, 20, 21, 24, 30, 35, 43, 45, 47, 50, 51, 53];
    const word = fc.oneof(
      fc.nat(64),
      fc.constantFrom(0xffff_ffff, 0x8000_0000, 0x7fff_ffff, 0x1f_ffff, 4096, 0o100644, 0o40755),
      fc.nat(0xffff_ffff),
    );
    const text = fc.oneof(
      fc.constantFrom("file", "other", "inner", "symlink", "user.a", "system.posix_acl_access"),
      fc.string({ maxLength: 300 }),
    );
    const request = fc.record<RandomRequest>({
      opcode: fc.constantFrom(...known),
      on: fc.constantFrom<keyof Pit>("directory", "file", "symlink", "inner", "base"),
      named: fc.option(
        fc.tuple(fc.constantFrom<keyof Pit>("directory", "file", "inner"), fc.constantFrom(0, 4)),
      ),
      words: fc.array(word, { maxLength: 22 }),
      texts: fc.array(text, { maxLength: 2 }),
      data: fc.uint8Array({ maxLength: 200 }),
      shape: fc.constantFrom<ChainShape>(...CUTS),
    });
    let runs = 0;
    const property = fc.property(fc.array(request, { minLength: 1, maxLength: 40 }), (list) => {
      sendAll(list);
      if (++runs % VERIFY_EVERY === 0 || !ground.daemon.isAlive) verify();
    });
    fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
    verify();
  });
});

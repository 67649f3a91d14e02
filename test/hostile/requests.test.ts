/** Guests whose FUSE requests make no sense, against a real daemon. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fuseOutHeader } from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import type { ChainReply } from "../frontend/chain-port.ts";
import { type ChainShape, PLAIN_SHAPE, SHAPES } from "../frontend/chain-shape.ts";
import { decode, decodeReply, encodeRequest, uniqueOf } from "../frontend/fuse-request.ts";
import { ONE_REGION } from "../frontend/synthetic-memory.ts";
import { FIRST_REQUEST_QUEUE, HIGH_PRIORITY_QUEUE } from "../frontend/synthetic-vmm.ts";
import { ProvingGround } from "./proving-ground.ts";
import {
  ARGUMENTS,
  type Expectation,
  type Known,
  OPCODES,
  REQUEST_CASES,
  type RequestCase,
  ROOMS,
} from "./request-cases.ts";

const DEFAULT_ROOM = 4096;

/** The shapes that the cases are sent in: whole, and in single bytes. */
const CUTS: readonly ChainShape[] = [
  PLAIN_SHAPE,
  SHAPES.find((shape) => shape.name === "data across the reply header")!,
];

let ground: ProvingGround;

beforeAll(() => {
  ground = ProvingGround.serve("--show-xattr");
});
afterAll(() => ground?.[Symbol.dispose]());

function attack({ request, room, session }: RequestCase, shape: ChainShape): ChainReply {
  using vmm = ground.vmm({ queueSize: 1024 });
  const fuse = vmm.fuse();
  let known: Known = { file: 2, directory: 3, symlink: 4 };
  if (session !== false) {
    fuse.init();
    known = {
      file: fuse.lookup(1, "hello").nodeid,
      directory: fuse.lookup(1, "many").nodeid,
      symlink: fuse.lookup(1, "to-hello").nodeid,
    };
  }
  const reply = vmm.port().transact(request(known), room ?? DEFAULT_ROOM, shape);
  // The ring goes on.
  fuse.init();
  fuse.getattr(1);
  return reply;
}

function check(expectation: Expectation, reply: ChainReply, request: Uint8Array): void {
  if (reply.usedLength === 0) {
    expect(["silence", "either"]).toContain(expectation);
    return;
  }
  expect(expectation).not.toBe("silence");
  if (request.length < 40) {
    expect(decode(fuseOutHeader, reply.room).error).toBeLessThan(0);
    return;
  }
  const { error } = decodeReply(reply.room, reply.usedLength, request);
  if (expectation === "error") expect(error).toBeLessThan(0);
}

describe("the daemon survives", () => {
  it.each(REQUEST_CASES)("$name", (requestCase) => {
    try {
      for (const shape of CUTS) {
        const sent = requestCase.request({ file: 2, directory: 3, symlink: 4 });
        check(requestCase.expect, attack(requestCase, shape), sent);
      }
    } finally {
      ground.verify();
    }
  });
});

describe("every opcode, with arguments and rooms of every kind", () => {
  const NO_REPLY: readonly number[] = [op.FUSE_FORGET, op.FUSE_BATCH_FORGET];
  const MAY_BE_SILENT: readonly number[] = [op.FUSE_INTERRUPT, op.FUSE_NOTIFY_REPLY];

  it.each([FIRST_REQUEST_QUEUE, HIGH_PRIORITY_QUEUE])("on queue %i", (queue) => {
    try {
      using vmm = ground.vmm({ queueSize: 128, memory: ONE_REGION });
      const fuse = vmm.fuse();
      for (const opcode of OPCODES) {
        for (const [variant, args] of ARGUMENTS.entries()) {
          fuse.init();
          const nodeid = variant % 2 === 0 ? 1 : fuse.lookup(1, "hello").nodeid;
          for (const room of ROOMS) {
            const request = encodeRequest(opcode, nodeid, [args], { unique: uniqueOf(room) });
            const what = `opcode ${opcode}, arguments ${variant}, room ${room}`;
            const reply = vmm.port(queue).transact(request, room);
            if (NO_REPLY.includes(opcode) || room < fuseOutHeader.size) {
              expect(reply.usedLength, what).toBe(0);
            } else if (reply.usedLength > 0 || !MAY_BE_SILENT.includes(opcode)) {
              decodeReply(reply.room, reply.usedLength, request);
            }
          }
        }
      }
    } finally {
      ground.verify();
    }
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { fuseInHeader, fuseReadIn } from "../../src/abi/fuse.ts";
import * as abi from "../../src/abi/fuse-constants.ts";
import { FlatRequest, FlatRoom } from "./flat-segments.ts";
import { args, INIT_ALL, INIT_WITH_OPEN, Kernel, requestBytes, UNIQUE } from "./kernel.ts";
import { DIRECTORY, HELLO, MAPPED, ROOT } from "./stub-file-system.ts";

const opcode = fc.oneof(
  { weight: 10, arbitrary: fc.nat(abi.FUSE_OPCODES_END) },
  { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
);
const nodeid = fc.oneof(fc.nat(7), fc.maxSafeNat());
const word = fc.oneof(
  fc.constantFrom(0, 1, 2, 16, 255, 256, 4096, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
  fc.nat(100),
);
const wordBytes = fc
  .array(word, { maxLength: 20 })
  .map((words) => new Uint8Array(Uint32Array.from(words).buffer));
const body = fc.oneof(
  wordBytes,
  fc.uint8Array({ maxLength: 600 }),
  fc.constant(Buffer.from("hello\0")),
);
const room = fc.oneof(fc.constantFrom(0, 1, 15, 16, 17, 96, 119, 120, 144, 4096), fc.nat(500));

/** A well-formed header in most cases, with lengths that lie in some. */
const request = fc
  .record({
    opcode,
    nodeid,
    body: fc.array(body, { maxLength: 2 }),
    lie: fc.option(word, { freq: 8 }),
    cut: fc.option(fc.nat(60), { freq: 8 }),
  })
  .map(({ opcode, nodeid, body, lie, cut }) => {
    const bytes = requestBytes(opcode, nodeid, ...body);
    if (lie !== null) new DataView(bytes.buffer).setUint32(fuseInHeader.at.len, lie, true);
    return cut === null ? bytes : bytes.slice(0, cut);
  });

const anything = fc.oneof(request, fc.uint8Array({ maxLength: 700 }));

test("whatever is sent, nothing throws and nothing is written beyond what is reported", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(anything, room), { maxLength: 30 }),
      fc.boolean(),
      (all, open) => {
        const kernel = Kernel.mounted(undefined, open ? INIT_WITH_OPEN : INIT_ALL);
        for (const [bytes, length] of all) {
          const target = new FlatRoom(length);
          // `exchange` checks that the header repeats the used length and the request's `unique`.
          const { written } = kernel.exchange(new FlatRequest(bytes), target);
          expect(written === 0 || written >= 16).toBe(true);
          expect(written).toBeLessThanOrEqual(length);
          if (written === 0) expect(target.touched).toBe(0);
          if (kernel.lines.length > 0) expect(kernel.lines[0]!.fields!["operation"]).toBe("read");
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("a successful reply of a struct leaves the rest of the room as it was", () => {
  const kernel = Kernel.mounted();
  const target = new FlatRoom(4096);
  const { written } = kernel.exchange(
    new FlatRequest(requestBytes(abi.FUSE_LOOKUP, ROOT, "hello")),
    target,
  );
  expect([written, target.touched]).toEqual([144, 144]);
});

test("a request that changes while it is read is judged by one copy of it", () => {
  const good = requestBytes(abi.FUSE_READ, MAPPED, args(fuseReadIn, { offset: 8, size: 32 }));
  const evil = requestBytes(abi.FUSE_BATCH_FORGET, DIRECTORY, new Uint8Array(40).fill(0xff));
  evil.set(UNIQUE, 8);
  const kernel = Kernel.mounted();
  const bytes = good.slice();
  const reply = kernel.exchange(new FlatRequest(bytes, () => bytes.set(evil)), new FlatRoom(100));
  expect(reply.payload.length).toBe(32);
  expect(reply.payload[0]).toBe(8 * 7);
});

test("a name that loses its NUL after the copy keeps it", () => {
  const kernel = Kernel.mounted();
  const bytes = requestBytes(abi.FUSE_LOOKUP, ROOT, "hello");
  const request = new FlatRequest(bytes, () => bytes.fill(0x61, 40));
  expect(kernel.exchange(request, new FlatRoom(144)).error).toBe(0);
});

test("opens, reads and listings of every inode at every corner are answered", () => {
  const kernel = Kernel.mounted();
  const corners = [0, 1, 11, 12, 13, 4999, 5000, 2 ** 32, 2 ** 40, Number.MAX_SAFE_INTEGER];
  for (const node of [0, ROOT, HELLO, DIRECTORY, MAPPED, 77]) {
    for (const operation of [abi.FUSE_READ, abi.FUSE_READDIR, abi.FUSE_READDIRPLUS]) {
      for (const offset of corners) {
        for (const size of [0, 1, 4096, 0xffff_ffff]) {
          const argument = args(fuseReadIn, { offset, size });
          const reply = kernel.send(operation, node, 5000, argument);
          expect(reply.written).toBeGreaterThanOrEqual(16);
          expect(reply.payload.length).toBeLessThanOrEqual(size);
        }
      }
    }
  }
});

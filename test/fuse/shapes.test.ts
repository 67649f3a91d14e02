/** The server behind a virtqueue: a request is the same however its bytes are cut up. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  fuseGetattrIn,
  fuseGetxattrIn,
  fuseInHeader,
  fuseOpenIn,
  fuseOutHeader,
} from "../../src/abi/fuse.ts";
import * as abi from "../../src/abi/fuse-constants.ts";
import { vringDesc } from "../../src/abi/virtio.ts";
import type { SplitQueue } from "../../src/virtio/split-queue.ts";
import { FakeDriver, INDIRECT, NEXT, WRITE } from "../virtio/fake-driver.ts";
import { args, Kernel, readArgs, requestBytes } from "./kernel.ts";
import { MODIFYING_REQUESTS } from "./modifying-requests.ts";
import { RecordingFileSystem } from "./recording-modifications.ts";
import { DIRECTORY, HELLO, LINK, MAPPED, MAPPED_BYTES, ROOT } from "./stub-file-system.ts";

interface Shape {
  name: string;
  bytes: Uint8Array;
  room: number;
}

const shapes: Shape[] = [
  shape("LOOKUP", 128, requestBytes(abi.FUSE_LOOKUP, ROOT, "hello")),
  shape("LOOKUP of nothing", 128, requestBytes(abi.FUSE_LOOKUP, ROOT, "n".repeat(255))),
  shape("GETATTR", 104, requestBytes(abi.FUSE_GETATTR, HELLO, args(fuseGetattrIn, {}))),
  shape("OPEN", 16, requestBytes(abi.FUSE_OPEN, HELLO, args(fuseOpenIn, {}))),
  shape("READ", 2000, requestBytes(abi.FUSE_READ, HELLO, readArgs(0, 4096))),
  shape("READ, mapped", 3000, requestBytes(abi.FUSE_READ, MAPPED, readArgs(77, 3000))),
  shape("READDIR", 2000, requestBytes(abi.FUSE_READDIR, DIRECTORY, readArgs(0, 2000))),
  shape("READDIRPLUS", 3000, requestBytes(abi.FUSE_READDIRPLUS, DIRECTORY, readArgs(0, 3000))),
  shape("READLINK", 1000, requestBytes(abi.FUSE_READLINK, LINK)),
  shape("STATFS", 80, requestBytes(abi.FUSE_STATFS, ROOT)),
  shape(
    "GETXATTR",
    64,
    requestBytes(abi.FUSE_GETXATTR, HELLO, args(fuseGetxattrIn, { size: 64 }), "user.digest"),
  ),
  shape("MKDIR", 128, requestBytes(abi.FUSE_MKDIR, ROOT, new Uint8Array(8), "new")),
  shape("WRITE", 8, requestBytes(abi.FUSE_WRITE, HELLO, new Uint8Array(40), new Uint8Array(900))),
  shape("too little room", 40, requestBytes(abi.FUSE_GETATTR, HELLO, args(fuseGetattrIn, {}))),
];

function shape(name: string, payload: number, bytes: Uint8Array): Shape {
  return { name, bytes, room: fuseOutHeader.size + payload };
}

/** Sizes of pieces; what is left over is one more piece. */
const cuts = fc.array(fc.oneof(fc.nat(24), fc.nat(700)), { maxLength: 20 });

test.each(shapes)("$name is answered the same in pieces of any size", ({ bytes, room }) => {
  const kernel = Kernel.mounted();
  const { written: expectedWritten } = kernel.sendBytes(bytes, room);
  const expected = replyOf(bytes, room);
  const cutUp = fc.record({
    request: cuts,
    reply: cuts,
    indirect: fc.boolean(),
    header: fc.boolean(),
  });
  fc.assert(
    fc.property(cutUp, ({ request, reply, indirect, header }) => {
      const driver = new FakeDriver({ size: 64, copies: 8 });
      driver.mapping = mapping();
      const queue = driver.start();
      // Linux gives headers descriptors of their own.
      const requestCuts = header ? [fuseInHeader.size, ...request] : request;
      const replyCuts = header ? [fuseOutHeader.size, ...reply] : reply;
      const offered = offer(driver, bytes, requestCuts, room, replyCuts, indirect);
      const written = serve(kernel, queue);
      expect(driver.takeUsed()).toEqual([{ id: 0, len: expectedWritten }]);
      expect(written).toBe(expectedWritten);
      const got = offered.map((address) => driver.peek(address)!);
      expect(Buffer.from(got.slice(0, written))).toEqual(Buffer.from(expected));
      expect(got.slice(written).every((byte) => byte === 0xee)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

/** Those that fit where requests lie. */
const modifying = MODIFYING_REQUESTS.map(({ name, opcode, nodeid, parts, call }) => {
  return { name, call, bytes: requestBytes(opcode, nodeid, ...parts) };
}).filter(({ bytes }) => bytes.length < 4000);

test.each(modifying)("$name is asked the same in pieces of any size", ({ bytes, call }) => {
  fc.assert(
    fc.property(cuts, fc.boolean(), (request, indirect) => {
      const fs = new RecordingFileSystem();
      const kernel = Kernel.mounted(fs);
      const driver = new FakeDriver({ size: 64 });
      const queue = driver.start();
      offer(driver, bytes, request, 512, [16], indirect);
      serve(kernel, queue);
      expect(fs.modifications.calls).toEqual([call]);
    }),
    { numRuns: 20 },
  );
});

/** The reply's bytes from one flat piece. */
function replyOf(bytes: Uint8Array, room: number): Uint8Array {
  const driver = new FakeDriver({ size: 64 });
  driver.mapping = mapping();
  const queue = driver.start();
  const addresses = offer(driver, bytes, [], room, [], false);
  const written = serve(Kernel.mounted(), queue);
  return Uint8Array.from(addresses.slice(0, written), (address) => driver.peek(address)!);
}

function serve(kernel: Kernel, queue: SplitQueue): number {
  const head = queue.next();
  expect(queue.chain.malformed).toBeUndefined();
  const { readable, writable } = queue.chain;
  const written = kernel.server.handle(readable, writable);
  queue.complete(head, written);
  queue.publish();
  return written;
}

/**
 * Lays a request from 0x1000 on and its room from 0x8000 on, with gaps between pieces, and makes it
 * available. Gives the addresses of the room's bytes.
 */
function offer(
  driver: FakeDriver,
  bytes: Uint8Array,
  requestCuts: number[],
  room: number,
  replyCuts: number[],
  indirect: boolean,
): number[] {
  const table = [];
  let at = 0x1000;
  let done = 0;
  for (const len of pieces(bytes.length, requestCuts)) {
    driver.poke(at, bytes.subarray(done, done + len));
    table.push({ addr: at, len, flags: 0 });
    done += len;
    at += len + (len & 3);
  }
  const addresses: number[] = [];
  at = 0x8000;
  for (const len of pieces(room, replyCuts)) {
    for (let byte = 0; byte < len; byte++) addresses.push(at + byte);
    table.push({ addr: at, len, flags: WRITE });
    at += len + (len & 3);
  }
  driver.poke(0x8000, new Uint8Array(0x1000).fill(0xee));
  const chained = table.map((descriptor, index) =>
    index + 1 < table.length
      ? { ...descriptor, flags: descriptor.flags | NEXT, next: index + 1 }
      : { ...descriptor, next: 0 },
  );
  if (indirect) {
    const view = new DataView(new ArrayBuffer(chained.length * vringDesc.size));
    for (const [index, descriptor] of chained.entries()) {
      vringDesc.write(view, index * vringDesc.size, descriptor);
    }
    driver.poke(0x2001, new Uint8Array(view.buffer));
    driver.descriptor(0, { addr: 0x2001, len: view.byteLength, flags: INDIRECT });
  } else {
    for (const [index, descriptor] of chained.entries()) driver.descriptor(index, descriptor);
  }
  driver.makeAvailable(0);
  return addresses;
}

function pieces(total: number, cuts: number[]): number[] {
  const lengths = [];
  let left = total;
  for (const cut of cuts) {
    const length = Math.min(cut, left);
    lengths.push(length);
    left -= length;
  }
  if (left > 0) lengths.push(left);
  return lengths;
}

function mapping(): Uint8Array {
  return Uint8Array.from({ length: MAPPED_BYTES }, (_, index) => (index * 7) & 0xff);
}

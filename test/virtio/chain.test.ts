import fc from "fast-check";
import { expect, test } from "vitest";
import { vringDesc } from "../../src/abi/virtio.ts";
import type { HostAddress } from "../../src/base/brands.ts";
import { Chain, MAX_INDIRECT_DESCRIPTORS } from "../../src/virtio/chain.ts";
import { MAX_SEGMENTS } from "../../src/virtio/segments.ts";
import type { SplitQueue } from "../../src/virtio/split-queue.ts";
import { type Descriptor, FakeDriver, INDIRECT, NEXT, pattern, WRITE } from "./fake-driver.ts";

const SIZE = 8;
const INDIRECT_TABLE = 0x1ff0;

/** A plain reading of the rules: the addresses of both halves, byte by byte, or undefined. */
function model(driver: FakeDriver, table: readonly Descriptor[], indirectTable: Descriptor[]) {
  const readable: number[] = [];
  const writable: number[] = [];
  const walk = (descriptors: readonly Descriptor[], first: number, nested: boolean): boolean => {
    let index = first;
    for (let steps = 0; steps < descriptors.length; steps++) {
      const { addr, len, flags, next } = descriptors[index]!;
      if (flags & INDIRECT) {
        const count = len / vringDesc.size;
        if (nested || flags & NEXT || !Number.isInteger(count) || count === 0) return false;
        if (addr !== INDIRECT_TABLE || count > indirectTable.length) return false;
        return walk(indirectTable.slice(0, count), 0, true);
      }
      if (!(flags & WRITE) && writable.length > 0) return false;
      for (let at = addr; at < addr + len; at++) {
        if (driver.peek(at) === undefined) return false;
        (flags & WRITE ? writable : readable).push(at);
      }
      if (!(flags & NEXT)) return true;
      if (next >= descriptors.length) return false;
      index = next;
    }
    return false;
  };
  return walk(table, 0, false) ? { readable, writable } : undefined;
}

const address = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0x1000, max: 0x2f00 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0x1fe0, max: 0x2010 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0x8000, max: 0x8fff }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0xfff, 0x3000, 0x8fff, 0x9000, 2 ** 52) },
);
const length = fc.oneof(
  { weight: 6, arbitrary: fc.nat(200) },
  { weight: 1, arbitrary: fc.constantFrom(0, 0x1000, 0x2000, 0x2001, 0xffff_ffff) },
);
const flagBits = (indirect: boolean) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(NEXT, NEXT, 0) },
    { weight: 4, arbitrary: fc.constantFrom(NEXT | WRITE, WRITE) },
    { weight: indirect ? 1 : 0, arbitrary: fc.nat(0xffff) },
  );

function tableOf(size: number, hostile: boolean): fc.Arbitrary<Descriptor[]> {
  return fc.tuple(
    ...Array.from({ length: size }, (_, index) =>
      fc.record({
        addr: address,
        len: length,
        flags: flagBits(hostile),
        next: fc.oneof(
          { weight: 8, arbitrary: fc.constant(Math.min(index + 1, size)) },
          { weight: 1, arbitrary: fc.nat(size + 1) },
        ),
      }),
    ),
  );
}

/** The last descriptor of the direct table may lead to the indirect one. */
const setup = fc.record({
  direct: tableOf(SIZE, true),
  indirect: tableOf(6, true),
  entry: fc.option(fc.tuple(fc.nat(SIZE - 1), fc.constantFrom(16, 48, 96, 40, 0)), { freq: 3 }),
});

test("any table of descriptors is walked as a plain model walks it", () => {
  let sound = 0;
  fc.assert(
    fc.property(setup, ({ direct, indirect, entry }) => {
      const driver = new FakeDriver({ size: SIZE });
      driver.fillData();
      const table = direct.map((descriptor) => ({ ...descriptor }));
      if (entry !== null) {
        table[entry[0]] = { addr: INDIRECT_TABLE, len: entry[1], flags: INDIRECT, next: 0 };
        driver.poke(INDIRECT_TABLE, indirect.flatMap(descriptorBytes));
      }
      for (const [index, descriptor] of table.entries()) driver.descriptor(index, descriptor);
      driver.makeAvailable(0);
      const queue = driver.start();
      const expected = model(driver, table, entry === null ? [] : indirect);
      expect(queue.next()).toBe(0);
      // A stray indirect flag makes a table of data bytes: more than the model knows.
      const stray = table.some((d, i) => d.flags & INDIRECT && i !== entry?.[0]);
      if (!stray) {
        expect(queue.chain.malformed === undefined).toBe(expected !== undefined);
        if (expected !== undefined) {
          sound++;
          checkHalves(driver, queue, expected.readable, expected.writable);
        }
      }
      exerciseHalves(queue);
    }),
    { numRuns: 1000 },
  );
  expect(sound).toBeGreaterThan(100);
});

function checkHalves(
  driver: FakeDriver,
  queue: SplitQueue,
  readable: number[],
  writable: number[],
) {
  const { chain } = queue;
  expect(chain.readable.length).toBe(readable.length);
  expect(chain.writable.length).toBe(writable.length);
  const read = new Uint8Array(readable.length + 3);
  expect(chain.readable.copy(0, read, 1, readable.length + 2)).toBe(readable.length);
  expect([...read.subarray(1, 1 + readable.length)]).toEqual(readable.map((at) => driver.peek(at)));
  if (new Set(writable).size !== writable.length) return;
  driver.fillData();
  const reply = Uint8Array.from(writable, (_, index) => (index * 13 + 5) & 0xff);
  const split = Math.floor(reply.length / 3);
  chain.writable.write(split, reply, split, reply.length - split);
  chain.writable.write(0, reply, 0, split);
  const written = new Map(writable.map((at, index) => [at, reply[index]]));
  for (const [start, bytes] of [
    [0x1000, 0x2000],
    [0x8000, 0x1000],
  ] as const) {
    for (let at = start; at < start + bytes; at++) {
      const expected = written.get(at) ?? pattern(at);
      if (driver.peek(at) !== expected) expect([at, driver.peek(at)]).toEqual([at, expected]);
    }
  }
}

/** Whatever is in the halves of a malformed chain is memory. */
function exerciseHalves({ chain: { readable, writable } }: SplitQueue): void {
  const scratch = new Uint8Array(64);
  readable.copy(0, scratch, 0, 64);
  readable.copy(Math.max(0, readable.length - 64), scratch, 0, 64);
  const bytes = Math.min(64, writable.length);
  writable.write(writable.length - bytes, scratch, 0, bytes);
}

function descriptorBytes(descriptor: Descriptor): number[] {
  const view = new DataView(new ArrayBuffer(vringDesc.size));
  vringDesc.write(view, 0, descriptor);
  return [...new Uint8Array(view.buffer)];
}

function loaded(driver: FakeDriver, head = 0): SplitQueue {
  driver.makeAvailable(head);
  const queue = driver.start();
  expect(queue.next()).toBe(head);
  return queue;
}

test("an indirect descriptor is refused when the feature was not negotiated", () => {
  const driver = new FakeDriver({ indirect: false });
  driver.descriptor(0, { addr: 0x1000, len: 16, flags: INDIRECT });
  expect(loaded(driver).chain.malformed).toMatch(/without the feature/);
});

test("an indirect table may be unaligned, and lie across two windows", () => {
  const driver = new FakeDriver();
  const table = [
    { addr: 0x8000, len: 5, flags: NEXT, next: 1 },
    { addr: 0x8010, len: 7, flags: WRITE, next: 0 },
  ];
  driver.poke(0x1ff3, table.flatMap(descriptorBytes));
  driver.descriptor(0, { addr: 0x1ff3, len: 32, flags: INDIRECT });
  const { chain } = loaded(driver);
  expect(chain.malformed).toBeUndefined();
  expect([chain.readable.length, chain.writable.length]).toEqual([5, 7]);
});

test("an indirect table longer than the limit is refused unread", () => {
  const driver = new FakeDriver();
  const len = (MAX_INDIRECT_DESCRIPTORS + 1) * vringDesc.size;
  driver.descriptor(0, { addr: 0x1000, len, flags: INDIRECT });
  expect(loaded(driver).chain.malformed).toMatch(/too long/);
});

test("every word of a descriptor is read once, so that it cannot change in between", () => {
  const reads = new Map<number, number>();
  const driver = new FakeDriver();
  const words = new Uint32Array((SIZE * vringDesc.size) / 4);
  const view = new DataView(words.buffer);
  vringDesc.write(view, 0, { addr: 0x1000, len: 40, flags: NEXT, next: 3 });
  vringDesc.write(view, 3 * vringDesc.size, { addr: 0x1ff0, len: 100, flags: WRITE });
  const table = new Proxy(words, {
    get: (target, key) => {
      if (typeof key === "string" && /^\d+$/.test(key)) {
        reads.set(Number(key), (reads.get(Number(key)) ?? 0) + 1);
      }
      return Reflect.get(target, key, target);
    },
  });
  const chain = new Chain(driver.memory, table, true, driver.list);
  chain.load(0);
  expect(chain.malformed).toBeUndefined();
  expect([chain.readable.length, chain.writable.length]).toEqual([40, 100]);
  expect([...reads].sort(([a], [b]) => a - b)).toEqual(
    [0, 1, 2, 3, 12, 13, 14, 15].map((word) => [word, 1]),
  );
});

test("an address above 2^53 is no memory", () => {
  const driver = new FakeDriver();
  const table = new DataView(driver.windows[3]!.buffer);
  driver.descriptor(0, { addr: 0x1000, len: 16 });
  table.setUint32(4, 0xffff_ffff, true);
  expect(loaded(driver).chain.malformed).toMatch(/outside memory/);
});

test("a chain in more pieces than there is room for is malformed", () => {
  const guestAddress = 0x20_0000;
  // Windows of one byte each: a single descriptor across all of them.
  const windows = Array.from({ length: MAX_SEGMENTS + 1 }, (_, index) => ({
    guestAddress: guestAddress + index,
    hostAddress: 0x7e00_0000_0000 + index * 4096,
    buffer: new ArrayBuffer(1),
  }));
  const driver = new FakeDriver({ windows });
  driver.descriptor(0, { addr: guestAddress, len: MAX_SEGMENTS + 1 });
  expect(loaded(driver).chain.malformed).toMatch(/outside memory/);
});

test("the ring's own window is memory like any other: a chain may name it without harm", () => {
  const driver = new FakeDriver();
  driver.descriptor(0, { addr: 0x10_0000, len: 128, flags: WRITE });
  const queue = loaded(driver);
  queue.chain.writable.write(0, new Uint8Array(128).fill(0xff), 0, 128);
  queue.complete(0, 128);
  queue.publish();
  expect(driver.takeUsed()).toEqual([{ id: 0, len: 128 }]);
});

test("writeMapped() copies to all pieces, in rounds when they do not fit into the table", () => {
  const driver = new FakeDriver({ copies: 2 });
  driver.mapping = Uint8Array.from({ length: 400 }, (_, index) => index & 0xff);
  driver.offer([
    { addr: 0x1ff0, len: 32, write: true },
    { addr: 0x8000, len: 10, write: true },
    { addr: 0x1000, len: 10, write: true },
    { addr: 0x8100, len: 100, write: true },
  ]);
  const queue = driver.start();
  queue.next();
  const { writable } = queue.chain;
  expect(writable.writeMapped(8, 3 as HostAddress, 100)).toBe(0);
  expect(driver.runs).toEqual([
    [2, false],
    [2, false],
    [1, false],
  ]);
  const addresses = [
    ...range(0x1ff0, 32),
    ...range(0x8000, 10),
    ...range(0x1000, 10),
    ...range(0x8100, 100),
  ];
  const bytes = addresses.map((at) => driver.peek(at));
  expect(bytes.slice(8, 108)).toEqual([...driver.mapping.subarray(3, 103)]);
  expect([...bytes.slice(0, 8), ...bytes.slice(108)].every((byte) => byte === 0)).toBe(true);
  expect(writable.writeMapped(0, 390 as HostAddress, 100)).toBe(-5);
  expect(() => writable.writeMapped(100, 0 as HostAddress, 100)).toThrow(/beyond the room/);
});

test("write() refuses to go beyond the room", () => {
  const driver = new FakeDriver();
  driver.offer([{ addr: 0x1000, len: 16, write: true }]);
  const queue = driver.start();
  queue.next();
  const { writable } = queue.chain;
  expect(() => writable.write(0, new Uint8Array(17), 0, 17)).toThrow(/beyond the room/);
  expect(() => writable.write(8, new Uint8Array(4), 0, 8)).toThrow(/beyond its source/);
});

function range(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => start + index);
}

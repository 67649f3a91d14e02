import fc from "fast-check";
import { expect, test } from "vitest";
import { InvalidRing, NONE, type RingLayout } from "../../src/virtio/split-queue.ts";
import { FakeDriver, WRITE } from "./fake-driver.ts";

const readableChain = [{ addr: 0x1000, len: 8 }];

test("a request is taken, completed with its true length and published", () => {
  const driver = new FakeDriver();
  const queue = driver.start();
  expect(queue.next()).toBe(NONE);
  driver.offer([
    { addr: 0x1000, len: 8 },
    { addr: 0x8000, len: 16, write: true },
  ]);
  expect(queue.next()).toBe(0);
  expect(queue.chain.malformed).toBeUndefined();
  queue.complete(0, 12);
  expect(driver.takeUsed()).toEqual([]);
  expect(queue.publish()).toBe(true);
  expect(driver.takeUsed()).toEqual([{ id: 0, len: 12 }]);
  expect(queue.publish()).toBe(false);
});

test("indexes go round 2^16 many times without a slip", () => {
  const driver = new FakeDriver({ size: 4, lastAvail: 65_530, eventIdx: true });
  const queue = driver.start();
  for (let request = 0; request < 70_000; request++) {
    const head = request & 3;
    driver.descriptor(head, { addr: 0x1000, len: request & 0xff });
    driver.makeAvailable(head);
    expect(queue.next()).toBe(head);
    expect(queue.chain.readable.length).toBe(request & 0xff);
    queue.complete(head, request);
    queue.publish();
    expect(driver.takeUsed()).toEqual([{ id: head, len: request }]);
  }
  expect(queue.lastAvail).toBe((65_530 + 70_000) & 0xffff);
  expect(queue.usedIdx).toBe(queue.lastAvail);
});

test("requests may be completed in any order, and be loaded again before that", () => {
  const driver = new FakeDriver();
  for (const head of [0, 1, 2]) {
    driver.descriptor(head, { addr: 0x1000, len: 10 + head });
    driver.makeAvailable(head);
  }
  const queue = driver.start();
  expect([queue.next(), queue.next(), queue.next(), queue.next()]).toEqual([0, 1, 2, NONE]);
  expect(queue.inFlight).toBe(3);
  queue.reload(1);
  expect(queue.chain.readable.length).toBe(11);
  for (const head of [1, 2, 0]) queue.complete(head, head);
  queue.publish();
  expect(driver.takeUsed().map(({ id }) => id)).toEqual([1, 2, 0]);
  expect(queue.inFlight).toBe(0);
  expect(() => queue.complete(1, 0)).toThrow(/not taken/);
  expect(() => queue.reload(1)).toThrow(/not taken/);
});

test.each([
  ["an available index that jumps", (driver: FakeDriver) => (driver.availIdx = 9)],
  ["an available index that goes back", (driver: FakeDriver) => (driver.availIdx = 0xffff)],
  ["a head out of range", (driver: FakeDriver) => driver.makeAvailable(8)],
])("%s breaks the ring for good", (_, misbehave) => {
  const driver = new FakeDriver();
  const queue = driver.start();
  misbehave(driver);
  expect(queue.next()).toBe(NONE);
  expect(queue.broken).toBeTypeOf("string");
  driver.availIdx = 0;
  expect([queue.next(), queue.hasNext(), queue.enableNotifications()]).toEqual([
    NONE,
    false,
    false,
  ]);
  expect(queue.publish()).toBe(false);
});

test("a head that is still in use breaks the ring; what is in flight can be given back", () => {
  const driver = new FakeDriver();
  driver.offer(readableChain);
  driver.makeAvailable(0);
  const queue = driver.start();
  expect([queue.next(), queue.next()]).toEqual([0, NONE]);
  expect(queue.broken).toMatch(/still in use/);
  queue.complete(0, 0);
  expect(queue.publish()).toBe(true);
});

test("a full ring is no jump, one more is", () => {
  const driver = new FakeDriver({ size: 8 });
  for (let head = 0; head < 8; head++) driver.makeAvailable(head);
  const queue = driver.start();
  expect(queue.hasNext()).toBe(true);
  expect(queue.next()).toBe(0);
  driver.makeAvailable(1);
  for (let head = 1; head < 8; head++) expect(queue.next()).toBe(head);
  expect(queue.next()).toBe(NONE);
  expect(queue.broken).toMatch(/jumped/);
});

test("without EVENT_IDX both sides mute each other by flags", () => {
  const driver = new FakeDriver();
  const queue = driver.start();
  queue.disableNotifications();
  expect(driver.wantsKick).toBe(false);
  driver.offer(readableChain);
  expect(queue.enableNotifications()).toBe(true);
  expect(driver.wantsKick).toBe(true);
  driver.availFlags = 1;
  queue.complete(queue.next(), 0);
  expect(queue.publish()).toBe(false);
  expect(queue.enableNotifications()).toBe(false);
  driver.availFlags = 0;
  driver.offer(readableChain);
  queue.complete(queue.next(), 0);
  expect(queue.publish()).toBe(true);
});

test("with EVENT_IDX a kick is wanted for the next request after notifications were enabled", () => {
  const driver = new FakeDriver({ eventIdx: true, lastAvail: 65_535 });
  const queue = driver.start();
  expect(queue.enableNotifications()).toBe(false);
  driver.offer(readableChain);
  expect(driver.wantsKick).toBe(true);
  queue.complete(queue.next(), 0);
  queue.disableNotifications();
  driver.offer(readableChain);
  expect(driver.wantsKick).toBe(false);
  expect(queue.enableNotifications()).toBe(true);
});

test("with EVENT_IDX the driver is notified when the used index passes its mark", () => {
  const sequence = fc.record({
    lastAvail: fc.nat(0xffff),
    steps: fc.array(fc.record({ batch: fc.nat(8), mark: fc.option(fc.nat(9)) }), { maxLength: 40 }),
  });
  fc.assert(
    fc.property(sequence, ({ lastAvail, steps }) => {
      const driver = new FakeDriver({ size: 8, eventIdx: true, lastAvail });
      const queue = driver.start();
      let used = lastAvail;
      let mark = lastAvail;
      driver.usedEvent = mark;
      for (const step of steps) {
        if (step.mark !== null) {
          mark = (used + step.mark) & 0xffff;
          driver.usedEvent = mark;
        }
        let passed = false;
        for (let head = 0; head < step.batch; head++) {
          driver.makeAvailable(head);
          queue.complete(queue.next(), 0);
          passed ||= used === mark;
          used = (used + 1) & 0xffff;
        }
        expect(queue.publish()).toBe(passed);
        driver.takeUsed();
      }
    }),
  );
});

test("a malformed chain still gives its head back", () => {
  const driver = new FakeDriver();
  driver.descriptor(3, { addr: 0xdead_0000, len: 8, flags: WRITE });
  driver.makeAvailable(3);
  const queue = driver.start();
  expect(queue.next()).toBe(3);
  expect(queue.chain.malformed).toMatch(/outside memory/);
  queue.complete(3, 0);
  queue.publish();
  expect(driver.takeUsed()).toEqual([{ id: 3, len: 0 }]);
});

test("any available index and any heads: nothing throws, and nothing is taken twice", () => {
  const hostile = fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant("offer" as const), value: fc.nat(10) }),
      fc.record({ kind: fc.constant("idx" as const), value: fc.nat(0xffff) }),
      fc.record({ kind: fc.constant("take" as const), value: fc.nat(3) }),
      fc.record({ kind: fc.constant("finish" as const), value: fc.nat(3) }),
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(hostile, fc.boolean(), (steps, eventIdx) => {
      const driver = new FakeDriver({ eventIdx });
      const queue = driver.start();
      const held = new Set<number>();
      for (const { kind, value } of steps) {
        if (kind === "offer") driver.makeAvailable(value);
        else if (kind === "idx") driver.availIdx = value;
        else if (kind === "take") {
          const head = queue.next();
          expect(held.has(head)).toBe(false);
          if (head !== NONE) held.add(head);
          else queue.enableNotifications();
        } else {
          for (const head of [...held].slice(0, value)) {
            queue.complete(head, 0);
            held.delete(head);
          }
          queue.publish();
        }
        expect(queue.inFlight).toBe(held.size);
      }
    }),
  );
});

const base = new FakeDriver().layout;
test.each([
  ["no size", { size: 0 }],
  ["a size that is no power of two", { size: 6 }],
  ["a size above the limit", { size: 2048 }],
  ["a size that is no number", { size: Number.NaN }],
  ["a table outside memory", { descriptorTable: 0 }],
  ["a table that is not aligned", { descriptorTable: base.descriptorTable + 8 }],
  ["a used ring that is not aligned", { usedRing: base.usedRing + 2 }],
  ["an available ring that is not aligned", { availRing: base.availRing + 1 }],
  ["an available ring that straddles the end", { availRing: base.descriptorTable + 0xfffe }],
  ["a used ring below memory", { usedRing: base.descriptorTable - 4 }],
  ["an address above 2^53", { usedRing: 2 ** 60 }],
] as [string, Partial<RingLayout>][])("a ring with %s is refused", (_, changes) => {
  expect(() => new FakeDriver().start(changes)).toThrow(InvalidRing);
});

import { describe, expect, test } from "vitest";
import type { HostAddress } from "../../src/base/brands.ts";
import type { SplitQueue } from "../../src/virtio/split-queue.ts";
import { FakeDriver } from "./fake-driver.ts";

const EIO = 5;
const MAPPING = Uint8Array.from({ length: 256 }, (_, index) => index);

/** A queue with one request loaded, whose room is `pieces`. */
function started(pieces: readonly (readonly [addr: number, len: number])[], copies = 4) {
  const driver = new FakeDriver({ copies });
  driver.mapping = MAPPING;
  driver.offer(pieces.map(([addr, len]) => ({ addr, len, write: true })));
  const queue = driver.start();
  queue.next();
  return { driver, queue };
}

function write(queue: SplitQueue, offset: number, source: number, length: number): number {
  return queue.chain.writable.writeMapped(offset, source as HostAddress, length);
}

describe("CopyList", () => {
  test("makes copies at once unless they are put off", () => {
    const { driver, queue } = started([[0x1000, 64]]);
    expect(write(queue, 0, 10, 8)).toBe(0);
    expect(driver.peek(0x1000)).toBe(10);
    driver.list.deferring = true;
    driver.list.begin();
    expect(write(queue, 8, 20, 8)).toBe(0);
    expect(write(queue, 16, 30, 8)).toBe(0);
    expect(driver.peek(0x1008)).toBe(0);
    expect(driver.list.count).toBe(2);
    expect(driver.list.run(0, true)).toBe(2);
    expect(driver.peek(0x1008)).toBe(20);
    expect(driver.peek(0x1010)).toBe(30);
    expect(driver.runs.at(-1)).toEqual([2, true]);
  });

  test("takes pieces that lie together as one", () => {
    const { driver, queue } = started([
      [0x1000, 16],
      [0x1010, 16],
      [0x1030, 16],
      [0x1020, 16],
    ]);
    driver.list.deferring = true;
    expect(write(queue, 4, 100, 56)).toBe(0);
    expect([...driver.list.table.subarray(2, 3), ...driver.list.table.subarray(5, 6)]).toEqual([
      28, 16,
    ]);
    expect(driver.list.count).toBe(3);
    expect(driver.list.run(0, false)).toBe(3);
    const order = [0x1004, 0x101f, 0x1030, 0x103f, 0x1020, 0x102b];
    expect(order.map((at) => driver.peek(at))).toEqual([100, 127, 128, 143, 144, 155]);
    expect([0x1000, 0x1003, 0x102c].map((at) => driver.peek(at))).toEqual([0, 0, 0]);
  });

  test("makes room by making the present request's copies only", () => {
    const pieces = [0, 1, 2, 3, 4, 5].map((index) => [0x1000 + 32 * index, 16] as const);
    const { driver, queue } = started(pieces, 4);
    driver.list.deferring = true;
    expect(write(queue, 0, 0, 16)).toBe(0);
    driver.list.begin();
    expect(write(queue, 0, 100, 96)).toBe(0);
    expect(driver.runs).toEqual([[3, false]]);
    expect(driver.list.count).toBe(4);
    expect([0x1000, 0x1020, 0x1040].map((at) => driver.peek(at))).toEqual([100, 116, 132]);
    expect(driver.peek(0x10a0)).toBe(0);
    driver.list.discard();
    expect(driver.list.count).toBe(1);
    expect(driver.list.run(0, false)).toBe(1);
    expect(driver.peek(0x1000)).toBe(0);
    expect(driver.peek(0x10a0)).toBe(0);
  });

  test("says that a copy failed, when it is made at once or has to make room", () => {
    const { driver, queue } = started(
      [0, 1, 2, 3].map((index) => [0x1000 + 32 * index, 16] as const),
      2,
    );
    expect(write(queue, 0, 250, 16)).toBe(-EIO);
    driver.list.deferring = true;
    expect(write(queue, 0, 230, 64)).toBe(-EIO);
    expect(write(queue, 0, 250, 16)).toBe(0);
    expect(driver.list.run(0, false)).toBe(0);
  });

  test("copies what a request carries past the caches, at once, and leaves what others put off", () => {
    const driver = new FakeDriver({ copies: 4 });
    driver.mapping = new Uint8Array(256);
    driver.fillData();
    const pieces = [0x1000, 0x2020, 0x8040].map((addr) => ({ addr, len: 16 }));
    driver.offer([...pieces, { addr: 0x1100, len: 16, write: true }]);
    const queue = driver.start();
    queue.next();
    const { readable } = queue.chain;
    driver.list.deferring = true;
    expect(write(queue, 0, 200, 16)).toBe(0);
    driver.list.begin();
    expect(readable.copyPast?.(4, 100 as HostAddress, 40)).toBe(true);
    const wanted = new Uint8Array(40);
    expect(readable.copy(4, wanted, 0, 40)).toBe(40);
    expect(driver.mapping.subarray(100, 140)).toEqual(wanted);
    expect([driver.mapping[99], driver.mapping[140]]).toEqual([0, 0]);
    expect(driver.runs).toEqual([[3, true]]);
    expect(driver.list.count).toBe(1);
    expect(readable.copyPast?.(40, 100 as HostAddress, 9)).toBe(false);
  });

  test("copies what a request carries in several steps where the table is short", () => {
    const driver = new FakeDriver({ copies: 2 });
    driver.mapping = new Uint8Array(256);
    driver.fillData();
    driver.offer([0, 1, 2, 3, 4].map((index) => ({ addr: 0x1000 + 32 * index, len: 16 })));
    const queue = driver.start();
    queue.next();
    const { readable } = queue.chain;
    expect(readable.copyPast?.(0, 7 as HostAddress, 80)).toBe(true);
    const wanted = new Uint8Array(80);
    readable.copy(0, wanted, 0, 80);
    expect(driver.mapping.subarray(7, 87)).toEqual(wanted);
    expect(driver.runs.map(([count]) => count)).toEqual([2, 2, 1]);
  });

  test("does not let a request begin without room for its copies", () => {
    const { driver, queue } = started([[0x1000, 16]]);
    driver.list.deferring = true;
    for (let copy = 0; copy < 3; copy++) {
      expect(driver.list.isCrowded).toBe(false);
      driver.list.begin();
      expect(write(queue, 0, 0, 16)).toBe(0);
    }
    expect(driver.list.isCrowded).toBe(true);
    expect(() => driver.list.begin()).toThrow(/room/);
    driver.list.clear();
    driver.list.begin();
    expect(driver.list.count).toBe(0);
  });
});

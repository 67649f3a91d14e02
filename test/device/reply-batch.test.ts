import { describe, expect, test } from "vitest";
import type { HostAddress } from "../../src/base/brands.ts";
import { ReplyBatch, STREAMED_BYTES_MIN } from "../../src/device/reply-batch.ts";
import { PARKED } from "../../src/fuse/server.ts";
import { FakeDriver } from "../virtio/fake-driver.ts";

const NOWHERE = 1000;

/** `count` requests with a room of 16 bytes each, in a ring of 8, and a batch for them. */
function requests(count: number) {
  const driver = new FakeDriver({ copies: 64 });
  driver.mapping = Uint8Array.from({ length: 256 }, (_, index) => index);
  for (let head = 0; head < count; head++) {
    driver.descriptor(head, { addr: roomOf(head), len: 16, flags: 2 });
    driver.makeAvailable(head);
  }
  const queue = driver.start();
  const batch = new ReplyBatch(driver.list, 8);
  batch.begin();
  /** Answers the next request with 8 bytes of the mapping from `source` on. */
  const answer = (source: number, written = 8): number => {
    const head = queue.next();
    driver.list.begin();
    expect(queue.chain.writable.writeMapped(0, source as HostAddress, 8)).toBe(0);
    batch.add(head, written);
    return head;
  };
  return { driver, queue, batch, answer };
}

function roomOf(head: number): number {
  return 0x1000 + 64 * head;
}

describe("ReplyBatch", () => {
  test("makes all copies at once, then gives the heads back in order", () => {
    const { driver, queue, batch, answer } = requests(3);
    for (const source of [10, 20, 30]) answer(source);
    expect(driver.runs).toEqual([]);
    expect(queue.inFlight).toBe(3);
    batch.complete(queue, () => expect.unreachable());
    expect(driver.runs).toEqual([[3, false]]);
    expect([0, 1, 2].map((head) => driver.peek(roomOf(head)))).toEqual([10, 20, 30]);
    queue.publish();
    expect(driver.takeUsed()).toEqual([0, 1, 2].map((id) => ({ id, len: 8 })));
  });

  test("has a reply made anew whose copy failed; the others stand", () => {
    const { driver, queue, batch, answer } = requests(5);
    for (const source of [10, NOWHERE, 30, NOWHERE, 50]) answer(source);
    const again: number[] = [];
    batch.complete(queue, (head) => {
      again.push(head);
      queue.reload(head);
      expect(driver.list.deferring).toBe(false);
      expect(queue.chain.writable.writeMapped(0, NOWHERE as HostAddress, 8)).toBe(-5);
      return 3;
    });
    expect(again).toEqual([1, 3]);
    expect([0, 2, 4].map((head) => driver.peek(roomOf(head)))).toEqual([10, 30, 50]);
    queue.publish();
    expect(driver.takeUsed().map(({ id, len }) => [id, len])).toEqual([
      [0, 8],
      [1, 3],
      [2, 8],
      [3, 3],
      [4, 8],
    ]);
  });

  test("keeps a head that is parked when it is answered again", () => {
    const { driver, queue, batch, answer } = requests(3);
    for (const source of [10, NOWHERE, 30]) answer(source);
    batch.complete(queue, () => PARKED);
    queue.publish();
    expect(driver.takeUsed().map(({ id }) => id)).toEqual([0, 2]);
    expect(queue.inFlight).toBe(1);
  });

  test("drops what an earlier batch left behind", () => {
    const { driver, queue, batch, answer } = requests(2);
    answer(10);
    batch.begin();
    answer(20);
    batch.complete(queue, () => expect.unreachable());
    expect(driver.runs).toEqual([[1, false]]);
    expect(driver.peek(roomOf(0))).toBe(0);
  });

  test("writes past the caches when more is on its way than these hold", () => {
    const { driver, queue, batch, answer } = requests(4);
    answer(10, STREAMED_BYTES_MIN / 4);
    batch.complete(queue, () => expect.unreachable());
    batch.begin();
    answer(20, STREAMED_BYTES_MIN / 4);
    batch.complete(queue, () => expect.unreachable());
    // Two requests wait behind the second: three quarters.
    expect(driver.runs).toEqual([
      [1, true],
      [1, false],
    ]);
  });
});

import { expect, test } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import { TICK_MILLISECONDS } from "../../src/device/parked-requests.ts";
import {
  TOUCH_BYTES,
  TOUCHED_KINDS,
  TOUCHES_PER_MESSAGE,
  TouchLog,
} from "../../src/device/touch-log.ts";

function setUp() {
  const messages: Uint8Array[] = [];
  const clock = { now: 0 };
  const log = new TouchLog(
    (records) => messages.push(records),
    () => clock.now,
  );
  const digest = (n: number) => blake3(Uint8Array.of(n & 255, n >> 8, n >> 16)).bytes;
  return { log, messages, clock, digest };
}

test("each object is reported once, by kind and digest, in order", () => {
  const { log, messages, digest } = setUp();
  const padded = new Uint8Array([9, 9, ...digest(1)]);
  log.touched("directory", padded, 2);
  log.touched("chunk", digest(2), 0);
  log.touched("directory", digest(1), 0);
  log.touched("blob", digest(1), 0);
  expect(messages).toEqual([]);
  log.flush();
  const expected = [
    [TOUCHED_KINDS.indexOf("directory"), ...digest(1)],
    [TOUCHED_KINDS.indexOf("chunk"), ...digest(2)],
    [TOUCHED_KINDS.indexOf("blob"), ...digest(1)],
  ];
  expect(messages).toEqual([Uint8Array.from(expected.flat())]);
  log.flush();
  expect(messages).toHaveLength(1);
});

test("reports come in batches: when one is full, or after a while", () => {
  const { log, messages, clock, digest } = setUp();
  for (let n = 0; n <= TOUCHES_PER_MESSAGE; n++) log.touched("blob", digest(n), 0);
  expect(messages.map(({ length }) => length / TOUCH_BYTES)).toEqual([TOUCHES_PER_MESSAGE]);
  expect(log.isEmpty).toBe(false);
  log.tick();
  expect(messages).toHaveLength(1);
  clock.now += TICK_MILLISECONDS;
  log.tick();
  expect(messages).toHaveLength(2);
  expect(messages[1]!.length).toBe(TOUCH_BYTES);
  expect(log.isEmpty).toBe(true);
});

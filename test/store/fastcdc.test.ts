import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  CHUNK_BYTES_AVERAGE,
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MIN,
  Cutter,
  createCutMemory,
  firstChunkLength,
} from "../../src/store/fastcdc.ts";
import { CUT_DATA_AT } from "../../src/store/fastcdc-module.ts";
import { VECTORS } from "./fastcdc-vectors.ts";
import { noise } from "./temporary.ts";

// The same algorithm written down a second time, in the 64-bit arithmetic of its definition.
const gear = Array.from({ length: 256 }, (_, value) =>
  createHash("md5").update(Buffer.alloc(64, value)).digest().readBigUInt64BE(0),
);
const WORD = (1n << 64n) - 1n;
const HARD = 0x0000d91707537000n;
const EASY = 0x0000d90703537000n;

function slowChunkLength(bytes: Uint8Array): number {
  if (bytes.length <= CHUNK_BYTES_MIN) return bytes.length;
  const limit = Math.min(bytes.length, CHUNK_BYTES_MAX);
  const centre = Math.min(limit, CHUNK_BYTES_AVERAGE);
  let hash = 0n;
  let index = CHUNK_BYTES_MIN >> 1;
  for (; index < limit >> 1; index += 1) {
    const mask = index < centre >> 1 ? HARD : EASY;
    hash = ((hash << 2n) + ((gear[bytes[2 * index]!]! << 1n) & WORD)) & WORD;
    if ((hash & (mask << 1n)) === 0n) return 2 * index;
    hash = (hash + gear[bytes[2 * index + 1]!]!) & WORD;
    if ((hash & mask) === 0n) return 2 * index + 1;
  }
  return limit;
}

function chunks(bytes: Uint8Array): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length; at += lengths[lengths.length - 1]!) {
    lengths.push(firstChunkLength(bytes, at, bytes.length));
  }
  return lengths;
}

test.each(VECTORS)(
  "cuts are where the reference has them: $what",
  ({ bytes, chunks: expected }) => {
    expect(chunks(bytes)).toEqual(expected);
  },
);

test("the gear table is the one of the reference", () => {
  expect(gear[0]).toBe(0x3b5d3c7d207e37dcn);
  expect(gear[255]).toBe(0xaabd2b2a451504e1n);
});

test("cuts are where the definition in 64-bit arithmetic has them", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: CHUNK_BYTES_MIN - 2, max: CHUNK_BYTES_MAX + 5 }),
      (seed, length) => {
        const bytes = noise(length, seed);
        expect(firstChunkLength(bytes, 0, length)).toBe(slowChunkLength(bytes));
        // In place, at an odd address.
        const memory = createCutMemory(length + 1);
        new Uint8Array(memory.buffer, CUT_DATA_AT).set(bytes, 1);
        const start = CUT_DATA_AT + 1;
        const cut = new Cutter(memory).firstChunkLength(start, start + length);
        expect(cut).toBe(slowChunkLength(bytes));
      },
    ),
    { numRuns: 12 },
  );
});

test("chunks keep their bounds, and average near what they should", () => {
  const lengths = chunks(noise(24 * 1024 * 1024, 7));
  for (const length of lengths.slice(0, -1)) {
    expect(length).toBeGreaterThanOrEqual(CHUNK_BYTES_MIN);
    expect(length).toBeLessThanOrEqual(CHUNK_BYTES_MAX);
  }
  expect((24 * 1024 * 1024) / lengths.length).toBeGreaterThan(CHUNK_BYTES_AVERAGE * 0.7);
  expect((24 * 1024 * 1024) / lengths.length).toBeLessThan(CHUNK_BYTES_AVERAGE * 1.6);
});

test("a byte inserted in front moves few cuts", () => {
  const bytes = noise(8 * 1024 * 1024, 3);
  const moved = new Uint8Array(bytes.length + 1);
  moved.set(bytes, 1);
  const ends = (lengths: number[], from: number) => {
    let at = -from;
    return new Set(lengths.map((length) => (at += length)));
  };
  const before = ends(chunks(bytes), 0);
  const shared = [...ends(chunks(moved), 1)].filter((end) => before.has(end));
  expect(shared.length).toBeGreaterThan(before.size * 0.8);
});

test("bytes without any variety are cut at the maximum", () => {
  expect(chunks(new Uint8Array(3 * CHUNK_BYTES_MAX + 5))).toEqual([
    CHUNK_BYTES_MAX,
    CHUNK_BYTES_MAX,
    CHUNK_BYTES_MAX,
    5,
  ]);
  expect(firstChunkLength(new Uint8Array(10), 4, 4)).toBe(0);
});

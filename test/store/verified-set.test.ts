import fc from "fast-check";
import { expect, test } from "vitest";
import { chunkTag, VerifiedSet } from "../../src/store/verified-set.ts";
import { noise } from "./temporary.ts";

test("the set knows exactly what was added, with the tag that was added last", () => {
  const address = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 2 ** 47 }));
  const step = fc.tuple(address, fc.nat(3));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 3000, size: "max" }), (steps) => {
      const set = new VerifiedSet();
      const model = new Map<number, number>();
      for (const [at, tag] of steps) {
        set.add(at, tag);
        model.set(at, tag);
      }
      for (const [at, tag] of model) {
        expect(set.has(at, tag)).toBe(true);
        expect(set.has(at, tag + 1)).toBe(false);
        expect(set.has(at + 2 ** 48, tag)).toBe(false);
      }
    }),
    { numRuns: 30 },
  );
});

test("a full set forgets, and goes on", () => {
  const set = new VerifiedSet(1000);
  for (let i = 1; i <= 1001; i += 1) set.add(i * 4096, 1);
  expect(set.has(4096, 1)).toBe(false);
  set.add(4096, 1);
  expect(set.has(4096, 1)).toBe(true);
});

test("a chunk's tag tells lengths and digests apart, and is a whole number", () => {
  const digest = noise(32, 8).fill(0xff, 0, 4);
  expect(Number.isSafeInteger(chunkTag(digest, 0, 512 * 1024))).toBe(true);
  expect(chunkTag(digest, 0, 1)).not.toBe(chunkTag(digest, 0, 2));
  expect(chunkTag(digest, 0, 1)).not.toBe(chunkTag(digest, 4, 1));
});

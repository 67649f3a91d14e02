import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HashIndex } from "../../src/fs/hash-index.ts";

/** All values under a hash, sorted. */
function valuesOf(index: HashIndex, hash: number): number[] {
  const values: number[] = [];
  for (let at = index.first(hash); at >= 0; at = index.next(at, hash)) {
    values.push(index.valueAt(at));
  }
  return values.sort((a, b) => a - b);
}

describe("HashIndex", () => {
  it("holds what a Map of sets holds, through any adds and removals", () => {
    // Few hashes, near the end of the table and far apart: long runs, and runs that wrap.
    const hash = fc.oneof(
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 58, max: 63 }),
      fc.integer({ min: 0, max: 0xffffffff }),
    );
    const step = fc.record({ hash, value: fc.integer({ min: 1, max: 60 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const index = new HashIndex();
        const model = new Map<number, Set<number>>();
        for (const { hash, value } of steps) {
          const values = model.get(hash) ?? new Set();
          model.set(hash, values);
          if (values.delete(value)) index.remove(hash, value);
          else {
            values.add(value);
            index.add(hash, value);
          }
        }
        let count = 0;
        for (const [hash, values] of model) {
          expect(valuesOf(index, hash)).toEqual([...values].sort((a, b) => a - b));
          count += values.size;
        }
        expect(index.count).toBe(count);
      }),
    );
  });

  it("finds everything after growing, and nothing after clear()", () => {
    const index = new HashIndex();
    for (let value = 1; value <= 10_000; value++) index.add((value * 2654435761) >>> 0, value);
    for (let value = 1; value <= 10_000; value++) {
      expect(valuesOf(index, (value * 2654435761) >>> 0)).toEqual([value]);
    }
    index.clear();
    expect(index.count).toBe(0);
    expect(index.first(2654435761)).toBe(-1);
  });

  it("does not grow by adding and removing in turn", () => {
    const index = new HashIndex();
    const { bytes } = index;
    for (let round = 1; round <= 100_000; round++) {
      index.add(round, 1);
      index.remove(round, 1);
    }
    expect(index.bytes).toBe(bytes);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockCache, DIRTY, FLYING, GROWS, STRAY } from "../../../src/fs/writable/block-cache.ts";
import { BLOCK_BYTES } from "../../../src/fs/writable/data-space.ts";

const CAPACITY = 24;

describe("the write-back cache", () => {
  it("finds the blocks that it has, and no others, whatever came and went", () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom("insert", "insert", "remove", "fly", "land"),
        file: fc.nat(2),
        block: fc.oneof(fc.nat(40), fc.constantFrom(2 ** 32 - 1, 2 ** 31, 2 ** 20)),
        pick: fc.nat(1000),
      }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const cache = new BlockCache(CAPACITY * BLOCK_BYTES);
        const files = [cache.enter(), cache.enter(), cache.enter()];
        /** What is where, by slot; a stray belongs to nobody. */
        const slots = new Map<number, { file: number; block: number } | undefined>();
        for (const { kind, file: which, block, pick } of list) {
          const file = files[which]!;
          const known = [...slots.keys()];
          const slot = known[pick % Math.max(1, known.length)];
          if (kind === "insert" && cache.free > 0 && cache.find(file, block) < 0) {
            const taken = cache.take(1);
            cache.insert(taken, file, block, pick % 2 === 0 ? GROWS : 0);
            slots.set(taken, { file, block });
          } else if (kind === "remove" && slot !== undefined && slots.get(slot) !== undefined) {
            const flies = cache.states[slot] === FLYING;
            cache.remove(slot);
            if (flies) slots.set(slot, undefined);
            else slots.delete(slot);
          } else if (kind === "fly" && slot !== undefined && cache.states[slot] === DIRTY) {
            cache.fly(slot);
          } else if (kind === "land" && slot !== undefined && cache.states[slot] !== DIRTY) {
            expect(cache.land(slot)).toBe(slots.get(slot)?.file ?? 0);
            slots.delete(slot);
          }
        }
        expect(cache.free).toBe(CAPACITY - slots.size);
        for (const [slot, owner] of slots) {
          if (owner === undefined) expect(cache.states[slot]).toBe(STRAY);
          else expect(cache.find(owner.file, owner.block)).toBe(slot);
        }
        const dirty = [...slots.keys()].filter((slot) => cache.states[slot] === DIRTY);
        expect(cache.dirty).toBe(dirty.length);
        expect(cache.growing).toBe(dirty.filter((slot) => cache.flags[slot] === GROWS).length);
        for (const file of files) {
          const mine = [...slots].filter(([, owner]) => owner?.file === file).map(([slot]) => slot);
          expect(blocksOf(cache, file)).toEqual(mine.sort((a, b) => a - b));
          for (let block = 0; block <= 40; block += 1) {
            const slot = mine.find((each) => cache.blocks[each] === block) ?? -1;
            expect(cache.find(file, block)).toBe(slot);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("gives out memory that lies together while it can", () => {
    const cache = new BlockCache(8 * BLOCK_BYTES);
    const first = cache.take(5);
    expect(cache.took).toBe(5);
    cache.drop(first + 1);
    expect(cache.take(8)).toBe(5);
    expect(cache.took).toBe(3);
    expect(cache.take(8)).toBe(first + 1);
    expect(cache.took).toBe(1);
    expect(cache.free).toBe(0);
  });
});

function blocksOf(cache: BlockCache, file: number): number[] {
  const slots: number[] = [];
  for (let slot = cache.first(file); slot >= 0; slot = cache.after(slot)) slots.push(slot);
  expect(slots).toHaveLength(cache.count(file));
  return slots.sort((a, b) => a - b);
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LruList } from "../../src/fs/lru-list.ts";

describe("LruList", () => {
  it("keeps the order of use that an array keeps", () => {
    const step = fc.record({
      what: fc.constantFrom("use", "remove"),
      cell: fc.integer({ min: 1, max: 200 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const list = new LruList();
        let model: number[] = [];
        for (const { what, cell } of steps) {
          const known = model.includes(cell);
          model = model.filter((other) => other !== cell);
          if (what === "use") {
            model.push(cell);
            if (known) list.touch(cell);
            else list.add(cell);
          } else if (known) list.remove(cell);
          expect(list.oldest).toBe(model[0] ?? 0);
        }
        const drained: number[] = [];
        for (let cell = list.oldest; cell !== 0; cell = list.oldest) {
          drained.push(cell);
          list.remove(cell);
        }
        expect(drained).toEqual(model);
      }),
    );
  });

  it("is empty after clear()", () => {
    const list = new LruList();
    list.add(3);
    list.add(1);
    list.clear();
    expect(list.oldest).toBe(0);
    list.add(3);
    expect(list.oldest).toBe(3);
  });
});

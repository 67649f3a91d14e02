import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BLOCK_BYTES,
  DataSpace,
  REGION_BYTES,
  WINDOW_BLOCKS_MAX,
} from "../../../src/fs/writable/data-space.ts";

describe("the space of the data file", () => {
  it("is never given out twice, and is whole again when all of it was freed", () => {
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom("place", "place", "take", "free"),
        window: fc.constantFrom(1, 2, 16, 32, 256),
        phase: fc.nat(255),
        blocks: fc.integer({ min: 1, max: 256 }),
        pick: fc.nat(1000),
      }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, (list) => {
        const space = new DataSpace();
        const taken = new Set<number>();
        const runs: { position: number; blocks: number }[] = [];
        for (const { kind, window, phase, blocks, pick } of list) {
          const run = runs[pick % Math.max(1, runs.length)];
          if (kind === "free") {
            if (run === undefined) continue;
            space.free(run.position, run.blocks);
            for (const block of blocksOf(run)) taken.delete(block);
            runs.splice(runs.indexOf(run), 1);
            continue;
          }
          const at = phase % window;
          let position: number;
          if (kind === "place") {
            position = space.place(window, at, Math.min(blocks, window - at));
            expect(space.got).toBe(Math.min(blocks, window - at));
          } else {
            // Behind a run that there is: free, or not.
            position = run === undefined ? 0 : run.position + run.blocks * BLOCK_BYTES;
            space.take(position, blocks);
          }
          const made = { position, blocks: space.got };
          for (const block of blocksOf(made)) {
            expect(taken.has(block)).toBe(false);
            taken.add(block);
          }
          if (made.blocks > 0) runs.push(made);
        }
        expect(space.taken).toBe(taken.size);
        for (const run of runs) space.free(run.position, run.blocks);
        expect(space.taken).toBe(0);
      }),
    );
  });

  it("leaves room behind a file's first block for those that follow", () => {
    const space = new DataSpace();
    const first = space.place(WINDOW_BLOCKS_MAX, 0, 1);
    space.place(WINDOW_BLOCKS_MAX, 0, 1);
    space.place(4, 0, 4);
    space.take(first + BLOCK_BYTES, WINDOW_BLOCKS_MAX);
    expect(space.got).toBe(WINDOW_BLOCKS_MAX - 1);
  });

  it("has no run across a region's end", () => {
    const space = new DataSpace();
    space.take(REGION_BYTES - 2 * BLOCK_BYTES, 5);
    expect(space.got).toBe(2);
  });

  it("is used again before the file grows much", () => {
    const space = new DataSpace();
    let highest = 0;
    for (let i = 0; i < 20_000; i += 1) {
      const position = space.place(WINDOW_BLOCKS_MAX, 0, WINDOW_BLOCKS_MAX);
      highest = Math.max(highest, position);
      space.free(position, WINDOW_BLOCKS_MAX);
    }
    expect(highest).toBeLessThan(2 * REGION_BYTES);
  });

  it("refuses a claim of what is claimed already, or of what is no block", () => {
    const space = new DataSpace();
    expect(space.claim(0, 5000)).toBe(true);
    expect(space.claim(BLOCK_BYTES, 1)).toBe(false);
    expect(space.claim(100, 1)).toBe(false);
    expect(space.claim(2 ** 50, 1)).toBe(false);
  });

  it("knows while it is held what was taken since", () => {
    const space = new DataSpace();
    const old = space.place(1, 0, 1);
    space.hold();
    const young = space.place(1, 0, 1);
    expect([space.mayChange(old), space.mayChange(young)]).toEqual([false, true]);
    space.release();
    expect(space.mayChange(old)).toBe(true);
  });
});

function blocksOf({ position, blocks }: { position: number; blocks: number }): number[] {
  return Array.from({ length: blocks }, (_, i) => position / BLOCK_BYTES + i);
}

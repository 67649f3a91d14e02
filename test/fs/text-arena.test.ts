import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TextArena } from "../../src/fs/text-arena.ts";

describe("TextArena", () => {
  it("gives back every string as it was put in, through any adds and releases", () => {
    const step = fc.oneof(
      fc.record({ add: fc.uint8Array({ maxLength: 300 }) }),
      fc.record({ release: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const arena = new TextArena();
        const kept: { offset: number; text: Uint8Array }[] = [];
        for (const step of steps) {
          if ("add" in step) {
            const source = new Uint8Array([7, ...step.add, 7]);
            const offset = arena.add(source, 1, source.length - 1);
            expect(offset).toBeGreaterThan(0);
            kept.push({ offset, text: step.add });
          } else if (kept.length > 0) {
            const [gone] = kept.splice(step.release % kept.length, 1);
            if (gone !== undefined) arena.release(gone.offset, gone.text.length);
          }
        }
        for (const { offset, text } of kept) {
          expect(arena.bytes.slice(offset, offset + text.length)).toEqual(text);
        }
      }),
    );
  });

  it("uses released blocks again instead of growing", () => {
    const arena = new TextArena();
    const text = new Uint8Array(4095).fill(1);
    arena.release(arena.add(text, 0, text.length), text.length);
    const { length } = arena.bytes;
    for (let round = 0; round < 1000; round++) {
      arena.release(arena.add(text, 0, text.length), text.length);
    }
    expect(arena.bytes.length).toBe(length);
  });

  it("add() returns 0 at the bound, and works again after a release", () => {
    const arena = new TextArena(8192);
    const text = new Uint8Array(1024).fill(1);
    const offsets: number[] = [];
    for (let offset = arena.add(text, 0, 1024); offset !== 0; offset = arena.add(text, 0, 1024)) {
      offsets.push(offset);
    }
    expect(offsets.length).toBe(7);
    expect(arena.bytes.length).toBeLessThanOrEqual(8192);
    arena.release(offsets[3] as number, 1024);
    expect(arena.add(text, 0, 1024)).toBe(offsets[3]);
  });
});

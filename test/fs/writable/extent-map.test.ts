import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { REGION_BYTES } from "../../../src/fs/writable/data-space.ts";
import { ExtentMap } from "../../../src/fs/writable/extent-map.ts";
import { BASE, HOLE, LAYER, ZERO } from "../../../src/layer/extent-code.ts";

const BYTES = 3000;
const ignore = { cut: () => {} };

interface Put {
  start: number;
  length: number;
  tag: number;
  source: number;
}

const puts = fc.array(
  fc.record({
    start: fc.nat(BYTES - 1),
    length: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: BYTES })),
    tag: fc.constantFrom(HOLE, HOLE, ZERO, LAYER, LAYER, BASE, BASE + 1),
    source: fc.nat(50),
  }),
  { minLength: 1, maxLength: 400 },
);

describe("a map of extents", () => {
  it("is as a plain array is, and says of all that was cut what it was", () => {
    fc.assert(
      fc.property(puts, (list) => {
        const map = new ExtentMap();
        const plain = new Plain();
        for (const put of list) {
          const end = Math.min(BYTES, put.start + put.length);
          const source = put.tag === LAYER || put.tag >= BASE ? put.start + put.source : 0;
          const before = plain.slice(put.start, end);
          const cut = new Plain();
          map.put(put.start, end, put.tag, source, cut);
          expect(cut.slice(put.start, end)).toEqual(before);
          plain.set(put.start, end, put.tag, source);
        }
        expect(all(map)).toEqual(plain.extents());
        expect(map.count).toBe(plain.extents().length);
        expect(map.coveredBytes).toBe(plain.covered());
        expect(map.zeroBytes).toBe(plain.zeros());
      }),
      { numRuns: 300 },
    );
  });

  it("finds the extent that holds an offset, or the next one, among very many", () => {
    const map = new ExtentMap();
    const order = Array.from({ length: 5000 }, (_, i) => (i * 1237) % 5000);
    for (const i of order) map.put(i * 10, i * 10 + 5, LAYER, i * 1000, ignore);
    for (const i of order) {
      map.seek(i * 10 + 4);
      expect([map.start, map.source]).toEqual([i * 10, i * 1000]);
      map.seek(i * 10 + 5);
      expect(map.start).toBe(i === 4999 ? Number.POSITIVE_INFINITY : i * 10 + 10);
    }
    for (const i of order) map.put(i * 10, i * 10 + 10, HOLE, 0, ignore);
    expect(map.count).toBe(0);
  });

  it("keeps extents apart where the data file's regions meet", () => {
    const map = new ExtentMap();
    map.put(0, 4096, LAYER, REGION_BYTES - 4096, ignore);
    map.put(4096, 8192, LAYER, REGION_BYTES, ignore);
    expect(map.count).toBe(2);
  });
});

function all(map: ExtentMap): Put[] {
  const list: Put[] = [];
  for (map.seek(0); map.tag !== HOLE; map.next()) {
    const { start, end, tag, source } = map;
    list.push({ start, length: end - start, tag, source });
  }
  return list;
}

/** For every byte a tag and a source. */
class Plain {
  readonly #tags = new Array<number>(BYTES).fill(HOLE);
  readonly #sources = new Array<number>(BYTES).fill(0);

  set(start: number, end: number, tag: number, source: number): void {
    for (let i = start; i < end; i += 1) {
      this.#tags[i] = tag;
      this.#sources[i] = tag === LAYER || tag >= BASE ? source + (i - start) : 0;
    }
  }

  cut(start: number, end: number, tag: number, source: number): void {
    this.set(start, end, tag, source);
  }

  slice(start: number, end: number): number[][] {
    return [this.#tags.slice(start, end), this.#sources.slice(start, end)];
  }

  /** What goes on in a straight line is one. */
  extents(): Put[] {
    const list: Put[] = [];
    this.#tags.forEach((tag, start) => {
      if (tag === HOLE) return;
      const source = this.#sources[start]!;
      const last = list.at(-1);
      const goesOn =
        last !== undefined &&
        last.tag === tag &&
        last.start + last.length === start &&
        (tag === ZERO || last.source + last.length === source);
      if (goesOn) last.length += 1;
      else list.push({ start, length: 1, tag, source });
    });
    return list;
  }

  covered(): number {
    return this.#tags.filter((tag) => tag !== HOLE).length;
  }

  zeros(): number {
    return this.#tags.filter((tag) => tag === ZERO).length;
  }
}

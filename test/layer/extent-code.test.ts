import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BASE,
  type Base,
  CorruptExtents,
  ExtentReader,
  ExtentWriter,
  eachExtent,
  LAYER,
  ZERO,
} from "../../src/layer/extent-code.ts";
import { PIECE_BYTES, type PieceRow } from "../../src/layer/rows.ts";

interface Extent {
  start: number;
  length: number;
  kind: number;
  source: number;
  base: Base | undefined;
}

const blobs: Base[] = [1, 2, 3].map((fill) => ({
  digest: new Uint8Array(32).fill(fill),
  size: 2 ** (30 + 4 * fill),
}));

const extents = fc
  .array(
    fc.record({
      gap: fc.oneof(fc.constant(0), fc.nat(100_000)),
      length: fc.integer({ min: 1, max: 200_000 }),
      kind: fc.constantFrom(ZERO, LAYER, BASE),
      source: fc.oneof(fc.nat(10_000_000), fc.integer({ min: 0, max: 2 ** 33 })),
      blob: fc.constantFrom(...blobs),
    }),
    { maxLength: 200 },
  )
  .map((parts) => {
    let end = 0;
    return parts.map(({ gap, length, kind, source, blob }): Extent => {
      const start = end + gap;
      end = start + length;
      const base = kind === BASE ? blob : undefined;
      const most = (base?.size ?? 2 ** 52) - length;
      return { start, length, kind, source: kind === ZERO ? 0 : Math.min(source, most), base };
    });
  });

describe("extents in bytes", () => {
  it("come back as they were", () => {
    fc.assert(
      fc.property(extents, (list) => {
        expect(decode(encode(list))).toEqual(list);
      }),
    );
  });

  it("name a blob's digest once, and what goes on in a straight line in a few bytes", () => {
    const base = blobs[0]!;
    const list = [0, 8192, 16384].map((start) => ({
      start,
      length: 4096,
      kind: BASE,
      source: start + 5,
      base,
    }));
    expect(encode(list).length).toBeLessThan(70);
  });

  it("that are damaged are refused or read as extents inside the piece, never anything else", () => {
    const damaged = fc.tuple(extents, fc.nat(), fc.nat(255)).map(([list, at, value]) => {
      const bytes = encode(list);
      bytes[at % bytes.length] = value;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 100 })), (bytes) => {
        try {
          checkShape(decode(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(CorruptExtents);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("are refused when they are cut short anywhere", () => {
    const list = [
      { start: 7, length: 4096, kind: BASE, source: 2 ** 30, base: blobs[1]! },
      { start: 2 ** 20, length: 1, kind: LAYER, source: 2 ** 40, base: undefined },
    ];
    const whole = encode(list);
    const lengths = [...whole.keys()].filter((length) => {
      try {
        return decode(whole.subarray(0, length)).length === list.length;
      } catch {
        return false;
      }
    });
    expect(lengths).toEqual([]);
  });
});

describe("a file's extents", () => {
  const origin: Base = { digest: new Uint8Array(32).fill(9), size: 3 * PIECE_BYTES + 100 };

  it("are the origin where no row says otherwise", () => {
    const row = pieceRow(1, [{ start: 0, length: 5, kind: LAYER, source: 4096, base: undefined }]);
    expect(list(origin.size, origin, [row])).toEqual([
      [0, PIECE_BYTES, BASE, 0],
      [PIECE_BYTES, 5, LAYER, 4096],
      [2 * PIECE_BYTES, PIECE_BYTES + 100, BASE, 2 * PIECE_BYTES],
    ]);
  });

  it("show no more of the origin than the file is long", () => {
    expect(list(1000, origin, [])).toEqual([[0, 1000, BASE, 0]]);
    expect(list(9 * PIECE_BYTES, origin, [])).toEqual([[0, origin.size, BASE, 0]]);
    expect(list(0, origin, [])).toEqual([]);
  });

  it("are a hole where a row has none", () => {
    const rows = [0, 1, 2, 3].map((piece) => pieceRow(piece, []));
    expect(list(origin.size, origin, rows)).toEqual([]);
  });

  function list(size: number, base: Base, pieces: PieceRow[]): number[][] {
    const all: number[][] = [];
    eachExtent(size, base, pieces, (offset, length, kind, source) => {
      all.push([offset, length, kind, source]);
    });
    return all;
  }
});

function pieceRow(piece: number, list: Extent[]): PieceRow {
  return { inode: 1, piece, extents: encode(list) };
}

function encode(list: readonly Extent[]): Uint8Array {
  const writer = new ExtentWriter();
  writer.begin();
  for (const { start, length, kind, source, base } of list) {
    writer.add(start, length, kind, source, base);
  }
  return writer.finish();
}

function decode(bytes: Uint8Array): Extent[] {
  const reader = new ExtentReader(bytes);
  const list: Extent[] = [];
  while (reader.next()) {
    const { start, length, kind, source, base } = reader;
    list.push({ start, length, kind, source, base });
  }
  return list;
}

function checkShape(list: readonly Extent[]): void {
  let end = 0;
  for (const { start, length, source, base } of list) {
    expect(start).toBeGreaterThanOrEqual(end);
    expect(length).toBeGreaterThan(0);
    expect(source).toBeGreaterThanOrEqual(0);
    if (base !== undefined) expect(source + length).toBeLessThanOrEqual(base.size);
    end = start + length;
  }
  expect(end).toBeLessThanOrEqual(PIECE_BYTES);
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import { CachedChunkReader } from "../../src/store/cached-chunk-reader.ts";
import { ChunkRanges } from "../../src/store/chunk-ranges.ts";
import type { ByteRange, Chunk } from "../../src/store/services.ts";
import { noise } from "./temporary.ts";

/** A blob cut into chunks of these sizes, and a loader that counts and can be held up. */
class CutBlob {
  readonly bytes: Uint8Array;
  readonly chunks: readonly Chunk[];
  readonly loads: string[] = [];
  /** Awaited by every load. */
  gate: Promise<void> = Promise.resolve();
  failures = 0;
  readonly #pieces = new Map<string, Uint8Array>();

  constructor(sizes: readonly number[], seed = 1) {
    this.bytes = noise(
      sizes.reduce((sum, size) => sum + size, 0),
      seed,
    );
    let at = 0;
    this.chunks = sizes.map((size) => {
      const piece = this.bytes.subarray(at, at + size);
      at += size;
      const digest = blake3(piece);
      this.#pieces.set(digest.key, piece);
      return { digest, size };
    });
  }

  readonly load = async ({ digest }: Chunk): Promise<Uint8Array> => {
    this.loads.push(digest.hex);
    await this.gate;
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error("not now");
    }
    return this.#pieces.get(digest.key)!;
  };
}

async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const held: Uint8Array[] = [];
  for await (const piece of pieces) held.push(piece);
  return Buffer.concat(held);
}

function expected(blob: CutBlob, { offset = 0, length = blob.bytes.length }: ByteRange): Buffer {
  return Buffer.from(blob.bytes.subarray(offset, offset + length));
}

/** Distinct sizes, so that no two chunks of noise are alike. */
const sizes = fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 12 });
const range = fc.record({
  offset: fc.integer({ min: 0, max: 2500 }),
  length: fc.integer({ min: 0, max: 2500 }),
});

describe("CachedChunkReader", () => {
  it("gives the bytes of any range, as a plain array has them, through a cache of any size", async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.array(range, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 1000 }),
        async (cut, ranges, cacheBytes) => {
          const blob = new CutBlob(cut);
          const reader = new CachedChunkReader(blob.load, cacheBytes);
          const read = (wanted: ByteRange) => readAll(reader.read(blob.chunks, wanted));
          const results = await Promise.all(ranges.map(read));
          for (const [i, wanted] of ranges.entries()) {
            expect(results[i]!.equals(expected(blob, wanted))).toBe(true);
          }
        },
      ),
    );
  });

  it("reads exactly to the end, and nothing beyond it", async () => {
    const blob = new CutBlob([100, 50, 7]);
    const reader = new CachedChunkReader(blob.load);
    const read = (wanted: ByteRange) => readAll(reader.read(blob.chunks, wanted));
    expect((await read({})).equals(expected(blob, {}))).toBe(true);
    expect((await read({ offset: 156 })).equals(blob.bytes.subarray(156))).toBe(true);
    expect((await read({ offset: 156, length: 99 })).length).toBe(1);
    expect((await read({ offset: 157, length: 1 })).length).toBe(0);
    expect((await read({ offset: 5000 })).length).toBe(0);
    expect((await read({ offset: 3, length: 0 })).length).toBe(0);
    expect((await readAll(reader.read([{ digest: blake3(Buffer.of()), size: 0 }]))).length).toBe(0);
  });

  it("loads only the chunks that the range touches", async () => {
    const blob = new CutBlob([100, 50, 7]);
    const reader = new CachedChunkReader(blob.load);
    await readAll(reader.read(blob.chunks, { offset: 100, length: 50 }));
    expect(blob.loads).toEqual([blob.chunks[1]!.digest.hex]);
  });

  it("loads a chunk once for many readers at a time, even when the cache has no room for it", async () => {
    for (const cacheBytes of [1, 10_000]) {
      const blob = new CutBlob([300, 200]);
      const gate = Promise.withResolvers<void>();
      blob.gate = gate.promise;
      const reader = new CachedChunkReader(blob.load, cacheBytes);
      const ranges = new ChunkRanges(blob.chunks);
      const reads = Array.from({ length: 100 }, (_, offset) =>
        readAll(reader.read(ranges, { offset, length: 100 })),
      );
      gate.resolve();
      for (const [offset, bytes] of (await Promise.all(reads)).entries()) {
        expect(bytes.equals(blob.bytes.subarray(offset, offset + 100))).toBe(true);
      }
      expect(blob.loads.length).toBe(1);
    }
  });

  it("keeps the chunks read last, as many as fit", async () => {
    const blob = new CutBlob([400, 401, 402]);
    const reader = new CachedChunkReader(blob.load, 1000);
    const read = async (i: number) => {
      await readAll(reader.read([blob.chunks[i]!]));
      return blob.loads.length;
    };
    expect(await read(0)).toBe(1);
    expect(await read(1)).toBe(2);
    expect(await read(0)).toBe(2);
    expect(await read(2)).toBe(3);
    expect(await read(0)).toBe(3);
    expect(await read(1)).toBe(4);
  });

  it("fails for all who wait for a load that fails, and loads anew for who comes later", async () => {
    const blob = new CutBlob([10]);
    blob.failures = 1;
    const reader = new CachedChunkReader(blob.load);
    const both = [reader.read(blob.chunks), reader.read(blob.chunks)].map(readAll);
    for (const result of await Promise.allSettled(both)) expect(result.status).toBe("rejected");
    expect(blob.loads.length).toBe(1);
    expect((await readAll(reader.read(blob.chunks))).equals(blob.bytes)).toBe(true);
    expect(blob.loads.length).toBe(2);
  });

  it("asks for a chunk of another size anew, though its digest is known", async () => {
    const blob = new CutBlob([10]);
    const reader = new CachedChunkReader(blob.load);
    await readAll(reader.read(blob.chunks));
    await readAll(reader.read([{ digest: blob.chunks[0]!.digest, size: 5 }]));
    expect(blob.loads.length).toBe(2);
  });

  it("ends between chunks when its signal says so", async () => {
    const blob = new CutBlob([10, 11, 12]);
    const reader = new CachedChunkReader(blob.load);
    const abort = new AbortController();
    const pieces = reader.read(blob.chunks, {}, abort.signal);
    await pieces.next();
    abort.abort(new Error("enough"));
    await expect(pieces.next()).rejects.toThrow("enough");
    expect(blob.loads.length).toBe(1);
  });
});

/** What a fetcher does with sources that answer: how often it asks, whom, and in which order. */
import { describe, expect, it } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import type { Digest } from "../../../src/castore/digest.ts";
import { MissingObject, SourceUnavailable, StoreError } from "../../../src/store/errors.ts";
import { CHUNK_BYTES_MAX } from "../../../src/store/fastcdc.ts";
import type { BlobStat } from "../../../src/store/services.ts";
import {
  BACKGROUND_BESIDE_BYTES_MAX,
  BACKGROUND_BYTES_MAX,
} from "../../../src/store/tiers/guarded-source.ts";
import { noise } from "../temporary.ts";
import { idle } from "./fake-clock.ts";
import { FetchRig } from "./fetch-rig.ts";

const SMALL = Buffer.from("Hello World!");
const LARGE = noise(3_000_001, 5);

describe("TierFetcher", () => {
  it("fetches a blob of several chunks whole, each chunk once, and proves its list", async () => {
    const rig = new FetchRig();
    const { digest, chunks } = await rig.putBlob(LARGE);
    await rig.fetch("blob", digest);
    expect(rig.local.read(digest)!.equals(LARGE)).toBe(true);
    expect(rig.source.counts("stat").get(digest.key)).toBe(1);
    expect([...rig.source.counts("read").values()]).toEqual(chunks.map(() => 1));
    expect(rig.fetcher.tally).toMatchObject({
      chunks: chunks.length,
      bytes: LARGE.length,
      requests: chunks.length + 1,
      failures: 0,
      lies: 0,
    });
  });

  it("asks nobody for what is here", async () => {
    const rig = new FetchRig();
    const large = await rig.putBlob(LARGE);
    const small = await rig.putBlob(SMALL);
    const directory = await rig.putDirectory({});
    await rig.fetch("blob", large.digest);
    await rig.fetch("blob", small.digest);
    await rig.fetch("directory", directory.digest);
    const asked = rig.source.asked.length;
    await rig.fetch("blob", large.digest);
    await rig.fetch("blob", small.digest);
    await rig.fetch("chunk", large.chunks[0]!.digest);
    await rig.fetch("directory", directory.digest);
    expect(rig.source.asked.length).toBe(asked);
  });

  it("fetches only those chunks that no other blob brought, in one request each", async () => {
    const rig = new FetchRig();
    const first = await rig.putBlob(LARGE);
    await rig.fetch("blob", first.digest);
    const changed = Uint8Array.from([...SMALL, ...LARGE]);
    const second = await rig.putBlob(changed);
    const known = new Set(first.chunks.map((chunk) => chunk.digest.key));
    const added = second.chunks.filter((chunk) => !known.has(chunk.digest.key));
    expect(added.length).toBeGreaterThan(0);
    expect(added.length).toBeLessThan(4);
    const before = rig.source.asked.length;
    await rig.fetch("blob", second.digest);
    expect(rig.local.read(second.digest)!.equals(changed)).toBe(true);
    expect(rig.source.asked.length - before).toBe(1 + added.length);
  });

  it("fetches a chunk once for a thousand readers, and blobs that share chunks each chunk once", async () => {
    const rig = new FetchRig();
    rig.source.latency = 20;
    const first = await rig.putBlob(LARGE);
    const second = await rig.putBlob(Uint8Array.from([...SMALL, ...LARGE]));
    const chunk = first.chunks[3]!.digest;
    const wanted = Array.from({ length: 1000 }, (_, i) =>
      rig.fetcher.fetch(
        i % 2 === 0
          ? { kind: "chunk", digest: chunk, heal: false }
          : { kind: "blob", digest: (i % 4 === 1 ? first : second).digest, heal: false },
        i % 3 === 0 ? "foreground" : "background",
      ),
    );
    await rig.clock.run(Promise.all(wanted));
    for (const count of rig.source.counts("read").values()) expect(count).toBe(1);
    for (const count of rig.source.counts("stat").values()) expect(count).toBe(1);
    for (const puts of rig.local.puts.values()) expect(puts).toBe(1);
  });

  it("needs no list of a small blob whose size is known", async () => {
    const rig = new FetchRig();
    const { digest, size } = await rig.putBlob(SMALL);
    await rig.fetch("blob", digest, { size });
    expect(rig.source.asked.map(({ kind }) => kind)).toEqual(["read"]);
    expect(rig.local.read(digest)!.equals(SMALL)).toBe(true);
  });

  it("is not led astray by a wrong size", async () => {
    for (const [bytes, size] of [
      [LARGE, 12],
      [LARGE, 600_000],
      [SMALL, 0],
      [SMALL, 100_000_000],
    ] as const) {
      const rig = new FetchRig();
      const { digest } = await rig.putBlob(bytes);
      await rig.fetch("blob", digest, { size });
      expect(rig.local.read(digest)!.equals(bytes)).toBe(true);
      expect(rig.fetcher.tally.lies).toBe(0);
    }
  });

  it("fetches the empty blob", async () => {
    const rig = new FetchRig();
    const { digest } = await rig.putBlob(new Uint8Array(0));
    await rig.fetch("blob", digest);
    expect(rig.local.read(digest)!.length).toBe(0);
  });

  it("asks the near source before the far one, and fills the local store from either", async () => {
    const rig = new FetchRig({ sources: 2 });
    const near = await rig.remotes[0]!.blobs.put([LARGE]);
    const far = await rig.remotes[1]!.blobs.put([SMALL]);
    await rig.fetch("blob", near.digest);
    expect(rig.sources[1]!.asked).toEqual([]);
    await rig.fetch("blob", far.digest);
    expect(rig.local.read(far.digest)!.equals(SMALL)).toBe(true);
    // A blob's chunks come from where its list came from.
    expect(rig.sources.map(({ asked }) => asked.length)).toEqual([near.chunks.length + 2, 2]);
  });

  it("says that an object is missing when every source says so", async () => {
    const rig = new FetchRig({ sources: 2 });
    const digest = blake3(SMALL);
    for (const kind of ["blob", "chunk", "directory"] as const) {
      await expect(rig.fetch(kind, digest)).rejects.toBeInstanceOf(MissingObject);
    }
    const none = new FetchRig({ sources: 0 });
    await expect(none.fetch("blob", digest)).rejects.toBeInstanceOf(MissingObject);
  });

  it("reads a blob as a stream, and cuts it here, when its source does not or cuts too coarsely", async () => {
    const lists: ((stat: BlobStat) => BlobStat)[] = [
      ({ size }) => ({ size, chunks: [] }),
      ({ size, chunks }) => ({
        size,
        chunks: [chunks[0]!, { ...chunks[1]!, size: size - chunks[0]!.size }],
      }),
    ];
    for (const list of lists) {
      const rig = new FetchRig();
      const { digest, chunks } = await rig.putBlob(LARGE);
      expect(LARGE.length - chunks[0]!.size).toBeGreaterThan(CHUNK_BYTES_MAX);
      const { stat } = rig.source.blobs;
      rig.source.blobs.stat = async (asked) => list((await stat(asked))!);
      await rig.fetch("blob", digest);
      expect(rig.local.read(digest)!.equals(LARGE)).toBe(true);
      expect(rig.local.blob(digest)!.chunks).toEqual(chunks);
      expect([...rig.source.counts("read").keys()]).toEqual([digest.key]);
    }
  });

  it("reads a blob as a stream when its chunks are not to be had, and finds a chunk in its blob", async () => {
    const rig = new FetchRig({ trustChunkLists: true });
    const { digest, chunks } = await rig.putBlob(LARGE);
    rig.source.fault = "no chunks";
    await rig.fetch("blob", digest);
    expect(rig.local.blob(digest)!.whole).toBe(false);
    const { digest: chunk } = chunks[2]!;
    await expect(rig.fetch("chunk", chunk)).rejects.toBeInstanceOf(MissingObject);
    await rig.fetch("chunk", chunk, { within: digest });
    expect(rig.local.chunkSize(chunk)).toBe(chunks[2]!.size);
    const whole = new FetchRig();
    await whole.putBlob(LARGE);
    whole.source.fault = "no chunks";
    await whole.fetch("blob", digest);
    expect(whole.local.read(digest)!.equals(LARGE)).toBe(true);
  });

  it("goes on with a stream where it broke off", async () => {
    const rig = new FetchRig();
    const { digest, chunks } = await rig.putBlob(LARGE);
    rig.source.blobs.stat = async () => ({ size: LARGE.length, chunks: [] });
    rig.source.fault = "breaks";
    const { read } = rig.source.blobs;
    const offsets: number[] = [];
    rig.source.blobs.read = (asked, range, options) => {
      offsets.push(range?.offset ?? 0);
      if (offsets.length === 4) rig.source.fault = "none";
      return read(asked, range, options);
    };
    await rig.fetch("blob", digest);
    expect(rig.local.read(digest)!.equals(LARGE)).toBe(true);
    const sizes = chunks.slice(0, 3).map((chunk) => chunk.size);
    expect(offsets).toEqual([
      0,
      sizes[0],
      sizes[0]! + sizes[1]!,
      sizes[0]! + sizes[1]! + sizes[2]!,
    ]);
  });

  it("replaces what is rotten: a chunk, a blob's list, a directory", async () => {
    const rig = new FetchRig();
    const small = await rig.putBlob(SMALL);
    const large = await rig.putBlob(LARGE);
    const directory = await rig.putDirectory({});
    await rig.fetch("blob", small.digest);
    await rig.fetch("blob", large.digest);
    await rig.fetch("directory", directory.digest);
    const { chunks, blobs, directories } = rig.local;
    const rotten = large.chunks[4]!.digest;
    chunks.set(small.digest.key, Buffer.from("Hello world!"));
    chunks.set(rotten.key, new Uint8Array(large.chunks[4]!.size));
    blobs.set(large.digest.key, { ...large, chunks: large.chunks.toReversed(), whole: true });
    directories.set(directory.digest.key, Buffer.from("rotten"));
    expect(rig.wrongObjects().length).toBe(4);
    await rig.fetch("blob", small.digest, { heal: true });
    await rig.fetch("blob", large.digest, { heal: true });
    await rig.fetch("directory", directory.digest, { heal: true });
    expect(rig.wrongObjects()).toEqual([]);
    expect(rig.local.read(large.digest)!.equals(LARGE)).toBe(true);
    chunks.set(rotten.key, new Uint8Array(3));
    await rig.fetch("chunk", rotten, { heal: true, within: large.digest });
    expect(rig.wrongObjects()).toEqual([]);
  });

  it("looks into the local store again before it asks: another process may have been faster", async () => {
    const rig = new FetchRig({ concurrency: 4 });
    rig.source.latency = 100;
    const blobs = await Promise.all([1, 3, 5, 7, 9].map((seed) => rig.putBlob(noise(1000, seed))));
    const fetches = blobs.map(({ digest, size }) =>
      rig.fetcher.fetch({ kind: "blob", digest, heal: false, size }, "foreground"),
    );
    await idle();
    const last = blobs[4]!.digest;
    rig.local.chunks.set(last.key, noise(1000, 9));
    await rig.clock.run(Promise.all(fetches));
    expect(rig.source.counts("read").has(last.key)).toBe(false);
  });

  it("serves the foreground before a background that waits, and lets that become urgent", async () => {
    const rig = new FetchRig({ concurrency: 4 });
    rig.source.latency = 100;
    const blobs = await Promise.all(
      Array.from({ length: 12 }, (_, i) => rig.putBlob(noise(1000, 2 * i + 1))),
    );
    const fetch = (i: number, priority: "foreground" | "background") =>
      rig.fetcher.fetch(
        { kind: "blob", digest: blobs[i]!.digest, heal: false, size: 1000 },
        priority,
      );
    const background = blobs.slice(0, 10).map((_, i) => fetch(i, "background"));
    await idle();
    const foreground = [fetch(10, "foreground"), fetch(11, "foreground"), fetch(9, "foreground")];
    await rig.clock.run(Promise.all(foreground));
    const asked = rig.source.asked.map(({ digest }) =>
      blobs.findIndex((blob) => blob.digest.equals(digest)),
    );
    expect(asked.slice(0, 2)).toEqual([0, 1]);
    expect(asked.slice(2, 5).toSorted()).toEqual([10, 11, 9]);
    await rig.clock.run(Promise.all(background));
    expect(rig.source.asked.length).toBe(12);
  });

  it("makes no more requests at a time than it may, and fewer in the background", async () => {
    for (const [priority, most] of [
      ["foreground", 8],
      ["background", 4],
    ] as const) {
      const rig = new FetchRig({ concurrency: 8 });
      rig.source.latency = 10;
      const blobs = await Promise.all(
        Array.from({ length: 50 }, (_, i) => rig.putBlob(noise(1000, 2 * i + 1))),
      );
      const fetches = blobs.map(({ digest }) =>
        rig.fetcher.fetch({ kind: "blob", digest, heal: false }, priority),
      );
      await rig.clock.run(Promise.all(fetches));
      expect(rig.source.busiest).toBe(most);
    }
  });

  it("has only so many bytes on their way in the background, and fewer beside the foreground", async () => {
    const rig = new FetchRig({ concurrency: 64 });
    rig.source.latency = 10;
    const chunks: Digest[] = [];
    for (let i = 0; i < 20; i += 1) chunks.push((await rig.putBlob(noise(10, 2 * i + 1))).digest);
    const fetch = (digest: Digest, priority: "foreground" | "background") =>
      rig.fetcher.fetch({ kind: "chunk", digest, heal: false }, priority);
    // Nothing says how large they are.
    await rig.clock.run(Promise.all(chunks.slice(0, 10).map((one) => fetch(one, "background"))));
    expect(rig.source.busiest).toBe(BACKGROUND_BYTES_MAX / CHUNK_BYTES_MAX);
    rig.source.busiest = 0;
    const hurry = fetch(chunks[10]!, "foreground");
    const behind = chunks.slice(11).map((one) => fetch(one, "background"));
    await rig.clock.run(hurry);
    expect(rig.source.busiest).toBe(1 + BACKGROUND_BESIDE_BYTES_MAX / CHUNK_BYTES_MAX);
    await rig.clock.run(Promise.all(behind));
  });

  it("holds the bandwidth that it is given", async () => {
    const rig = new FetchRig({ bytesPerSecond: 1_000_000 });
    const { digest } = await rig.putBlob(LARGE);
    await rig.fetch("blob", digest);
    expect(rig.clock.now()).toBeGreaterThan(2700);
    expect(rig.clock.now()).toBeLessThan(3100);
  });

  it("tells everybody who waits that it gets on", async () => {
    const rig = new FetchRig();
    const { digest, chunks } = await rig.putBlob(LARGE);
    const counts = [0, 0];
    const fetches = counts.map((_, i) =>
      rig.fetcher.fetch({ kind: "blob", digest, heal: false }, "foreground", () => {
        counts[i]! += 1;
      }),
    );
    await rig.clock.run(Promise.all(fetches));
    expect(counts[0]).toBeGreaterThanOrEqual(chunks.length);
    expect(counts[1]).toBe(counts[0]);
  });

  it("says so when the disk is full, loses nothing, and goes on when there is room", async () => {
    const rig = new FetchRig();
    const small = await rig.putBlob(SMALL);
    const large = await rig.putBlob(LARGE);
    const directory = await rig.putDirectory({});
    await rig.fetch("blob", small.digest);
    rig.local.failure = new StoreError("the disk is full");
    for (const [kind, digest] of [
      ["blob", large.digest],
      ["chunk", large.chunks[0]!.digest],
      ["directory", directory.digest],
    ] as const) {
      await expect(rig.fetch(kind, digest)).rejects.toBe(rig.local.failure);
    }
    expect(rig.fetcher.tally).toMatchObject({ lies: 0, failures: 0, chunks: 1 });
    rig.local.failure = undefined;
    await rig.fetch("blob", large.digest);
    await rig.fetch("directory", directory.digest);
    expect(rig.local.read(large.digest)!.equals(LARGE)).toBe(true);
    expect(rig.local.read(small.digest)!.equals(SMALL)).toBe(true);
  });

  it("ends what is under way when it is disposed, and fetches nothing more", async () => {
    const rig = new FetchRig();
    const { digest } = await rig.putBlob(LARGE);
    rig.source.fault = "hangs";
    const fetches = (["foreground", "background"] as const).map((priority) =>
      rig.fetcher.fetch({ kind: "blob", digest, heal: false }, priority),
    );
    const results = Promise.allSettled(fetches);
    await idle();
    await rig.fetcher[Symbol.asyncDispose]();
    for (const result of await results) {
      expect(result).toMatchObject({ status: "rejected", reason: expect.any(SourceUnavailable) });
    }
    rig.source.fault = "none";
    await expect(rig.fetch("blob", digest)).rejects.toBeInstanceOf(SourceUnavailable);
    expect(rig.clock.now()).toBe(0);
  });

  it("tells what a source says of a blob without fetching it", async () => {
    const rig = new FetchRig({ sources: 2 });
    const { digest, size, chunks } = await rig.remotes[1]!.blobs.put([LARGE]);
    expect(await rig.clock.run(rig.fetcher.stat(digest))).toMatchObject({ size, chunks });
    expect(await rig.clock.run(rig.fetcher.stat(blake3(SMALL)))).toBeUndefined();
    expect(rig.local.chunks.size).toBe(0);
  });
});

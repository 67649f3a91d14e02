/** Lists of chunks that are used before they are proven. */
import { describe, expect, it } from "vitest";
import { READ_AHEAD_CHUNKS } from "../../../src/store/tiers/trusted-lists.ts";
import { noise } from "../temporary.ts";
import { idle } from "./fake-clock.ts";
import { FetchRig } from "./fetch-rig.ts";

const LARGE = noise(6_000_001, 5);

describe("trusted lists of chunks", () => {
  it("a blob is there with its list alone, chunks come as they are wanted, some ahead", async () => {
    const rig = new FetchRig({ trustChunkLists: true });
    const { digest, chunks } = await rig.putBlob(LARGE);
    expect(chunks.length).toBeGreaterThan(2 * READ_AHEAD_CHUNKS + 4);
    await rig.fetch("blob", digest);
    expect(rig.local.blob(digest)).toMatchObject({ whole: false, chunks });
    expect(rig.local.chunks.size).toBe(0);
    await rig.fetch("chunk", chunks[0]!.digest, { within: digest });
    await idle();
    expect(rig.local.chunks.size).toBe(1 + READ_AHEAD_CHUNKS);
    // Who jumps about gets nothing ahead.
    await rig.fetch("chunk", chunks[READ_AHEAD_CHUNKS + 3]!.digest, { within: digest });
    await idle();
    expect(rig.local.chunks.size).toBe(2 + READ_AHEAD_CHUNKS);
    for (const count of rig.source.counts("read").values()) expect(count).toBe(1);
  });

  it("once all chunks have come the list is proven", async () => {
    const rig = new FetchRig({ trustChunkLists: true });
    const { digest, chunks } = await rig.putBlob(LARGE);
    await rig.fetch("blob", digest);
    for (const chunk of chunks) await rig.fetch("chunk", chunk.digest, { within: digest });
    await idle();
    expect(rig.local.read(digest)!.equals(LARGE)).toBe(true);
  });

  it("a list from an earlier run is known again by its chunks, and proven", async () => {
    const rig = new FetchRig({ trustChunkLists: true });
    const blob = await rig.putBlob(LARGE);
    await rig.local.putBlob(blob.digest, blob, false);
    await rig.fetch("blob", blob.digest);
    expect(rig.source.asked.length).toBe(0);
    for (const { digest } of blob.chunks) await rig.fetch("chunk", digest, { within: blob.digest });
    await idle();
    expect(rig.local.read(blob.digest)!.equals(LARGE)).toBe(true);
  });

  it("a blob whose chunks are here already is proven at once", async () => {
    const rig = new FetchRig({ trustChunkLists: true });
    const blob = await rig.putBlob(LARGE);
    for (const { digest } of blob.chunks) await rig.fetch("chunk", digest);
    await rig.fetch("blob", blob.digest);
    await idle();
    expect(rig.local.blob(blob.digest)!.whole).toBe(true);
  });

  it("a lie is exposed when all chunks have come, and the truth of another takes its place", async () => {
    const rig = new FetchRig({ trustChunkLists: true, sources: 2 });
    const { digest, chunks } = await rig.putBlob(LARGE);
    rig.sources[0]!.fault = "wrong list";
    await rig.fetch("blob", digest);
    expect(rig.local.blob(digest)!.chunks[0]).not.toEqual(chunks[0]);
    for (const chunk of chunks) await rig.fetch("chunk", chunk.digest, { within: digest });
    await idle();
    expect(rig.local.read(digest)!.equals(LARGE)).toBe(true);
    expect(rig.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
      "warn source gave wrong data, passed over",
      "error wrong data was served: a trusted list of chunks is a lie",
    ]);
    expect(rig.lines[0]!.fields).toMatchObject({ source: "source 0", blob: digest.toString() });
  });

  it("a lie of the only source is taken away", async () => {
    let exposed = 0;
    const rig = new FetchRig({
      trustChunkLists: true,
      exposed: () => {
        expect(rig.local.blob(digest)).toBeUndefined();
        exposed += 1;
      },
    });
    const { digest, chunks } = await rig.putBlob(LARGE);
    rig.source.fault = "wrong list";
    await rig.fetch("blob", digest);
    for (const chunk of chunks) await rig.fetch("chunk", chunk.digest, { within: digest });
    await idle();
    expect(rig.local.blob(digest)).toBeUndefined();
    expect(exposed).toBe(1);
  });
});

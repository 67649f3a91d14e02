/** Sources that lie, fail, hang and come back: what is served is right, or an error in time. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Digest } from "../../../src/castore/digest.ts";
import { fileNode } from "../../../src/castore/node.ts";
import { CorruptObject, SourceUnavailable, StoreError } from "../../../src/store/errors.ts";
import type { WantedObject } from "../../../src/store/object-fetcher.ts";
import { FAILURES_TO_OPEN, PAUSE_MILLISECONDS } from "../../../src/store/tiers/circuit-breaker.ts";
import { LIE_MILLISECONDS } from "../../../src/store/tiers/known-lies.ts";
import { ROUNDS_MAX } from "../../../src/store/tiers/source-chain.ts";
import { noise } from "../temporary.ts";
import { idle } from "./fake-clock.ts";
import { FAULTS, type Fault } from "./faulty-source.ts";
import { FetchRig } from "./fetch-rig.ts";

const SMALL = Buffer.from("Hello World!");
/** Some chunks; not more, for the sake of time. */
const LARGE = noise(1_000_001, 5);

interface Wanted {
  readonly kind: WantedObject["kind"];
  readonly digest: Digest;
}

/** Puts one of everything into all stores. */
async function fill(rig: FetchRig): Promise<Wanted[]> {
  const small = await rig.putBlob(SMALL);
  const large = await rig.putBlob(LARGE);
  const file = fileNode(small.digest, small.size, false);
  const inner = await rig.putDirectory({ file });
  const outer = await rig.putDirectory({ inner, large: fileNode(large.digest, large.size, true) });
  return [
    { kind: "blob", digest: small.digest },
    { kind: "blob", digest: large.digest },
    { kind: "chunk", digest: large.chunks[1]!.digest },
    { kind: "directory", digest: outer.digest },
    { kind: "directory", digest: inner.digest },
  ];
}

function isHere(rig: FetchRig, { kind, digest }: Wanted): boolean {
  if (kind === "directory") return rig.local.directoryBytes(digest) !== undefined;
  if (kind === "chunk") return rig.local.chunkSize(digest) !== undefined;
  return rig.local.read(digest) !== undefined;
}

function* cycle(faults: readonly Fault[]): Generator<Fault, never> {
  for (let i = 0; ; i += 1) yield faults[i % faults.length]!;
}

const faults = fc.array(fc.constantFrom(...FAULTS), { minLength: 1, maxLength: 5 });

describe("faulty sources", () => {
  it("whatever they do, what is stored is right, and who waits gets it or an error in time", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(faults, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        fc.integer({ min: 0, max: 200 }),
        async (sequences, trustChunkLists, latency) => {
          const rig = new FetchRig({ sources: sequences.length, oneStore: true, trustChunkLists });
          const objects = await fill(rig);
          for (const [i, source] of rig.sources.entries()) {
            const sequence = cycle(sequences[i]!);
            source.fault = () => sequence.next().value;
            source.latency = latency;
          }
          const fetches = [...objects, ...objects].map(({ kind, digest }, i) =>
            rig.fetcher
              .fetch({ kind, digest, heal: false }, i % 3 === 0 ? "background" : "foreground")
              .then(() => rig.clock.now()),
          );
          const results = await rig.clock.run(Promise.allSettled(fetches));
          for (const [i, result] of results.entries()) {
            const object = objects[i % objects.length]!;
            if (result.status === "rejected") expect(result.reason).toBeInstanceOf(StoreError);
            else if (!trustChunkLists) expect(isHere(rig, object)).toBe(true);
          }
          await idle();
          expect(rig.wrongObjects()).toEqual([]);
          const sound = sequences.some((sequence) => sequence.every((fault) => fault === "none"));
          if (sound) expect(results.every(({ status }) => status === "fulfilled")).toBe(true);
          // Not one hangs: at most a deadline for each step of a blob, from each source.
          expect(rig.clock.now()).toBeLessThan(sequences.length * 4 * 30_000);
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);

  for (const fault of ["garbles", "truncates", "wrong list", "no chunks"] as const) {
    it(`a near source that ${fault} is caught, named, passed over; the far one serves`, async () => {
      const rig = new FetchRig({ sources: 2 });
      const objects = await fill(rig);
      rig.sources[0]!.fault = fault;
      for (const { kind, digest } of objects) await rig.fetch(kind, digest);
      expect(objects.every((object) => isHere(rig, object))).toBe(true);
      expect(rig.wrongObjects()).toEqual([]);
      if (fault === "no chunks") return;
      const line = rig.lines.find(({ message }) => message.includes("wrong data"))!;
      expect(line).toMatchObject({ level: "warn", fields: { source: "source 0" } });
      expect(JSON.stringify(line.fields)).toContain(`blake3-`);
      expect(rig.fetcher.tally.lies).toBeGreaterThan(0);
    });
  }

  it("a lie is no failure of the connection: the source is still asked for other objects", async () => {
    const rig = new FetchRig();
    rig.source.fault = "garbles";
    for (let i = 0; i < 3 * FAILURES_TO_OPEN; i += 1) {
      const { digest } = await rig.putBlob(noise(100, 2 * i + 1));
      await expect(rig.fetch("chunk", digest)).rejects.toBeInstanceOf(CorruptObject);
    }
    rig.source.fault = "none";
    const { digest } = await rig.putBlob(SMALL);
    await rig.fetch("blob", digest);
  });

  it("a source that lied is not asked for that object for a while, and then is", async () => {
    const rig = new FetchRig();
    const { digest } = await rig.putBlob(SMALL);
    rig.source.fault = "garbles";
    await expect(rig.fetch("chunk", digest)).rejects.toBeInstanceOf(CorruptObject);
    rig.source.fault = "none";
    await expect(rig.fetch("chunk", digest)).rejects.toBeInstanceOf(CorruptObject);
    expect(rig.source.asked.length).toBe(1);
    await rig.clock.advance(LIE_MILLISECONDS);
    await rig.fetch("chunk", digest);
  });

  it("a source that hangs costs one attempt, and another serves; alone, it costs the deadline", async () => {
    const rig = new FetchRig({
      sources: 2,
      attemptMilliseconds: 5000,
      deadlineMilliseconds: 12_000,
    });
    const { digest } = await rig.putBlob(SMALL);
    rig.sources[0]!.fault = "hangs";
    await rig.fetch("chunk", digest);
    expect(rig.clock.now()).toBe(5000);
    const other = await rig.putBlob(LARGE);
    rig.sources[1]!.fault = "hangs";
    const begun = rig.clock.now();
    await expect(rig.fetch("blob", other.digest)).rejects.toBeInstanceOf(SourceUnavailable);
    expect(rig.clock.now() - begun).toBeLessThanOrEqual(12_000);
  });

  it("a source that fails now and then is asked again, after growing pauses", async () => {
    const rig = new FetchRig();
    const { digest } = await rig.putBlob(SMALL);
    let failures = ROUNDS_MAX - 1;
    rig.source.fault = () => {
      failures -= 1;
      return failures >= 0 ? "down" : "none";
    };
    await rig.fetch("chunk", digest);
    expect(rig.source.asked.length).toBe(ROUNDS_MAX);
    // Half of 100, 200 and 400: the clock's chance is always in the middle.
    expect(rig.clock.now()).toBe(350);
    failures = ROUNDS_MAX;
    const other = await rig.putBlob(LARGE);
    await expect(rig.fetch("blob", other.digest)).rejects.toBeInstanceOf(SourceUnavailable);
  });

  it("a source that is down is left alone, what it has fails at once, and it serves when it is back", async () => {
    const rig = new FetchRig();
    const objects = await fill(rig);
    await rig.fetch(objects[0]!.kind, objects[0]!.digest);
    rig.source.fault = "down";
    for (let i = 0; i < 3; i += 1) {
      await expect(rig.fetch("blob", objects[1]!.digest)).rejects.toBeInstanceOf(SourceUnavailable);
    }
    const asked = rig.source.asked.length;
    const begun = rig.clock.now();
    await expect(rig.fetch("blob", objects[1]!.digest)).rejects.toThrow("source 0");
    expect(rig.clock.now()).toBe(begun);
    expect(rig.source.asked.length).toBe(asked);
    await rig.fetch(objects[0]!.kind, objects[0]!.digest);
    rig.source.fault = "none";
    await rig.clock.advance(2 * PAUSE_MILLISECONDS);
    for (const { kind, digest } of objects) await rig.fetch(kind, digest);
    const states = rig.lines.map(({ message }) => message);
    expect(states).toEqual(["source fails, left alone", "source answers again"]);
  });

  it("what a far source has is not missing while a near one is down", async () => {
    const rig = new FetchRig({ sources: 2 });
    const { digest } = await rig.remotes[1]!.blobs.put([LARGE]);
    rig.sources[0]!.fault = "down";
    await rig.fetch("blob", digest);
    const { digest: nowhere } = await new FetchRig().putBlob(SMALL);
    await expect(rig.fetch("blob", nowhere)).rejects.toBeInstanceOf(SourceUnavailable);
  });

  it("who lies ever so often gets a few lines in the log, not one each time", async () => {
    const rig = new FetchRig();
    rig.source.fault = "garbles";
    for (let i = 0; i < 200; i += 1) {
      const { digest } = await rig.putBlob(noise(100, 2 * i + 1));
      await rig.fetch("chunk", digest).catch(() => {});
    }
    expect(rig.fetcher.tally.lies).toBe(200);
    expect(rig.lines.length).toBeLessThan(50);
  });
});

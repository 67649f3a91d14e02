import { describe, expect, it } from "vitest";
import type { Digest } from "../../../src/castore/digest.ts";
import { fileNode } from "../../../src/castore/node.ts";
import { StoreError } from "../../../src/store/errors.ts";
import {
  PREFETCH_OBJECTS_MAX,
  type PrefetchPlan,
  startPrefetch,
} from "../../../src/store/tiers/prefetch.ts";
import { treeShare } from "../../../src/store/tiers/tree-share.ts";
import { noise } from "../temporary.ts";
import { idle } from "./fake-clock.ts";
import { FetchRig, type RigOptions } from "./fetch-rig.ts";

/** A tree of some directories with files in them; one file is large, one is twice there. */
class TreeRig extends FetchRig {
  root!: Digest;
  directories = 0;
  bytes = 0;
  readonly files: Digest[] = [];

  static async of(options: RigOptions = {}): Promise<TreeRig> {
    const rig = new TreeRig(options);
    let below = await rig.putDirectory({});
    rig.directories = 1;
    for (let i = 0; i < 12; i += 1) {
      const bytes = noise(i === 5 ? 2_000_000 : 500 + i, 2 * i + 1);
      const blob = await rig.putBlob(bytes);
      const file = fileNode(blob.digest, blob.size, false);
      below = await rig.putDirectory({ below, file, again: file });
      rig.files.push(blob.digest);
      rig.bytes += blob.size;
      rig.directories += 1;
    }
    rig.root = below.digest;
    return rig;
  }

  prefetch(plan: PrefetchPlan, signal?: AbortSignal) {
    const { clock } = this;
    const logger = {
      log: (level: string, message: string) => this.said.push(`${level} ${message}`),
    };
    return startPrefetch(this.fetcher, plan, this.root, {
      logger,
      clock,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  readonly said: string[] = [];
}

describe("startPrefetch()", () => {
  it("of metadata fetches all directories and nothing else", async () => {
    const rig = await TreeRig.of();
    const prefetch = rig.prefetch("metadata");
    await rig.clock.run(prefetch.done);
    expect(rig.local.directories.size).toBe(rig.directories);
    expect(rig.local.chunks.size).toBe(0);
    expect(prefetch.counts).toEqual({ objects: rig.directories, failed: 0 });
    expect(rig.said).toEqual(["info fetched ahead"]);
    expect(await treeShare(rig.local, rig.root)).toEqual({
      directories: rig.directories,
      absentDirectories: 0,
      blobs: rig.files.length,
      bytes: rig.bytes,
      storedBytes: 0,
    });
  });

  it("of all fetches the whole tree, each object once", async () => {
    const rig = await TreeRig.of();
    await rig.clock.run(rig.prefetch("all").done);
    for (const digest of rig.files) expect(rig.local.read(digest)).toBeDefined();
    for (const count of rig.source.counts("read").values()) expect(count).toBe(1);
    expect((await treeShare(rig.local, rig.root)).storedBytes).toBe(rig.bytes);
  });

  it("of a trace fetches what it lists, in that order", async () => {
    const rig = await TreeRig.of({ concurrency: 4 });
    const listed = [rig.files[7]!, rig.files[2]!, rig.files[9]!];
    const objects = listed.map((digest) => ({ kind: "blob", digest, size: 500 }) as const);
    await rig.clock.run(rig.prefetch({ root: rig.root, objects }).done);
    expect(rig.source.asked.map(({ digest }) => digest.key)).toEqual(listed.map(({ key }) => key));
    const { storedBytes, absentDirectories } = await treeShare(rig.local, rig.root);
    expect({ storedBytes, absentDirectories }).toEqual({ storedBytes: 0, absentDirectories: 1 });
  });

  it("has a bounded number of objects under way at a time", async () => {
    const rig = await TreeRig.of({ concurrency: 1000 });
    rig.source.latency = 10;
    const blobs = await Promise.all(
      Array.from({ length: 100 }, (_, i) => rig.putBlob(noise(100, 2 * i + 1))),
    );
    const objects = blobs.map(({ digest }) => ({ kind: "blob", digest, size: 100 }) as const);
    await rig.clock.run(rig.prefetch({ root: undefined, objects }).done);
    expect(rig.source.busiest).toBe(PREFETCH_OBJECTS_MAX);
  });

  it("waits while sources are down, and goes on when they are back", async () => {
    const rig = await TreeRig.of();
    rig.source.fault = "down";
    const prefetch = rig.prefetch("all");
    await rig.clock.advance(600_000);
    expect(prefetch.counts.objects).toBe(0);
    rig.source.fault = "none";
    await rig.clock.run(prefetch.done);
    expect((await treeShare(rig.local, rig.root)).storedBytes).toBe(rig.bytes);
  });

  it("counts what is not to be had, and goes on", async () => {
    const rig = await TreeRig.of();
    const missing = (await new FetchRig().putBlob(noise(10, 77))).digest;
    const objects = [missing, rig.files[0]!].map(
      (digest) => ({ kind: "blob", digest, size: undefined }) as const,
    );
    const prefetch = rig.prefetch({ root: undefined, objects });
    await rig.clock.run(prefetch.done);
    expect(prefetch.counts).toEqual({ objects: 1, failed: 1 });
  });

  it("ends by its signal and by being disposed, also while it waits for sources", async () => {
    for (const stop of ["signal", "dispose"] as const) {
      for (const fault of ["hangs", "down"] as const) {
        const rig = await TreeRig.of();
        rig.source.fault = fault;
        const abort = new AbortController();
        const prefetch = rig.prefetch("all", abort.signal);
        await rig.clock.advance(5000);
        if (stop === "signal") abort.abort();
        else prefetch[Symbol.dispose]();
        await rig.clock.run(prefetch.done);
        expect(rig.said).toEqual([]);
        await idle();
      }
    }
  });

  it("ends with a line in the log when the disk is full", async () => {
    const rig = await TreeRig.of();
    rig.local.failure = new StoreError("the disk is full");
    await rig.clock.run(rig.prefetch("all").done);
    expect(rig.said).toEqual(["error fetching ahead has ended"]);
  });
});

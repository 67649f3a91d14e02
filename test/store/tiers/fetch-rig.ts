/** A fetcher over stores in memory, with sources that fail as told and time that passes at once. */
import { onTestFinished } from "vitest";
import type { LogFields, Logger, LogLevel } from "../../../src/base/logger.ts";
import { blake3 } from "../../../src/castore/blake3.ts";
import type { Digest } from "../../../src/castore/digest.ts";
import type { DirectoryNode, Node } from "../../../src/castore/node.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { FetchPriority, WantedObject } from "../../../src/store/object-fetcher.ts";
import type { BlobStat, Chunk } from "../../../src/store/services.ts";
import { TierFetcher, type TierFetcherOptions } from "../../../src/store/tiers/tier-fetcher.ts";
import { directoryOf } from "../conformance-services.ts";
import { FakeClock } from "./fake-clock.ts";
import { FaultySource } from "./faulty-source.ts";
import { MemoryLocal } from "./memory-local.ts";

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

export interface RigOptions extends Partial<TierFetcherOptions> {
  /** How many sources there are, near to far; each with a store of its own. */
  readonly sources?: number;
  /** All sources have one store. */
  readonly oneStore?: boolean;
}

export class FetchRig {
  readonly clock: FakeClock;
  readonly local = new MemoryLocal();
  readonly remotes: MemoryStore[];
  readonly sources: FaultySource[];
  readonly fetcher: TierFetcher;
  readonly lines: LogLine[] = [];

  constructor({ sources = 1, oneStore = false, ...options }: RigOptions = {}) {
    this.clock = options.clock instanceof FakeClock ? options.clock : new FakeClock();
    const shared = new MemoryStore();
    this.remotes = Array.from({ length: sources }, () => (oneStore ? shared : new MemoryStore()));
    this.sources = this.remotes.map(
      (store, i) => new FaultySource(`source ${i}`, store, this.clock),
    );
    const logger: Logger = {
      log: (level, message, fields = {}) => this.lines.push({ level, message, fields }),
    };
    this.fetcher = new TierFetcher(this.local, this.local, this.sources, {
      trustChunkLists: false,
      concurrency: 32,
      bytesPerSecond: 0,
      attemptMilliseconds: 10_000,
      deadlineMilliseconds: 30_000,
      logger,
      ...options,
      clock: this.clock,
    });
    onTestFinished(() => this.clock.run(this.fetcher[Symbol.asyncDispose]()));
  }

  get source(): FaultySource {
    return this.sources[0]!;
  }

  /** Puts a blob into all sources' stores. */
  async putBlob(bytes: Uint8Array): Promise<BlobStat & Chunk> {
    const blobs = await Promise.all(this.remotes.map((remote) => remote.blobs.put([bytes])));
    return blobs[0]!;
  }

  async putDirectory(entries: Record<string, Node>): Promise<DirectoryNode> {
    const directory = directoryOf(entries);
    const nodes = await Promise.all(
      this.remotes.map(({ directories }) => directories.put(directory)),
    );
    return nodes[0]!;
  }

  /** Fetches, letting time pass. */
  async fetch(
    kind: WantedObject["kind"],
    digest: Digest,
    more: Partial<WantedObject> = {},
    priority: FetchPriority = "foreground",
  ): Promise<void> {
    await this.clock.run(this.fetcher.fetch({ kind, digest, heal: false, ...more }, priority));
  }

  /** What is stored under a digest that it does not have; nothing, ever. */
  wrongObjects(): string[] {
    const wrong: string[] = [];
    const { chunks, directories, blobs } = this.local;
    for (const objects of [chunks, directories]) {
      for (const [key, bytes] of objects) if (blake3(bytes).key !== key) wrong.push(key);
    }
    for (const [key, { whole, chunks: list }] of blobs) {
      if (!whole) continue;
      const bytes = list.map(({ digest }) => chunks.get(digest.key) ?? new Uint8Array(0));
      if (blake3(Buffer.concat(bytes)).key !== key) wrong.push(key);
    }
    return wrong;
  }
}

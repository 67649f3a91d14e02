/** The parts of a fetcher, put together. */
import type { Logger } from "../../base/logger.ts";
import { RateLimitedLogger } from "../../base/rate-limited-logger.ts";
import type { Digest } from "../../castore/digest.ts";
import { MissingObject, SourceUnavailable } from "../errors.ts";
import type { FetchPriority, ObjectFetcher, WantedObject } from "../object-fetcher.ts";
import type { BlobStat } from "../services.ts";
import type { Source } from "../source.ts";
import type { StoreFiller } from "../store-filler.ts";
import { BlobFetch } from "./blob-fetch.ts";
import { STAT_BYTES, visitStat } from "./blob-list.ts";
import { ChunkFetch } from "./chunk-fetch.ts";
import { ChunkedBlobs } from "./chunked-blob.ts";
import type { Clock } from "./clock.ts";
import { DirectoryFetch } from "./directory-fetch.ts";
import { type FetchRoom, incomingGate } from "./fetch-room.ts";
import { type FetchTally, newTally } from "./fetch-tally.ts";
import { type FlightControl, Flights } from "./flights.ts";
import { GuardedSource } from "./guarded-source.ts";
import type { LocalObjects } from "./local-objects.ts";
import { SourceChain } from "./source-chain.ts";
import { TrustedLists } from "./trusted-lists.ts";
import { Urgency } from "./urgency.ts";

/** Disposing ends what is under way (it fails with SourceUnavailable). */
export interface Fetcher extends ObjectFetcher, AsyncDisposable {
  /**
   * Tells of a tree that is being served or fetched. Some sources give directories only with the
   * tree that they belong to.
   */
  addRoot(root: Digest): void;

  /**
   * What the nearest source that has the blob says of it, unproven. Undefined: none has it.
   * @throws SourceUnavailable, CorruptObject
   */
  stat(digest: Digest): Promise<BlobStat | undefined>;

  /** What has come so far, and what was there before. */
  readonly local: LocalObjects;

  /** Changes as it goes on. */
  readonly tally: Readonly<FetchTally>;
}

export interface TierFetcherOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly trustChunkLists: boolean;
  readonly concurrency: number;
  readonly bytesPerSecond: number;
  readonly attemptMilliseconds: number;
  readonly deadlineMilliseconds: number;
  /** A trusted list was a lie, and is gone from the local store. */
  readonly exposed?: (() => void) | undefined;
}

export class TierFetcher implements Fetcher {
  readonly tally = newTally();
  readonly local: LocalObjects;
  readonly #room: FetchRoom;
  readonly #trusts: boolean;
  readonly #directories: DirectoryFetch;
  readonly #blobs: BlobFetch;
  readonly #chunks: ChunkFetch;
  readonly #lists: TrustedLists;
  readonly #closing = new AbortController();
  readonly #sources: readonly Source[];
  readonly #closedAfter: Disposable | undefined;

  /**
   * The sources are disposed with this, and `closedAfter`, where given: what holds `local` and
   * `filler`.
   */
  constructor(
    local: LocalObjects,
    filler: StoreFiller,
    sources: readonly Source[],
    options: TierFetcherOptions,
    closedAfter?: Disposable,
  ) {
    this.local = local;
    this.#sources = sources;
    this.#closedAfter = closedAfter;
    const { clock, trustChunkLists } = options;
    const logger = new RateLimitedLogger(options.logger, () => clock.now());
    const { tally } = this;
    const guarded = sources.map(
      (source) => new GuardedSource(source, { ...options, logger, tally }),
    );
    const closing = this.#closing.signal;
    const chain = new SourceChain(guarded, { ...options, logger, tally, closing });
    const flights = new Flights();
    const room = { local, filler, chain, flights, tally, incoming: incomingGate() };
    this.#room = room;
    this.#trusts = trustChunkLists;
    this.#directories = new DirectoryFetch(room);
    this.#chunks = new ChunkFetch(room);
    const chunked = new ChunkedBlobs(room, this.#chunks);
    this.#blobs = new BlobFetch(room, this.#chunks, chunked, clock);
    const { exposed } = options;
    const parts = { room, logger, blobs: this.#blobs, chunks: this.#chunks, chunked, exposed };
    this.#lists = new TrustedLists(parts);
  }

  addRoot(root: Digest): void {
    this.#directories.addRoot(root);
  }

  async fetch(
    wanted: WantedObject,
    priority: FetchPriority,
    progressed: () => void = () => {},
  ): Promise<void> {
    const { kind, digest, heal } = wanted;
    const control: FlightControl = { urgency: new Urgency(priority), progressed };
    if (kind === "directory") return await this.#directories.fetch(digest, heal, control);
    if (kind === "chunk") {
      await this.#chunks.fetch(wanted, control);
      if (wanted.within !== undefined) this.#lists.came(wanted.within, digest);
      return;
    }
    const from = await this.#blobs.fetch({ ...wanted, listOnly: this.#trusts && !heal }, control);
    if (from !== undefined) this.#lists.add(digest, from);
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    const { chain } = this.#room;
    const urgency = new Urgency("foreground");
    try {
      return await chain.ask({ what: "blob", digest }, chain.sources, (source, signal) =>
        source.visit(urgency, signal, STAT_BYTES, (visit) => visitStat(visit, digest)),
      );
    } catch (error) {
      if (error instanceof MissingObject) return undefined;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new SourceUnavailable("fetching has ended"));
    await Promise.all([this.#room.flights.settled(), this.#directories.settled()]);
    this.#closedAfter?.[Symbol.dispose]();
    await Promise.all(this.#sources.map((source) => source[Symbol.asyncDispose]()));
  }
}

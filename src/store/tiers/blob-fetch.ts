/** Brings blobs into the local store: whole and proven, or as a list that is trusted unproven. */
import type { Digest } from "../../castore/digest.ts";
import { CorruptObject, MissingObject, SourceUnavailable } from "../errors.ts";
import { CHUNK_BYTES_MIN } from "../fastcdc.ts";
import type { BlobStat } from "../services.ts";
import { blobShape, STAT_BYTES, visitStat } from "./blob-list.ts";
import type { ChunkFetch } from "./chunk-fetch.ts";
import type { ChunkedBlobs } from "./chunked-blob.ts";
import type { Clock } from "./clock.ts";
import type { FetchRoom } from "./fetch-room.ts";
import type { FlightControl } from "./flights.ts";
import type { GuardedSource } from "./guarded-source.ts";
import { SourceLied } from "./source-errors.ts";
import { fetchStream } from "./streamed-blob.ts";

export interface FetchedBlob {
  readonly digest: Digest;
  /** Bytes, where that is known. */
  readonly size?: number;
  /** What is stored is rotten. */
  readonly heal: boolean;
  /** The list is enough, and need not be proven. */
  readonly listOnly: boolean;
}

/** A blob's list, and which source says so. */
interface FoundBlob {
  readonly source: GuardedSource;
  readonly stat: BlobStat;
}

/** How often a blob is fetched whose chunks are collected as garbage in the meantime. */
const COLLECTED_TRIES_MAX = 3;

export class BlobFetch {
  readonly #room: FetchRoom;
  readonly #chunks: ChunkFetch;
  readonly #chunked: ChunkedBlobs;
  readonly #clock: Clock;

  constructor(room: FetchRoom, chunks: ChunkFetch, chunked: ChunkedBlobs, clock: Clock) {
    this.#room = room;
    this.#chunks = chunks;
    this.#chunked = chunked;
    this.#clock = clock;
  }

  /**
   * The source whose unproven list is now in the local store; undefined when the blob is whole, or
   * its list was there before.
   * @throws as ObjectFetcher.fetch
   */
  async fetch(blob: FetchedBlob, control: FlightControl): Promise<GuardedSource | undefined> {
    if (this.#isHere(blob)) return undefined;
    const { digest, heal, listOnly } = blob;
    const key = `${heal ? "heal " : ""}${listOnly ? "list" : "blob"}${digest.key}`;
    return await this.#room.flights.run(key, control, (own) => this.#fetch(blob, own));
  }

  #isHere({ digest, heal, listOnly }: FetchedBlob): boolean {
    const { local } = this.#room;
    if (heal) return false;
    if (local.chunkSize(digest) !== undefined) return true;
    const list = local.blob(digest);
    if (list === undefined || list === "damaged") return false;
    return list.whole || listOnly;
  }

  async #fetch(blob: FetchedBlob, control: FlightControl): Promise<GuardedSource | undefined> {
    const { digest, heal, size } = blob;
    const stored = heal ? this.#room.local.chunkSize(digest) : undefined;
    if (stored !== undefined) {
      // It is stored as one chunk, however others cut it.
      await this.#chunks.fetch({ digest, size: stored, heal }, control);
      return undefined;
    }
    if (size !== undefined && size <= CHUNK_BYTES_MIN) {
      // Everybody has so small a blob as one chunk: no need to ask for its list.
      try {
        await this.#chunks.fetch({ digest, size, heal }, control);
        return undefined;
      } catch (error) {
        if (!(error instanceof MissingObject)) throw error;
      }
    }
    const failed = new Set<GuardedSource>();
    let failure: unknown;
    for (;;) {
      const found = await this.#find(digest, control, failed).catch((error: unknown) => {
        throw failed.size > 0 && error instanceof MissingObject ? failure : error;
      });
      try {
        return await this.#fetchFrom(blob, found, control);
      } catch (error) {
        // Another source may have it in another way. One that could not be asked says least.
        failed.add(found.source);
        const reason = this.#explain(digest, found.source, error);
        if (!(failure instanceof SourceUnavailable)) failure = reason;
      }
    }
  }

  /** The nearest source that has the blob, and none of `without`. */
  #find(
    digest: Digest,
    { urgency }: FlightControl,
    without: ReadonlySet<GuardedSource>,
  ): Promise<FoundBlob> {
    const { chain } = this.#room;
    const sources = chain.sources.filter((source) => !without.has(source));
    return chain.ask({ what: "blob", digest }, sources, (source, signal) =>
      source.visit(urgency, signal, STAT_BYTES, async (visit) => {
        const stat = await visitStat(visit, digest);
        return stat && { source, stat };
      }),
    );
  }

  async #fetchFrom(
    { digest, heal, listOnly }: FetchedBlob,
    found: FoundBlob,
    control: FlightControl,
  ): Promise<GuardedSource | undefined> {
    const { source, stat } = found;
    const shape = blobShape(stat);
    if (shape === "one chunk") {
      await this.#chunks.fetch({ digest, size: stat.size, heal, from: source }, control);
      return undefined;
    }
    if (shape === "chunks" && listOnly) {
      await this.#put(digest, stat, false, heal);
      return source;
    }
    for (let tries = 1; ; tries += 1) {
      const whole = await this.#fetchChunks(digest, found, shape, control);
      try {
        await this.#put(digest, whole, true, heal);
        return undefined;
      } catch (error) {
        // A collection may have taken chunks away that nothing named yet.
        if (!(error instanceof MissingObject) || tries === COLLECTED_TRIES_MAX) throw error;
      }
    }
  }

  /** Fetches all chunks; returns the proven list. */
  async #fetchChunks(
    digest: Digest,
    { source, stat }: FoundBlob,
    shape: "chunks" | "stream",
    control: FlightControl,
  ): Promise<BlobStat> {
    if (shape === "stream") return await this.#stream(source, digest, control);
    try {
      await this.#chunked.fetch(digest, stat, source, control);
      return stat;
    } catch (error) {
      if (!(error instanceof MissingObject)) throw error;
      // It may not give out chunks by themselves.
      return await this.#stream(source, digest, control);
    }
  }

  #stream(source: GuardedSource, digest: Digest, control: FlightControl): Promise<BlobStat> {
    return fetchStream(this.#room, this.#clock, source, digest, control);
  }

  async #put(digest: Digest, blob: BlobStat, whole: boolean, heal: boolean): Promise<void> {
    await this.#room.filler.putBlob(digest, blob, whole, { replace: heal });
  }

  /** What the failure of one source means when no other has the blob. Rethrows what ends it all. */
  #explain(digest: Digest, source: GuardedSource, error: unknown): unknown {
    if (error instanceof SourceUnavailable) return error;
    const lied = error instanceof SourceLied;
    if (!lied && !(error instanceof MissingObject) && !(error instanceof CorruptObject)) {
      throw error;
    }
    const fault = lied ? error.message : "it says that it has the blob, and does not give it";
    this.#room.chain.addLie(source, { what: "blob", digest }, fault);
    return new CorruptObject("blob", digest, { cause: error });
  }
}

/** Brings single chunks into the local store. */
import type { Digest } from "../../castore/digest.ts";
import { ChunkRanges } from "../chunk-ranges.ts";
import { CorruptObject, MissingObject } from "../errors.ts";
import { CHUNK_BYTES_MAX } from "../fastcdc.ts";
import type { FetchRoom } from "./fetch-room.ts";
import type { FlightControl } from "./flights.ts";
import type { GuardedSource } from "./guarded-source.ts";
import { SourceLied } from "./source-errors.ts";

export interface FetchedChunk {
  readonly digest: Digest;
  /** Bytes, where that is known. */
  readonly size?: number;
  /** What is stored is rotten. */
  readonly heal: boolean;
  /** The blob that it is a part of, where that is known. */
  readonly within?: Digest;
  /** The source to ask before all others. */
  readonly from?: GuardedSource;
}

/** A part of a blob that may be had under the blob's digest. */
interface Place {
  readonly blob: Digest;
  readonly offset: number;
  readonly length: number;
}

export class ChunkFetch {
  readonly #room: FetchRoom;

  constructor(room: FetchRoom) {
    this.#room = room;
  }

  /**
   * The bytes of the chunk when it was fetched now; undefined when the local store had it.
   * @throws as ObjectFetcher.fetch
   */
  async fetch(chunk: FetchedChunk, control: FlightControl): Promise<Uint8Array | undefined> {
    if (!chunk.heal && this.#isHere(chunk.digest)) return undefined;
    const key = `${chunk.heal ? "heal" : "chunk"}${chunk.digest.key}`;
    const flown = await this.#room.flights.run(key, control, (own) => this.#fetch(chunk, own));
    return flown.bytes;
  }

  #isHere(digest: Digest): boolean {
    return this.#room.local.chunkSize(digest) !== undefined;
  }

  async #fetch(chunk: FetchedChunk, control: FlightControl): Promise<{ bytes?: Uint8Array }> {
    try {
      return await this.#ask(chunk, control, undefined);
    } catch (error) {
      if (!(error instanceof MissingObject || error instanceof CorruptObject)) throw error;
      // A source may have the blob cut in another way, or not at all.
      const place = this.#place(chunk);
      if (place === undefined) throw error;
      return await this.#ask(chunk, control, place).catch((second: unknown) => {
        throw second instanceof MissingObject ? error : second;
      });
    }
  }

  async #ask(
    chunk: FetchedChunk,
    { urgency, progressed }: FlightControl,
    place: Place | undefined,
  ): Promise<{ bytes?: Uint8Array }> {
    const { chain, incoming, filler, tally } = this.#room;
    const { digest, heal, from } = chunk;
    const named = place?.blob ?? digest;
    const range = place === undefined ? {} : { offset: place.offset, length: place.length };
    const sources = from === undefined ? chain.sources : chain.startingWith(from);
    return await chain.ask({ what: "chunk", digest }, sources, async (source, signal) => {
      const expected = chunk.size ?? CHUNK_BYTES_MAX;
      using _room = await incoming.enter(expected, urgency, signal);
      const bytes = await source.visit(urgency, signal, expected, async (visit) => {
        // Another process may have brought it while this one waited.
        if (!heal && this.#isHere(digest)) return "here";
        return await visit.read(named, range, progressed);
      });
      if (bytes === undefined) return undefined;
      if (bytes === "here") return {};
      await filler.putChunk({ digest, size: bytes.length }, bytes, { replace: heal }).catch(asLie);
      tally.chunks += 1;
      tally.bytes += bytes.length;
      return { bytes };
    });
  }

  #place({ digest, within }: FetchedChunk): Place | undefined {
    if (within === undefined) return undefined;
    const blob = this.#room.local.blob(within);
    if (blob === undefined || blob === "damaged") return undefined;
    const at = blob.chunks.findIndex((chunk) => chunk.digest.equals(digest));
    if (at < 0) return undefined;
    const length = blob.chunks[at]!.size;
    return { blob: within, offset: new ChunkRanges(blob.chunks).offsetOf(at), length };
  }
}

/** The filler verifies, so that it is done once. */
export function asLie(error: unknown): never {
  if (error instanceof CorruptObject) {
    throw new SourceLied("what it gave has another digest", { cause: error });
  }
  throw error;
}

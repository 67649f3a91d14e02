/**
 * Brings a blob into the local store by its list of chunks: those that are absent, several at a
 * time. All chunks are hashed in order behind them, so that the list is proven in the end.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { createHasher } from "../../castore/blake3.ts";
import type { Digest } from "../../castore/digest.ts";
import { CorruptObject } from "../errors.ts";
import type { BlobStat, Chunk } from "../services.ts";
import type { ChunkFetch } from "./chunk-fetch.ts";
import type { FetchRoom } from "./fetch-room.ts";
import type { FlightControl } from "./flights.ts";
import type { GuardedSource } from "./guarded-source.ts";
import { SourceLied } from "./source-errors.ts";

/** Chunks of one blob that are fetched or kept ahead of the one that is hashed next. */
export const CHUNKS_AHEAD = 16;
/** Bytes of fetched chunks that are kept until it is their turn; others are read back. */
export const KEPT_BYTES_MAX = 32 * 1024 * 1024;

/** Bytes that are hashed before the event loop gets a turn. */
const TURN_BYTES = 8 * 1024 * 1024;

export class ChunkedBlobs {
  readonly #room: FetchRoom;
  readonly #chunks: ChunkFetch;
  #keptBytes = 0;

  constructor(room: FetchRoom, chunks: ChunkFetch) {
    this.#room = room;
    this.#chunks = chunks;
  }

  /**
   * Settles when all chunks are stored and have been hashed to `digest`; asks `from` before others.
   * @throws SourceLied: they are not that blob. MissingObject: a chunk is nowhere. As
   * ObjectFetcher.fetch.
   */
  async fetch(
    digest: Digest,
    { chunks }: BlobStat,
    from: GuardedSource | undefined,
    control: FlightControl,
  ): Promise<void> {
    const hasher = createHasher();
    const ahead: Promise<Uint8Array | undefined>[] = [];
    let begun = 0;
    let sinceTurn = 0;
    try {
      for (const chunk of chunks) {
        for (; begun < chunks.length && ahead.length < CHUNKS_AHEAD; begun += 1) {
          ahead.push(this.#begin(chunks[begun]!, from, control));
        }
        const kept = await ahead.shift();
        const bytes = kept ?? (await this.#readBack(chunk, from, control));
        this.#letGo(kept);
        if (bytes.length !== chunk.size) throw wrongSize();
        hasher.update(bytes);
        control.progressed();
        sinceTurn += bytes.length;
        if (sinceTurn > TURN_BYTES) {
          // When everything is here already, nothing else makes room for others.
          sinceTurn = 0;
          await nextTurn();
        }
      }
    } finally {
      // Only after a failure: the others end by themselves, and what they keep is let go.
      for (const rest of ahead) rest.then((kept) => this.#letGo(kept)).catch(() => {});
    }
    if (!hasher.digest().equals(digest)) {
      throw new SourceLied("the chunks that it lists are not the blob");
    }
  }

  /** The bytes, when they were fetched now and there is room to keep them. */
  #begin(
    { digest, size }: Chunk,
    from: GuardedSource | undefined,
    control: FlightControl,
  ): Promise<Uint8Array | undefined> {
    const keeping = this.#chunks
      .fetch({ digest, size, heal: false, ...asked(from) }, control)
      .then((bytes) => {
        if (bytes === undefined || this.#keptBytes + bytes.length > KEPT_BYTES_MAX) {
          return undefined;
        }
        this.#keptBytes += bytes.length;
        return bytes;
      });
    // Looked at when its turn comes; never, after a failure before it.
    keeping.catch(() => {});
    return keeping;
  }

  async #readBack(
    { digest, size }: Chunk,
    from: GuardedSource | undefined,
    control: FlightControl,
  ): Promise<Uint8Array> {
    const { local } = this.#room;
    const stored = local.chunkSize(digest);
    if (stored !== undefined && stored !== size) throw wrongSize();
    try {
      const bytes = local.readChunk({ digest, size });
      if (bytes !== undefined) return bytes;
    } catch (error) {
      if (!(error instanceof CorruptObject)) throw error;
    }
    const bytes = await this.#chunks.fetch({ digest, size, heal: true, ...asked(from) }, control);
    if (bytes === undefined) throw new CorruptObject("chunk", digest);
    return bytes;
  }

  #letGo(kept: Uint8Array | undefined): void {
    if (kept !== undefined) this.#keptBytes -= kept.length;
  }
}

function asked(from: GuardedSource | undefined): { from?: GuardedSource } {
  return from === undefined ? {} : { from };
}

function wrongSize(): SourceLied {
  return new SourceLied("its list of chunks has wrong sizes");
}

/**
 * Brings a blob into the local store that its source does not cut into chunks, or into chunks that
 * are too large or not to be had: read from the beginning to the end, and cut here.
 */
import type { Digest } from "../../castore/digest.ts";
import { Chunker } from "../chunker.ts";
import { SourceUnavailable } from "../errors.ts";
import type { BlobStat, Chunk } from "../services.ts";
import { type Clock, sleep } from "./clock.ts";
import type { FetchRoom } from "./fetch-room.ts";
import type { FlightControl } from "./flights.ts";
import type { GuardedSource } from "./guarded-source.ts";
import { BACKOFF_MILLISECONDS_MAX, ROUNDS_MAX } from "./source-chain.ts";
import { SourceLied } from "./source-errors.ts";

/** Bytes of one such blob in memory: in the chunker, and waiting for the disk. */
const STREAM_BYTES_MAX = 8 * 1024 * 1024;
/** What is on its way at a time, about: as much as nobody has asked for yet. */
const ON_THE_WAY_BYTES = 256 * 1024;
/** Chunks that wait for the disk before more is read. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/**
 * What was stored: all chunks, hashed to `digest`.
 * @throws SourceLied; MissingObject: the source lacks it. As ObjectFetcher.fetch.
 */
export async function fetchStream(
  room: FetchRoom,
  clock: Clock,
  source: GuardedSource,
  digest: Digest,
  control: FlightControl,
): Promise<BlobStat> {
  const { closing } = room.chain;
  using _room = await room.incoming.enter(STREAM_BYTES_MAX, control.urgency, closing);
  const stream = new BlobStream(room, control);
  for (let failures = 0; ; ) {
    const before = stream.received;
    try {
      await source.visit(control.urgency, closing, ON_THE_WAY_BYTES, async (visit) => {
        await stream.take(visit.stream(digest, { offset: stream.received }));
      });
      break;
    } catch (error) {
      if (!(error instanceof SourceUnavailable)) throw error;
      // It goes on where it was cut off, for as long as it gets on.
      failures = stream.received > before ? 1 : failures + 1;
      if (failures === ROUNDS_MAX) throw error;
      await sleep(clock, BACKOFF_MILLISECONDS_MAX * clock.random(), closing);
    }
  }
  const blob = await stream.end();
  if (!blob.digest.equals(digest)) throw new SourceLied("what it gave has another digest");
  return blob;
}

class BlobStream {
  readonly #room: FetchRoom;
  readonly #control: FlightControl;
  readonly #chunker = new Chunker((chunk, bytes) => this.#put(chunk, bytes));
  #waiting: Promise<void>[] = [];
  #waitingBytes = 0;
  received = 0;

  constructor(room: FetchRoom, control: FlightControl) {
    this.#room = room;
    this.#control = control;
  }

  async take(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of pieces) {
      this.#chunker.write(piece);
      this.received += piece.length;
      this.#control.progressed();
      if (this.#waitingBytes > WAITING_BYTES_MAX) await this.#settle();
    }
  }

  async end(): Promise<BlobStat & Chunk> {
    const blob = this.#chunker.end();
    await this.#settle();
    return blob;
  }

  #put(chunk: Chunk, bytes: Uint8Array): void {
    const { local, filler, tally } = this.#room;
    if (local.chunkSize(chunk.digest) !== undefined) return;
    this.#waitingBytes += bytes.length;
    const putting = filler.putChunk(chunk, bytes.slice()).then(() => {
      tally.chunks += 1;
      tally.bytes += chunk.size;
    });
    // Looked at by `#settle`.
    putting.catch(() => {});
    this.#waiting.push(putting);
  }

  async #settle(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    await Promise.all(waiting);
  }
}

/**
 * Requests to one source. Each is given up when the source keeps silent for too long, slowed down
 * to the bandwidth, and counted for the circuit breaker by how it ends.
 */
import type { Digest } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import { CastoreError } from "../../castore/errors.ts";
import { AbortScope, orAborted } from "../abort-scope.ts";
import { CorruptObject, InvalidGraph, MissingObject, SourceUnavailable } from "../errors.ts";
import { CHUNK_BYTES_MAX } from "../fastcdc.ts";
import type { BlobStat, ByteRange } from "../services.ts";
import type { Source } from "../source.ts";
import type { Bandwidth } from "./bandwidth.ts";
import type { CircuitBreaker } from "./circuit-breaker.ts";
import type { Clock } from "./clock.ts";
import type { FetchTally } from "./fetch-tally.ts";
import { SourceLied, SourceResting } from "./source-errors.ts";
import type { Urgency } from "./urgency.ts";

/** What all visits of one source have in common. */
export interface VisitedSource {
  readonly source: Source;
  readonly breaker: CircuitBreaker;
  readonly bandwidth: Bandwidth;
  readonly clock: Clock;
  readonly attemptMilliseconds: number;
  readonly tally: FetchTally;
}

/** What an entry of a directory takes on the wire, about. */
const ENTRY_BYTES = 60;

/**
 * Every method throws SourceUnavailable, SourceLied, or the reason of the signal. Undefined: the
 * source says that it does not have the object.
 */
export class SourceVisit {
  readonly #at: VisitedSource;
  readonly #urgency: Urgency;
  readonly #signal: AbortSignal;

  constructor(at: VisitedSource, urgency: Urgency, signal: AbortSignal) {
    this.#at = at;
    this.#urgency = urgency;
    this.#signal = signal;
  }

  stat(digest: Digest): Promise<BlobStat | undefined> {
    return this.#answer((source, signal) => source.blobs.stat(digest, { signal }));
  }

  directory(digest: Digest): Promise<Directory | undefined> {
    return this.#answer((source, signal) => source.directories.get(digest, { signal }));
  }

  /** The directory and all below it, as they come; none when the source does not have it. */
  directories(digest: Digest): AsyncGenerator<Directory> {
    return this.#pieces(
      (source, signal) => source.directories.getRecursive(digest, { signal }),
      ({ entries }) => entries.length * ENTRY_BYTES,
    );
  }

  /** Bytes of a blob or chunk as they come. Each piece is valid until the next is asked for. */
  stream(digest: Digest, range: ByteRange): AsyncGenerator<Uint8Array> {
    return this.#pieces(
      (source, signal) => source.blobs.read(digest, range, { signal }),
      (piece) => piece.length,
    );
  }

  /**
   * All bytes of a chunk, or of a blob that is no larger than one can be; undefined for a larger
   * one, too. `came` is called with each piece.
   */
  async read(digest: Digest, range: ByteRange, came: () => void): Promise<Uint8Array | undefined> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const piece of this.stream(digest, range)) {
        length += piece.length;
        if (length > CHUNK_BYTES_MAX) return undefined;
        pieces.push(piece.slice());
        came();
      }
    } catch (error) {
      if (error instanceof MissingObject) return undefined;
      throw error;
    }
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces, length);
  }

  async #answer<T>(ask: (source: Source, signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#begin();
    using scope = new AbortScope(this.#signal);
    try {
      const answer = await this.#patiently(scope, ask(this.#at.source, scope.signal));
      this.#at.breaker.succeeded();
      return answer;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** @throws MissingObject, too */
  async *#pieces<T>(
    open: (source: Source, signal: AbortSignal) => AsyncIterable<T>,
    weigh: (piece: T) => number,
  ): AsyncGenerator<T> {
    this.#begin();
    const { source, breaker, bandwidth } = this.#at;
    using scope = new AbortScope(this.#signal);
    const iterator = open(source, scope.signal)[Symbol.asyncIterator]();
    let ended = false;
    try {
      for (;;) {
        const step = await this.#patiently(scope, iterator.next());
        if (step.done === true) break;
        await bandwidth.pay(weigh(step.value), this.#urgency, scope.signal);
        yield step.value;
      }
      ended = true;
      breaker.succeeded();
    } catch (error) {
      ended = true;
      scope.abort(error);
      iterator.return?.().catch(() => {});
      throw this.#failure(error);
    } finally {
      if (!ended) {
        // Whoever asked has enough: that is no fault of the source.
        breaker.abandoned();
        scope.abort(new SourceUnavailable("nobody listens any more"));
        // Not awaited: it may hang in a request that looks at no signal.
        iterator.return?.().catch(() => {});
      }
    }
  }

  #begin(): void {
    const { breaker, source, tally } = this.#at;
    if (!breaker.begin()) throw new SourceResting(`${source.name} has failed too often just now`);
    tally.requests += 1;
  }

  async #patiently<T>(scope: AbortScope, promise: Promise<T>): Promise<T> {
    const { clock, attemptMilliseconds, source } = this.#at;
    using _limit = scope.limit(clock, attemptMilliseconds, `an answer of ${source.name}`);
    return await orAborted(promise, scope.signal);
  }

  /** Counts the failure, and says what it means to us. */
  #failure(error: unknown): unknown {
    const { breaker, source, tally } = this.#at;
    if (this.#signal.aborted) {
      breaker.abandoned();
      return this.#signal.reason;
    }
    if (error instanceof MissingObject) {
      breaker.succeeded();
      return error;
    }
    if (error instanceof SourceLied) return error;
    if (
      error instanceof CorruptObject ||
      error instanceof InvalidGraph ||
      error instanceof CastoreError
    ) {
      breaker.succeeded();
      return new SourceLied(error.message, { cause: error });
    }
    breaker.failed();
    tally.failures += 1;
    if (error instanceof SourceUnavailable) return error;
    const reason = error instanceof Error ? error.message : String(error);
    return new SourceUnavailable(`${source.name}: ${reason}`, { cause: error });
  }
}

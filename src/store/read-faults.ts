/**
 * What becomes of an object that cannot be read: a miss, to be fetched, where somebody fetches;
 * otherwise -EIO and a line in the log with the digest.
 */
import { EIO } from "../base/errno.ts";
import type { Logger, LogLevel } from "../base/logger.ts";
import { MISSING } from "../base/missing.ts";
import { OnceLogger } from "../base/once-logger.ts";
import { digestText } from "../castore/digest.ts";
import type { Misses } from "./misses.ts";
import type { WantedObject } from "./object-fetcher.ts";

export class ReadFaults {
  readonly #logger: Logger;
  readonly #misses: Misses | undefined;

  /** Without `misses` nobody fetches. */
  constructor(logger: Logger, misses: Misses | undefined) {
    this.#logger = new OnceLogger(logger);
    this.#misses = misses;
  }

  /** Whether what cannot be read may be fetched. */
  get canFetch(): boolean {
    return this.#misses !== undefined;
  }

  /**
   * The store lacks the object with the digest `bytes[start, start + 32)`. `within` is the digest of
   * the blob that a chunk belongs to, `size` says how many bytes a blob has.
   */
  absent(
    kind: WantedObject["kind"],
    bytes: Uint8Array,
    start: number,
    within?: Uint8Array,
    size?: number,
  ): number {
    if (this.#misses === undefined) {
      const digest = digestText(bytes, start);
      this.#logger.log("error", `${kind} is not in the store`, { digest });
      return -EIO;
    }
    this.#misses.add(kind, bytes, start, false, within, size);
    return MISSING;
  }

  /** It is there, and cannot be used. */
  rotten(
    kind: WantedObject["kind"],
    message: string,
    bytes: Uint8Array,
    start: number,
    within?: Uint8Array,
    error?: unknown,
  ): number {
    if (this.#misses === undefined) return this.failed(message, bytes, start, error);
    this.#log("warn", message, bytes, start, error);
    this.#misses.add(kind, bytes, start, true, within);
    return MISSING;
  }

  /** It cannot be read for a reason that fetching it would not help with. -EIO. */
  failed(message: string, bytes: Uint8Array, start: number, error?: unknown): number {
    this.#log("error", message, bytes, start, error);
    return -EIO;
  }

  #log(level: LogLevel, message: string, bytes: Uint8Array, start: number, error: unknown): void {
    const reason = error instanceof Error ? (error.cause ?? error) : error;
    this.#logger.log(level, message, {
      digest: digestText(bytes, start),
      ...(reason !== undefined && {
        error: reason instanceof Error ? reason.message : `${reason}`,
      }),
    });
  }
}

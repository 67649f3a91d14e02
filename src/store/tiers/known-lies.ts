/** Which source gave wrong data for which object a while ago: it need not be asked again so soon. */
import type { Logger } from "../../base/logger.ts";
import type { Digest } from "../../castore/digest.ts";
import type { Clock } from "./clock.ts";
import type { FetchTally } from "./fetch-tally.ts";

/** Lies remembered; the oldest are forgotten first. */
export const LIES_MAX = 4096;
/** For this long. The source may have been repaired since. */
export const LIE_MILLISECONDS = 10_000;

export class KnownLies {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tally: FetchTally;
  /** When each was told; the oldest first. */
  readonly #told = new Map<string, number>();

  constructor(clock: Clock, logger: Logger, tally: FetchTally) {
    this.#clock = clock;
    this.#logger = logger;
    this.#tally = tally;
  }

  has(source: string, digest: Digest): boolean {
    const told = this.#told.get(keyOf(source, digest));
    return told !== undefined && this.#clock.now() - told < LIE_MILLISECONDS;
  }

  add(source: string, what: string, digest: Digest, fault: string): void {
    this.#tally.lies += 1;
    const fields = { source, [what]: digest.toString(), fault };
    this.#logger.log("warn", "source gave wrong data, passed over", fields);
    const key = keyOf(source, digest);
    this.#told.delete(key);
    this.#told.set(key, this.#clock.now());
    if (this.#told.size <= LIES_MAX) return;
    for (const oldest of this.#told.keys()) {
      this.#told.delete(oldest);
      return;
    }
  }
}

function keyOf(source: string, digest: Digest): string {
  return `${digest.key}${source}`;
}

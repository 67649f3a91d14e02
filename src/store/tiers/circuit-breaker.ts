/**
 * Keeps us from asking a source that does not answer. Closed: requests go through. After several
 * failures in a row it opens: nothing goes through for a while. Then it is half open: one request
 * tries; if it fails, the pause is longer.
 */
import type { Clock } from "./clock.ts";

/** Failures in a row that open it. */
export const FAILURES_TO_OPEN = 5;
/**
 * The first pause, doubled with each request that fails after one, and the longest: well below what
 * a guest waits, so that whoever waits sees the source tried again.
 */
export const PAUSE_MILLISECONDS = 1000;
export const PAUSE_MILLISECONDS_MAX = 5_000;
/** A pause is this part longer or shorter, by chance: many daemons shall not come back at once. */
const PAUSE_SPREAD = 0.2;

export type BreakerState = "closed" | "open" | "half-open";

export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #onChange: (state: BreakerState) => void;
  #state: BreakerState = "closed";
  #failures = 0;
  #pause = 0;
  #opensUntil = 0;

  constructor(clock: Clock, onChange: (state: BreakerState) => void) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Whether `begin` would let a request through now. */
  get ready(): boolean {
    if (this.#state === "open") return this.#clock.now() >= this.#opensUntil;
    return this.#state === "closed";
  }

  /** False: the request must not be made. True: tell how it ended, in any case. */
  begin(): boolean {
    if (!this.ready) return false;
    if (this.#state === "open") this.#change("half-open");
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#pause = 0;
    this.#change("closed");
  }

  failed(): void {
    this.#failures += 1;
    // Those that began before it opened tell nothing new.
    if (this.#state === "open") return;
    if (this.#state === "closed" && this.#failures < FAILURES_TO_OPEN) return;
    this.#pause = Math.min(
      PAUSE_MILLISECONDS_MAX,
      this.#pause === 0 ? PAUSE_MILLISECONDS : this.#pause * 2,
    );
    const spread = 1 + PAUSE_SPREAD * (2 * this.#clock.random() - 1);
    this.#opensUntil = this.#clock.now() + this.#pause * spread;
    this.#change("open");
  }

  /** It ended for a reason of ours: that tells nothing of the source. */
  abandoned(): void {
    if (this.#state === "half-open") this.#state = "open";
  }

  #change(state: BreakerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#onChange(state);
  }
}

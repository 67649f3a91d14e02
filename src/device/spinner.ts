/**
 * Looking for the next request a little while before blocking in epoll_wait(2): at depth 1 most of a
 * request's latency is the wake-up. Spinning must pay: it stops after a run of misses, and a hit
 * that came by way of a kick soon enough turns it on again.
 */

/** Fruitless spins in a row after which the spinner gives up. */
export const SPIN_MISSES_MAX = 8;

/** Looks between two readings of the clock, which costs as much as several looks. */
const LOOKS_PER_CLOCK_READING = 32;

export class Spinner {
  readonly #budgetMilliseconds: number;
  #misses = 0;

  /** `microseconds` of spinning at the most; 0: never. */
  constructor(microseconds: number) {
    this.#budgetMilliseconds = microseconds / 1000;
  }

  /** Whether it ever spins. */
  get isOn(): boolean {
    return this.#budgetMilliseconds > 0;
  }

  /** Whether spinning is worth a try now. */
  get pays(): boolean {
    return this.isOn && this.#misses < SPIN_MISSES_MAX;
  }

  /** Calls `look` until it finds work or the budget is spent. Returns whether it found any. */
  spin(look: () => boolean): boolean {
    // Mostly the next request comes before the clock is read for the first time.
    for (let end = 0; end === 0 || performance.now() < end; ) {
      for (let i = 0; i < LOOKS_PER_CLOCK_READING; i++) {
        if (!look()) continue;
        this.#misses = 0;
        return true;
      }
      if (end === 0) end = performance.now() + this.#budgetMilliseconds;
    }
    this.#misses += 1;
    return false;
  }

  /** A kick came after `waitedMilliseconds`: within the budget a spin had met it. */
  woken(waitedMilliseconds: number): void {
    if (waitedMilliseconds <= this.#budgetMilliseconds) this.#misses = 0;
  }
}

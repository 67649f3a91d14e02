/**
 * A guest can make the daemon complain as often as it likes; the log must not grow with its anger.
 * A token bucket lets a burst through, then a trickle, and says how many lines it kept back.
 */
import type { LogFields, Logger, LogLevel } from "./logger.ts";

/** Lines that may follow one another at once. */
export const LOG_BURST_LINES = 40;

/** Lines a second after the burst. */
export const LOG_LINES_PER_SECOND = 5;

export class RateLimitedLogger implements Logger {
  readonly #target: Logger;
  readonly #now: () => number;
  #tokens = LOG_BURST_LINES;
  #refilledAt: number;
  #suppressed = 0;

  /** `now` gives milliseconds; tests inject a clock. */
  constructor(target: Logger, now: () => number = () => performance.now()) {
    this.#target = target;
    this.#now = now;
    this.#refilledAt = now();
  }

  log(level: LogLevel, message: string, fields?: LogFields): void {
    const now = this.#now();
    const refill = ((now - this.#refilledAt) / 1000) * LOG_LINES_PER_SECOND;
    this.#tokens = Math.min(LOG_BURST_LINES, this.#tokens + refill);
    this.#refilledAt = now;
    if (this.#tokens < 1) {
      this.#suppressed += 1;
      return;
    }
    this.#tokens -= 1;
    if (this.#suppressed > 0) {
      this.#target.log("warn", "log lines kept back", { lines: this.#suppressed });
      this.#suppressed = 0;
    }
    this.#target.log(level, message, fields);
  }
}

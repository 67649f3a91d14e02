/** A token bucket: so many bytes a second on average, a little more at once; foreground first. */
import { type Clock, sleep } from "./clock.ts";
import { PriorityGate } from "./priority-gate.ts";
import type { Urgency } from "./urgency.ts";

/** What may come at once after a silence: the bytes of this long. */
export const BURST_MILLISECONDS = 250;
/** Paid at a time in the background, so that the foreground does not wait for long behind it. */
const SLICE_BYTES = 64 * 1024;

export class Bandwidth {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  /** One at a time looks at the bucket and waits. */
  readonly #turn = new PriorityGate({ max: 1, backgroundMax: 1, backgroundBesideMax: 0 });
  /** Bytes that may come now; below 0, those that came too early. */
  #tokens: number;
  #filledAt: number;

  /** `bytesPerSecond` of 0: no limit. */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
    this.#tokens = this.#burst;
    this.#filledAt = clock.now();
  }

  /** Pays for bytes that came; settles when the next may. @throws the signal's reason */
  async pay(bytes: number, urgency: Urgency, signal: AbortSignal): Promise<void> {
    if (this.#bytesPerSecond === 0) return;
    for (let left = bytes; left > 0; ) {
      using _turn = await this.#turn.enter(1, urgency, signal);
      const paid = urgency.foreground ? left : Math.min(left, SLICE_BYTES);
      left -= paid;
      this.#fill();
      this.#tokens -= paid;
      if (this.#tokens >= 0) continue;
      await sleep(this.#clock, (-this.#tokens / this.#bytesPerSecond) * 1000, signal);
    }
  }

  get #burst(): number {
    return (this.#bytesPerSecond * BURST_MILLISECONDS) / 1000;
  }

  #fill(): void {
    const now = this.#clock.now();
    const earned = ((now - this.#filledAt) / 1000) * this.#bytesPerSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned);
    this.#filledAt = now;
  }
}

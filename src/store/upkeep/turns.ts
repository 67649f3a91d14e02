/** Long work on the event loop's thread lets others have their turn, and hears when to stop. */
import { setImmediate as nextTurn } from "node:timers/promises";

const TURN_MILLISECONDS = 50;

export class Turns {
  readonly #signal: AbortSignal | undefined;
  readonly #report: () => void;
  #ends = 0;

  /** `report` is called once a turn. */
  constructor(signal: AbortSignal | undefined, report: () => void) {
    this.#signal = signal;
    this.#report = report;
  }

  /** True when it is time to call `pause`. */
  get over(): boolean {
    return performance.now() >= this.#ends;
  }

  /** @throws the reason of the signal. */
  async pause(): Promise<void> {
    this.#report();
    await nextTurn();
    this.#signal?.throwIfAborted();
    this.#ends = performance.now() + TURN_MILLISECONDS;
  }
}

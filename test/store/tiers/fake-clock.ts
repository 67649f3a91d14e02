/** Time that passes when a test says so, or as soon as everybody sleeps. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../../src/store/tiers/clock.ts";

/** Turns of the event loop after which whoever does not sleep has had time to go on. */
const IDLE_TURNS = 3;

interface Sleeper {
  readonly wakesAt: number;
  readonly wake: () => void;
}

export class FakeClock implements Clock {
  #now = 0;
  readonly #sleepers = new Set<Sleeper>();
  #random: () => number;

  constructor(random: () => number = () => 0.5) {
    this.#random = random;
  }

  now(): number {
    return this.#now;
  }

  random(): number {
    return this.#random();
  }

  timer(milliseconds: number, ring: () => void): Disposable {
    const sleeper = { wakesAt: this.#now + milliseconds, wake: ring };
    this.#sleepers.add(sleeper);
    return { [Symbol.dispose]: () => void this.#sleepers.delete(sleeper) };
  }

  /** Lets so much time pass, waking sleepers on the way. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    await idle();
    for (
      let next = this.#next();
      next !== undefined && next.wakesAt <= until;
      next = this.#next()
    ) {
      this.#wake(next);
      await idle();
    }
    this.#now = until;
  }

  /** Lets time pass until `promise` settles. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const end = () => {
      settled = true;
    };
    promise.then(end, end);
    for (;;) {
      await idle();
      if (settled) return await promise;
      const next = this.#next();
      if (next !== undefined) this.#wake(next);
    }
  }

  #next(): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (first === undefined || sleeper.wakesAt < first.wakesAt) first = sleeper;
    }
    return first;
  }

  #wake(sleeper: Sleeper): void {
    this.#sleepers.delete(sleeper);
    this.#now = Math.max(this.#now, sleeper.wakesAt);
    sleeper.wake();
  }
}

/** Settles when those who do not sleep have gone on as far as they can. */
export async function idle(): Promise<void> {
  for (let turn = 0; turn < IDLE_TURNS; turn += 1) await nextTurn();
}

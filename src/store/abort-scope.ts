/** Signals that end one piece of work: with whatever surrounds it, or because it takes too long. */
import { SourceUnavailable } from "./errors.ts";
import type { Clock } from "./tiers/clock.ts";

/** A signal of one's own that is aborted with an outer one, at the latest. */
export class AbortScope implements Disposable {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #follow = () => this.#controller.abort(this.#outer.reason);

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    if (outer.aborted) this.#follow();
    else outer.addEventListener("abort", this.#follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts with SourceUnavailable in `milliseconds`, unless the answer is disposed before. */
  limit(clock: Clock, milliseconds: number, what: string): Disposable {
    return clock.timer(milliseconds, () => {
      const message = `${what} took longer than ${Math.round(milliseconds)} ms`;
      this.#controller.abort(new SourceUnavailable(message));
    });
  }

  /** Ends whatever still listens to the signal. */
  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#outer.removeEventListener("abort", this.#follow);
  }
}

/**
 * Settles as `promise` does, or rejects with the reason of `signal` as soon as that is aborted:
 * not everything that is given a signal looks at it.
 */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const listener = () => reject(signal.reason);
  if (signal.aborted) listener();
  else signal.addEventListener("abort", listener, { once: true });
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener("abort", listener);
  }
}

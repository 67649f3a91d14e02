/**
 * Lets so much through at a time: requests to a source, bytes on their way to the disk. Whoever is
 * in the foreground goes before all that are not, whenever they came; equals go in order.
 */
import type { Urgency } from "./urgency.ts";

export interface GateLimits {
  /** Weight inside at a time. Something heavier gets in alone. */
  readonly max: number;
  /** How much of that may be in the background. */
  readonly backgroundMax: number;
  /** The same while something of the foreground is inside. */
  readonly backgroundBesideMax: number;
}

interface Visitor {
  readonly weight: number;
  readonly urgency: Urgency;
  readonly enter: () => void;
  /** What it was counted as when it last was. */
  foreground: boolean;
}

/** The queues are no longer than the table of fetches under way, see FLIGHTS_MAX. */
export class PriorityGate {
  readonly #limits: GateLimits;
  readonly #foreground = new Set<Visitor>();
  readonly #background = new Set<Visitor>();
  #foregroundInside = 0;
  #backgroundInside = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /**
   * Settles when there is room for `weight`, which is taken until the answer is disposed.
   * @throws the signal's reason
   */
  async enter(weight: number, urgency: Urgency, signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const visitor = { weight, urgency, enter: resolve, foreground: urgency.foreground };
    const aborted = () => {
      if (this.#queue(visitor).delete(visitor)) reject(signal.reason);
    };
    signal.addEventListener("abort", aborted, { once: true });
    const changes = urgency.onChange(() => this.#reconsider(visitor));
    this.#queue(visitor).add(visitor);
    this.#admit();
    try {
      await promise;
    } catch (error) {
      changes[Symbol.dispose]();
      throw error;
    } finally {
      signal.removeEventListener("abort", aborted);
    }
    let inside = true;
    return {
      [Symbol.dispose]: () => {
        if (!inside) return;
        inside = false;
        changes[Symbol.dispose]();
        this.#count(visitor, -1);
        this.#admit();
      },
    };
  }

  #queue(visitor: Visitor): Set<Visitor> {
    return visitor.foreground ? this.#foreground : this.#background;
  }

  /** Its urgency changed: it moves to the other queue, or counts as the other kind. */
  #reconsider(visitor: Visitor): void {
    const waits = this.#queue(visitor).delete(visitor);
    if (!waits) this.#count(visitor, -1);
    visitor.foreground = visitor.urgency.foreground;
    if (waits) this.#queue(visitor).add(visitor);
    else this.#count(visitor, 1);
    this.#admit();
  }

  #count({ foreground, weight }: Visitor, sign: 1 | -1): void {
    if (foreground) this.#foregroundInside += sign * weight;
    else this.#backgroundInside += sign * weight;
  }

  #admit(): void {
    for (const visitor of this.#foreground) {
      if (!this.#fits(visitor.weight)) return;
      this.#let(visitor);
    }
    for (const visitor of this.#background) {
      if (!this.#fits(visitor.weight) || !this.#fitsBehind(visitor.weight)) return;
      this.#let(visitor);
    }
  }

  #let(visitor: Visitor): void {
    this.#queue(visitor).delete(visitor);
    this.#count(visitor, 1);
    visitor.enter();
  }

  #fits(weight: number): boolean {
    const inside = this.#foregroundInside + this.#backgroundInside;
    return inside === 0 || inside + weight <= this.#limits.max;
  }

  #fitsBehind(weight: number): boolean {
    const alone = this.#foregroundInside === 0;
    if (alone && this.#backgroundInside === 0) return true;
    const { backgroundMax, backgroundBesideMax } = this.#limits;
    return this.#backgroundInside + weight <= (alone ? backgroundMax : backgroundBesideMax);
  }
}

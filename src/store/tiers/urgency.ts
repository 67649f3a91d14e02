/**
 * How urgent a piece of work is: in the background, unless it was begun in the foreground or
 * somebody in the foreground waits for it just now.
 */
import type { FetchPriority } from "../object-fetcher.ts";

export class Urgency {
  readonly #base: boolean;
  readonly #changed = new Set<() => void>();
  #lifts = 0;

  constructor(priority: FetchPriority) {
    this.#base = priority === "foreground";
  }

  get foreground(): boolean {
    return this.#base || this.#lifts > 0;
  }

  /** Calls `listener` after each change, until the answer is disposed. */
  onChange(listener: () => void): Disposable {
    this.#changed.add(listener);
    return { [Symbol.dispose]: () => void this.#changed.delete(listener) };
  }

  /** Keeps `other` at least as urgent as this, until the answer is disposed. */
  lift(other: Urgency): Disposable {
    let lifted = false;
    const follow = () => {
      if (lifted === this.foreground) return;
      lifted = this.foreground;
      other.#addLift(lifted ? 1 : -1);
    };
    const changes = this.onChange(follow);
    follow();
    return {
      [Symbol.dispose]: () => {
        changes[Symbol.dispose]();
        if (lifted) other.#addLift(-1);
        lifted = false;
      },
    };
  }

  #addLift(count: number): void {
    const before = this.foreground;
    this.#lifts += count;
    if (this.foreground === before) return;
    for (const listener of [...this.#changed]) listener();
  }
}

/** Notices when the other side of a call says nothing for too long while somebody waits for it. */

export class SilenceTimer {
  readonly #timer: NodeJS.Timeout;
  #waiting = false;

  /** Calls `onSilence` once `milliseconds` of a `watch` have passed. */
  constructor(milliseconds: number, onSilence: () => void) {
    this.#timer = setTimeout(() => {
      if (this.#waiting) onSilence();
    }, milliseconds);
    this.#timer.unref();
  }

  /** What happens while nobody waits is no silence: the reader may be slow. */
  async watch<Result>(step: Promise<Result>): Promise<Result> {
    this.#timer.refresh();
    this.#waiting = true;
    try {
      return await step;
    } finally {
      this.#waiting = false;
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

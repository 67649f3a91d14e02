/** Work that is done several pieces at a time. */
export class Several {
  readonly #width: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  /** Up to `width` pieces at a time. */
  constructor(width: number) {
    this.#width = width;
  }

  /** Takes on a piece; settles when there is room for the next. @throws what any piece threw */
  async take(work: Promise<void>): Promise<void> {
    const running = work
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
    while (this.#running.size >= this.#width) await this.one();
  }

  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  /** Settles when one more piece is done, if any is under way. @throws what any piece threw */
  async one(): Promise<void> {
    if (!this.isIdle) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Settles when all pieces are done. @throws what any piece threw */
  async all(): Promise<void> {
    do await this.one();
    while (!this.isIdle);
  }
}

/** Calls `use` for each item, up to `width` at a time. @throws what `use` throws */
export async function eachSeveral<T>(
  items: Iterable<T> | AsyncIterable<T>,
  width: number,
  use: (item: T) => Promise<void>,
): Promise<void> {
  const several = new Several(width);
  for await (const item of items) await several.take(use(item));
  await several.all();
}

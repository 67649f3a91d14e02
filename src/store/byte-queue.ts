/** A stream of bytes, taken in the amounts that are wanted. Holds little more than is asked for. */
export class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  /** What was received and not taken: `#piece` from `#at` on. */
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly `length` bytes, or undefined when the stream ends before. Valid until the next call. */
  async take(length: number): Promise<Uint8Array | undefined> {
    if (this.#piece.length - this.#at < length) {
      const gathered = new Uint8Array(length);
      let have = 0;
      while (have < length) {
        const some = await this.some(length - have);
        if (some === undefined) return undefined;
        gathered.set(some, have);
        have += some.length;
      }
      return gathered;
    }
    this.#at += length;
    return this.#piece.subarray(this.#at - length, this.#at);
  }

  /** One to `lengthMax` bytes, whatever is there; undefined at the end. Valid until the next call. */
  async some(lengthMax: number): Promise<Uint8Array | undefined> {
    while (this.#at === this.#piece.length) {
      const next = await this.#source.next();
      if (next.done === true) return undefined;
      this.#piece = next.value;
      this.#at = 0;
    }
    const end = Math.min(this.#piece.length, this.#at + lengthMax);
    const some = this.#piece.subarray(this.#at, end);
    this.#at = end;
    return some;
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

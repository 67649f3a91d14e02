/** Text that arrives bit by bit, kept whole, which one can wait on. */
import type { Readable } from "node:stream";

/** Bytes kept of one guest's output; more than any test prints. */
export const TRANSCRIPT_BYTES_MAX = 256 * 1024 * 1024;

interface Waiter {
  readonly pattern: RegExp;
  readonly from: number;
  readonly resolve: (match: RegExpMatchArray) => void;
  readonly reject: (error: Error) => void;
}

export class Transcript {
  readonly #onLine: ((line: string) => void) | undefined;
  #text = "";
  #lineStart = 0;
  #ended = false;
  #waiters: Waiter[] = [];

  constructor(stream: Readable, onLine?: (line: string) => void) {
    this.#onLine = onLine;
    stream.setEncoding("latin1"); // bytes stay what they are; checkers escape what is not ASCII
    stream.on("data", (chunk: string) => this.#append(chunk));
    stream.on("error", () => this.#end());
    stream.on("close", () => this.#end());
    stream.on("end", () => this.#end());
  }

  get text(): string {
    return this.#text;
  }

  /**
   * Settles with the first match at or after `from`, at once when it is there already. Rejects
   * when the stream ends without it, or after `seconds`.
   */
  async waitFor(pattern: RegExp, seconds: number, from = 0): Promise<RegExpMatchArray> {
    const now = this.#text.slice(from).match(pattern);
    if (now !== null) return now;
    if (this.#ended) throw new Error(this.#missing(pattern, "it ended"));
    return await new Promise<RegExpMatchArray>((resolve, reject) => {
      const waiter: Waiter = {
        pattern,
        from,
        resolve: (match) => {
          clearTimeout(timer);
          resolve(match);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(new Error(this.#missing(pattern, `${seconds} s are over`)));
      }, seconds * 1000);
      this.#waiters.push(waiter);
    });
  }

  #append(chunk: string): void {
    if (this.#text.length + chunk.length > TRANSCRIPT_BYTES_MAX) return;
    this.#text += chunk;
    if (this.#onLine !== undefined) this.#callLines(this.#onLine);
    this.#waiters = this.#waiters.filter((waiter) => {
      const match = this.#text.slice(waiter.from).match(waiter.pattern);
      if (match !== null) waiter.resolve(match);
      return match === null;
    });
  }

  #callLines(onLine: (line: string) => void): void {
    for (;;) {
      const end = this.#text.indexOf("\n", this.#lineStart);
      if (end < 0) return;
      onLine(this.#text.slice(this.#lineStart, end));
      this.#lineStart = end + 1;
    }
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const waiter of this.#waiters) {
      waiter.reject(new Error(this.#missing(waiter.pattern, "it ended")));
    }
    this.#waiters = [];
  }

  #missing(pattern: RegExp, why: string): string {
    return `waited for ${pattern} but ${why}; the last that came:\n${this.#text.slice(-2000)}`;
  }
}

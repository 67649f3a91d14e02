/**
 * Reports what is read for the first time, in order, for a recording: a list of what a machine needs
 * can be fetched ahead for the next one. Records are a byte for the kind and the digest.
 */
import { DIGEST_BYTES, digestKey } from "../castore/digest.ts";
import { TICK_MILLISECONDS } from "./parked-requests.ts";

/** What a record's first byte stands for. */
export const TOUCHED_KINDS = ["directory", "blob", "chunk"] as const;
export type TouchedKind = (typeof TOUCHED_KINDS)[number];

export const TOUCH_BYTES = 1 + DIGEST_BYTES;

/** Different objects that are told from one another; what else is read is not reported. */
export const TOUCHES_MAX = 512 * 1024;

/** Records in one message. */
export const TOUCHES_PER_MESSAGE = 1024;

export class TouchLog {
  readonly #post: (records: Uint8Array) => void;
  readonly #seen = new Set<string>();
  readonly #records = new Uint8Array(TOUCHES_PER_MESSAGE * TOUCH_BYTES);
  readonly #now: () => number;
  #used = 0;
  /** When the first of the records that wait is to be posted at the latest. */
  #due = 0;

  /** `now` gives milliseconds; tests inject a clock. */
  constructor(post: (records: Uint8Array) => void, now: () => number = () => performance.now()) {
    this.#post = post;
    this.#now = now;
  }

  /** Whether nothing waits to be posted. */
  get isEmpty(): boolean {
    return this.#used === 0;
  }

  /** The object with the digest `bytes[start, start + 32)` is being read. */
  touched(kind: TouchedKind, bytes: Uint8Array, start: number): void {
    const key = kind + digestKey(bytes, start);
    if (this.#seen.size >= TOUCHES_MAX || this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.#used === 0) this.#due = this.#now() + TICK_MILLISECONDS;
    this.#records[this.#used] = TOUCHED_KINDS.indexOf(kind);
    this.#records.set(bytes.subarray(start, start + DIGEST_BYTES), this.#used + 1);
    this.#used += TOUCH_BYTES;
    if (this.#used === this.#records.length) this.flush();
  }

  /** Posts what has waited long enough. */
  tick(): void {
    if (this.#used > 0 && this.#now() >= this.#due) this.flush();
  }

  /** Posts what is left: before the thread ends. */
  flush(): void {
    if (this.#used === 0) return;
    this.#post(this.#records.slice(0, this.#used));
    this.#used = 0;
  }
}

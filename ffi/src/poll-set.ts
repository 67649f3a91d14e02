/**
 * poll(2) over a fixed number of places. The array of `struct pollfd` lies in native memory and is
 * written through typed arrays, so that waiting costs one call and allocates nothing.
 */
import { checked } from "./errors.ts";
import { NativeBlock } from "./native-memory.ts";
import { shim } from "./shim.ts";

/** struct pollfd { int fd; short events; short revents; } (poll.h) */
const POLLFD_BYTES = 8;
const POLLIN = 0x1;

export class PollSet implements Disposable {
  readonly capacity: number;
  readonly #entries: NativeBlock;
  readonly #fds: Int32Array;
  readonly #events: Int16Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#entries = new NativeBlock(capacity * POLLFD_BYTES);
    this.#fds = new Int32Array(this.#entries.buffer);
    this.#events = new Int16Array(this.#entries.buffer);
    for (let place = 0; place < capacity; place++) {
      this.#fds[2 * place] = -1;
      this.#events[4 * place + 2] = POLLIN;
    }
  }

  /** Watches `fd` at `place` for something to read; -1 leaves the place empty. */
  set(place: number, fd: number): void {
    this.#fds[2 * place] = fd;
    this.#events[4 * place + 3] = 0;
  }

  /**
   * Blocks until a place is ready, at most `timeoutMilliseconds` (-1: for ever, 0: not at all).
   * Returns how many are; 0 too when a signal came. A disposed set throws.
   * @throws SystemError
   */
  wait(timeoutMilliseconds: number): number {
    if (this.#fds.length === 0) throw new RangeError("this PollSet is disposed");
    const ready = shim.poll(this.#entries.address, this.capacity, timeoutMilliseconds);
    return ready < 0 ? checked(ready, "poll") : ready;
  }

  /** After `wait`: is there something to read at `place`, or has its other side gone or failed? */
  isReady(place: number): boolean {
    return this.#events[4 * place + 3] !== 0;
  }

  [Symbol.dispose](): void {
    this.#entries[Symbol.dispose]();
  }
}

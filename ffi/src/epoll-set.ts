/**
 * epoll(7) over a fixed number of places: as `PollSet`, but the kernel keeps the set, so that waiting
 * costs the less the more is watched. And an eventfd may be watched for every signal anew: then it
 * need not be emptied.
 */
import { checked } from "./errors.ts";
import { NativeBlock } from "./native-memory.ts";
import { shim } from "./shim.ts";

const NOTHING = -1;

export class EpollSet implements Disposable {
  readonly capacity: number;
  readonly #fd: number;
  /** What is watched at each place. */
  readonly #watched: Int32Array;
  /** Where the shim puts the places that are ready. */
  readonly #block: NativeBlock;
  readonly #places: Uint32Array;
  /** 1 for each of them. */
  readonly #isReady: Uint8Array;
  #readyCount = 0;

  /** @throws SystemError */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#watched = new Int32Array(capacity).fill(NOTHING);
    this.#isReady = new Uint8Array(capacity);
    this.#block = new NativeBlock(capacity * 4);
    this.#places = new Uint32Array(this.#block.buffer);
    this.#fd = checked(shim.epoll(), "epoll_create");
  }

  /**
   * Watches `fd` at `place` for something to read, in place of what was watched there; -1: for
   * nothing. `each`: is ready once whenever more has come, else as long as there is something.
   * Whatever is watched must not be closed before it is taken out: somebody else may hold it, too.
   * @throws SystemError
   */
  set(place: number, fd: number, each = false): void {
    this.#isReady[place] = 0;
    const before = this.#watched[place]!;
    this.#watched[place] = NOTHING;
    if (before >= 0) checked(shim.epollRemove(this.#fd, before), "epoll_ctl", "to remove");
    if (fd < 0) return;
    checked(shim.epollAdd(this.#fd, fd, place, each ? 1 : 0), "epoll_ctl", "to add");
    this.#watched[place] = fd;
  }

  /**
   * Blocks until a place is ready, at most `timeoutMilliseconds` (-1: for ever, 0: not at all).
   * Returns how many are; 0 too when a signal came. A disposed set throws. Allocates nothing.
   * @throws SystemError
   */
  wait(timeoutMilliseconds: number): number {
    if (this.#places.length === 0) throw new RangeError("this EpollSet is disposed");
    const places = this.#places;
    for (let index = 0; index < this.#readyCount; index++) this.#isReady[places[index]!] = 0;
    this.#readyCount = 0;
    const { address } = this.#block;
    const ready = shim.epollWait(this.#fd, address, this.capacity, timeoutMilliseconds);
    if (ready < 0) return checked(ready, "epoll_wait");
    for (let index = 0; index < ready; index++) this.#isReady[places[index]!] = 1;
    this.#readyCount = ready;
    return ready;
  }

  /** After `wait`: is there something to read at `place`, or has its other side gone or failed? */
  isReady(place: number): boolean {
    return this.#isReady[place] === 1;
  }

  [Symbol.dispose](): void {
    if (this.#places.length === 0) return;
    this.#block[Symbol.dispose]();
    shim.close(this.#fd);
  }
}

/** eventfd(2): how a kick reaches a device and a call a driver, and how threads wake one another. */
import { checked } from "./errors.ts";
import { shim } from "./shim.ts";

/**
 * Adds 1 to the eventfd's counter: whoever polls it wakes. Allocates nothing, never blocks on a
 * non-blocking eventfd. Returns 0, or -errno when `fd` is no eventfd any more.
 */
export function signalFd(fd: number): number {
  return shim.signal(fd);
}

/** Empties the eventfd's counter: 1 when it was above zero, 0 when not, or -errno. */
export function drainFd(fd: number): number {
  return shim.drain(fd);
}

/** An eventfd of ours: non-blocking, close-on-exec. */
export class EventFd implements Disposable {
  readonly fd: number;
  #closed = false;

  /** A new one; or use `adopt`. @throws SystemError */
  constructor(fd: number = checked(shim.eventfd(), "eventfd")) {
    this.fd = fd;
  }

  /** Takes over an eventfd that came from elsewhere: disposing closes it. */
  static adopt(fd: number): EventFd {
    return new EventFd(fd);
  }

  /** @throws SystemError when the descriptor is not an eventfd any more. */
  signal(): void {
    checked(shim.signal(this.fd), "write", "to an eventfd");
  }

  /** True when it had been signalled since the last time. */
  drain(): boolean {
    return checked(shim.drain(this.fd), "read", "from an eventfd") === 1;
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    shim.close(this.fd);
  }
}

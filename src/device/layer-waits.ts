/**
 * Requests that wait for the writable layer. Those that were answered WAITING are run again, in the
 * order in which they came, whenever it has got on. Those that were answered SYNCING are concluded
 * when their ticket is settled. Both end with EIO when the layer gets on no more.
 */
import { EIO } from "../base/errno.ts";
import type { Logger } from "../base/logger.ts";
import type { ParkedRequest } from "./parked-request.ts";

/** What waits is given up when the layer has settled nothing for so long: its disk hangs. */
export const STALL_MILLISECONDS = 60_000;

/** A request that is run again and again is given up then, however well the others get on. */
export const WAIT_MILLISECONDS_MAX = 600_000;

export class LayerWaits {
  readonly #logger: Logger;
  readonly #now: () => number;
  /** To be run again. */
  readonly #waiting = new Set<ParkedRequest>();
  /** To be concluded. One that came later may wait for an earlier ticket. */
  readonly #syncing = new Set<ParkedRequest>();
  #settledTicket = 0;
  #settledErrno = 0;
  #deadline = 0;

  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#waiting.size + this.#syncing.size;
  }

  /** Takes a request that has been performed but for `ticket`, or (0) is to be run again. */
  park(request: ParkedRequest, ticket: number): void {
    const now = this.#now();
    if (this.waiting === 0) this.#deadline = now + STALL_MILLISECONDS;
    request.ticket = ticket;
    if (ticket === 0) {
      if (now < request.since + WAIT_MILLISECONDS_MAX) this.#waiting.add(request);
      else this.#giveUp(request);
    } else if (ticket > this.#settledTicket) {
      this.#syncing.add(request);
    } else {
      request.errno = this.#settledErrno;
      request.queue.resume(request);
    }
  }

  /** See `Modifications.onProgress`. */
  progressed(ticket: number, errno: number): void {
    this.#settledTicket = ticket;
    this.#settledErrno = errno;
    this.#deadline = this.#now() + STALL_MILLISECONDS;
    for (const request of this.#syncing) {
      if (request.ticket > ticket) continue;
      request.errno = errno;
      this.#syncing.delete(request);
      request.queue.resume(request);
    }
    for (const request of this.#waiting) request.queue.resume(request);
    this.#waiting.clear();
  }

  drop(request: ParkedRequest): void {
    this.#waiting.delete(request);
    this.#syncing.delete(request);
  }

  /** Gives up what has waited too long. */
  tick(): void {
    if (this.waiting === 0 || this.#now() < this.#deadline) return;
    this.#logger.log("error", "the layer does not get on", {
      requests: this.waiting,
      seconds: STALL_MILLISECONDS / 1000,
    });
    for (const request of [...this.#syncing, ...this.#waiting]) this.#giveUp(request);
    this.#syncing.clear();
    this.#waiting.clear();
  }

  #giveUp(request: ParkedRequest): void {
    request.failed = true;
    request.errno = EIO;
    request.queue.resume(request);
  }
}

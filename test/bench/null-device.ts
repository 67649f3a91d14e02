/**
 * A device in the generator's own thread that returns every chain as it came: what is left is the
 * cost of the generator. When it is to `sleep`, it wants a kick for every batch, signals every
 * batch and goes through poll(2), so that the generator's system calls count, too; what never counts
 * is a context switch.
 */
import { PollSet } from "node-vhost-user";
import type { DriverQueue } from "../frontend/driver-queue.ts";
import type { Waiter } from "./pump.ts";

export class NullDevice implements Waiter {
  readonly #queue: DriverQueue;
  readonly #poll: PollSet | undefined;
  readonly #words16: Uint16Array;
  readonly #words32: Uint32Array;
  readonly #availIndex: number;
  readonly #availEntries: number;
  readonly #usedIndex: number;
  readonly #usedEntries: number;
  readonly #availEvent: number;
  readonly #mask: number;
  #seen = 0;

  constructor(queue: DriverQueue, sleep: boolean) {
    const { ring } = queue;
    this.#queue = queue;
    if (sleep) {
      this.#poll = new PollSet(1);
      this.#poll.set(0, queue.callEvent.fd);
    }
    this.#words16 = ring.region.words16;
    this.#words32 = ring.region.words32;
    const avail = ring.availRing - ring.region.guestAddress;
    const used = ring.usedRing - ring.region.guestAddress;
    this.#availIndex = (avail >>> 1) + 1;
    this.#availEntries = (avail >>> 1) + 2;
    this.#usedIndex = (used >>> 1) + 1;
    this.#usedEntries = (used >>> 2) + 1;
    this.#availEvent = (used >>> 1) + 2 + 4 * ring.size;
    this.#mask = ring.size - 1;
  }

  /** Returns all chains that are there. */
  wait(): void {
    this.#queue.ring.armCalls();
    const until = Atomics.load(this.#words16, this.#availIndex);
    while (this.#seen !== until) {
      const place = this.#seen & this.#mask;
      const entry = this.#usedEntries + 2 * place;
      this.#words32[entry] = this.#words16[this.#availEntries + place]!;
      this.#words32[entry + 1] = 16;
      this.#seen = (this.#seen + 1) & 0xffff;
    }
    if (this.#poll !== undefined) this.#words16[this.#availEvent] = this.#seen;
    Atomics.store(this.#words16, this.#usedIndex, this.#seen);
    if (this.#poll === undefined) return;
    this.#queue.callEvent.signal();
    this.#poll.wait(0);
    this.#queue.callEvent.drain();
  }
}

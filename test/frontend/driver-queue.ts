/**
 * One virtqueue as the guest's driver holds it: the ring in guest memory and the two eventfds that
 * the VM manager would wire to the guest (virtio 1.2 §2.7.13 for the order of steps).
 */
import { EventFd, PollSet } from "node-vhost-user";
import { NOTHING, type RingPlan, SplitRingDriver } from "./split-ring-driver.ts";
import type { SyntheticMemory } from "./synthetic-memory.ts";

const CALL = 0;
const CONNECTION = 1;

export class DriverQueue implements Disposable {
  readonly ring: SplitRingDriver;
  /** We signal, the device waits. */
  readonly kickEvent: EventFd = new EventFd();
  /** The device signals, we wait. */
  readonly callEvent: EventFd = new EventFd();
  /** Kicks sent and calls received: for benchmarks and for tests of notification suppression. */
  kicks = 0;
  calls = 0;
  readonly #poll = new PollSet(2);

  /** `connection`: the vhost-user socket; a wait ends when its other end goes away. */
  constructor(memory: SyntheticMemory, plan: RingPlan, connection = -1) {
    this.ring = new SplitRingDriver(memory, plan);
    this.#poll.set(CALL, this.callEvent.fd);
    this.#poll.set(CONNECTION, connection);
  }

  /** Shows the device what was pushed, and kicks it if it wants that. */
  flush(): void {
    if (this.ring.publish()) this.kick();
  }

  kick(): void {
    this.kicks++;
    this.kickEvent.signal();
  }

  /**
   * Blocks until the device has returned a chain. False: time is up, or the device hung up, with
   * nothing returned.
   */
  wait(timeoutMilliseconds: number): boolean {
    const deadline = performance.now() + timeoutMilliseconds;
    for (;;) {
      if (this.ring.armCalls()) return true;
      const left = deadline - performance.now();
      if (left <= 0) return false;
      this.#poll.wait(Math.ceil(left));
      if (this.#poll.isReady(CALL)) {
        this.calls++;
        this.callEvent.drain();
      } else if (this.#poll.isReady(CONNECTION)) return this.ring.armCalls();
    }
  }

  /** Waits for one returned chain and takes it: its head, or NOTHING. */
  take(timeoutMilliseconds: number): number {
    const head = this.ring.pop();
    if (head !== NOTHING) return head;
    return this.wait(timeoutMilliseconds) ? this.ring.pop() : NOTHING;
  }

  [Symbol.dispose](): void {
    this.kickEvent[Symbol.dispose]();
    this.callEvent[Symbol.dispose]();
  }
}

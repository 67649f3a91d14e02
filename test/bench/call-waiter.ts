/**
 * Waits as a guest's virtual CPU does that has nothing else to run: asks for interrupts, looks at the
 * rings a little while (KVM's halt polling does so before it lets the thread sleep), then sleeps until
 * an interrupt comes. The device signals in any case: it cannot know who is awake.
 */
import { PollSet } from "node-vhost-user";
import type { DriverQueue } from "../frontend/driver-queue.ts";
import type { Waiter } from "./pump.ts";

const ANSWER_MILLISECONDS = 10_000;
const LOOKS_PER_CLOCK_READING = 32;

/** A daemon that fell silent, or is gone. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

export class CallWaiter implements Waiter {
  /** How often it slept. */
  sleeps = 0;
  readonly #queues: readonly DriverQueue[];
  readonly #spinMilliseconds: number;
  readonly #poll: PollSet;

  constructor(queues: readonly DriverQueue[], connectionFd: number, spinMicroseconds: number) {
    this.#queues = queues;
    this.#spinMilliseconds = spinMicroseconds / 1000;
    this.#poll = new PollSet(queues.length + 1);
    queues.forEach((queue, index) => {
      this.#poll.set(index, queue.callEvent.fd);
    });
    this.#poll.set(queues.length, connectionFd);
  }

  wait(): void {
    for (;;) {
      if (this.#arm()) return;
      // Whatever the rings say by now, a guest learns of it by the interrupt: it is waited for.
      if (this.#spinMilliseconds === 0 || !this.#spin()) this.#sleep();
      this.#drain();
    }
  }

  #arm(): boolean {
    let answered = false;
    for (let index = 0; index < this.#queues.length; index++) {
      if (this.#queues[index]!.ring.armCalls()) answered = true;
    }
    return answered;
  }

  #spin(): boolean {
    const end = performance.now() + this.#spinMilliseconds;
    do {
      for (let look = 0; look < LOOKS_PER_CLOCK_READING; look++) {
        if (this.#hasAnswer() && this.#poll.wait(0) > 0) return true;
      }
    } while (performance.now() < end);
    return false;
  }

  #sleep(): void {
    this.sleeps++;
    if (this.#poll.wait(ANSWER_MILLISECONDS) === 0) {
      throw new NoAnswer(`no answer in ${ANSWER_MILLISECONDS / 1000} s`);
    }
  }

  #hasAnswer(): boolean {
    for (let index = 0; index < this.#queues.length; index++) {
      const { ring } = this.#queues[index]!;
      if (ring.deviceUsedIndex() !== ring.usedIndex) return true;
    }
    return false;
  }

  #drain(): void {
    let interrupted = false;
    for (let index = 0; index < this.#queues.length; index++) {
      if (!this.#poll.isReady(index)) continue;
      this.#queues[index]!.callEvent.drain();
      interrupted = true;
    }
    if (!interrupted) throw new NoAnswer("the daemon hung up");
  }
}

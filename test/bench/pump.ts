/**
 * The timed loop: keeps `depth` requests on every lane under way for a while and counts what comes
 * back. Nothing in it allocates per request. Each request is shown to the device at once, as Linux
 * does it, and kicked if the device wants that. The clock is read once per batch of answers, so at
 * depths above 1 a latency includes the sending of its batch.
 */
import type { RequestLane } from "../frontend/request-lane.ts";
import { NOTHING } from "../frontend/split-ring-driver.ts";
import type { LatencyHistogram } from "./latency-histogram.ts";

/** What `receive` returns. */
export const FINISHED = 1;
export const UNFINISHED = 0;
export const WRONG = -1;

/** One kind of load. A stream is a slot of a lane: its operations follow one another. */
export interface Workload {
  /** Puts the stream's next request into `slot`. */
  send(lane: RequestLane, slot: number, stream: number): void;
  /** Takes an answer: whether it ends an operation, and whether it is what was asked for. */
  receive(lane: RequestLane, slot: number, stream: number): number;
  /** Outside the timed part, for each lane before it: what the slots' pages are to hold. */
  prepare?(lane: RequestLane): void;
  /** Outside the timed part, after it: whether the share has become what it should. @throws. */
  verify?(lane: RequestLane): void;
}

/** Blocks until a lane has an answer. */
export interface Waiter {
  wait(): void;
}

export interface Counted {
  readonly operations: number;
  readonly requests: number;
  readonly wrong: number;
  readonly seconds: number;
}

/** Streams over all lanes at the most. */
const STREAMS_MAX = 1024;

export class Pump {
  readonly #lanes: readonly RequestLane[];
  readonly #waiter: Waiter;
  readonly #begun = new Float64Array(STREAMS_MAX);

  constructor(lanes: readonly RequestLane[], waiter: Waiter) {
    this.#lanes = lanes;
    this.#waiter = waiter;
  }

  run(
    workload: Workload,
    depth: number,
    milliseconds: number,
    histogram: LatencyHistogram,
  ): Counted {
    const lanes = this.#lanes;
    const begun = this.#begun;
    let operations = 0;
    let requests = 0;
    let wrong = 0;
    const begin = performance.now();
    const deadline = begin + milliseconds;
    let now = begin;
    for (let index = 0; index < lanes.length; index++) {
      const lane = lanes[index]!;
      for (let slot = 0; slot < depth; slot++) {
        begun[index * depth + slot] = begin;
        workload.send(lane, slot, index * depth + slot);
        lane.flush();
      }
    }
    let underWay = lanes.length * depth;
    while (underWay > 0) {
      let answers = 0;
      for (let index = 0; index < lanes.length; index++) {
        const lane = lanes[index]!;
        for (let slot = lane.poll(); slot !== NOTHING; slot = lane.poll()) {
          if (answers === 0) now = performance.now();
          answers++;
          const stream = index * depth + slot;
          const outcome = workload.receive(lane, slot, stream);
          if (outcome !== UNFINISHED) {
            operations++;
            if (outcome === WRONG) wrong++;
            histogram.record(now - begun[stream]!);
            if (now >= deadline) {
              underWay--;
              continue;
            }
            begun[stream] = now;
          }
          workload.send(lane, slot, stream);
          lane.flush();
        }
      }
      requests += answers;
      if (answers === 0) this.#waiter.wait();
    }
    return { operations, requests, wrong, seconds: (now - begin) / 1000 };
  }
}

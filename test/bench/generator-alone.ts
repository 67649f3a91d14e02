/** What the generator reaches by itself: the same rows against a device that only returns chains. */
import { DriverQueue } from "../frontend/driver-queue.ts";
import { RequestLane } from "../frontend/request-lane.ts";
import { SyntheticMemory } from "../frontend/synthetic-memory.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { NullDevice } from "./null-device.ts";
import { FINISHED, Pump, type Workload } from "./pump.ts";
import { DATA_BYTES, DEPTH_MAX, makeUnanswered, type Row } from "./rows.ts";

/** Of one row at one depth: operations per second at the most. */
export interface Ceiling {
  /** Rings alone. */
  readonly awake: number;
  /** With a kick, an interrupt and a poll(2) for each batch. */
  readonly sleeping: number;
}

/** Nothing is answered, so nothing is checked; an operation of two requests keeps its two. */
class Unchecked implements Workload {
  readonly #inner: Workload;

  constructor(inner: Workload) {
    this.#inner = inner;
  }

  send(lane: RequestLane, slot: number, stream: number): void {
    this.#inner.send(lane, slot, stream);
  }

  receive(lane: RequestLane, slot: number, stream: number): number {
    const outcome = this.#inner.receive(lane, slot, stream);
    return outcome < 0 ? FINISHED : outcome;
  }
}

export function generatorCeiling(row: Row, depth: number, milliseconds: number): Ceiling {
  return {
    awake: reached(row, depth, milliseconds, false),
    sleeping: reached(row, depth, milliseconds, true),
  };
}

function reached(row: Row, depth: number, milliseconds: number, sleep: boolean): number {
  if (row.share === "walked") return Number.NaN;
  using memory = new SyntheticMemory([{ guestAddress: 0x10_0000, bytes: 48 << 20 }]);
  using queue = new DriverQueue(memory, { size: 1024, eventIdx: true });
  const lane = new RequestLane(memory, queue, {
    depth: DEPTH_MAX,
    dataBytes: DATA_BYTES,
    indirect: true,
  });
  const pump = new Pump([lane], new NullDevice(queue, sleep));
  const load = new Unchecked(makeUnanswered(row, DEPTH_MAX));
  if (row.share === "writable") fillReplies(lane, row.bytes ?? 1);
  const histogram = new LatencyHistogram();
  pump.run(load, depth, milliseconds, histogram);
  const { operations, seconds } = pump.run(load, depth, milliseconds, histogram);
  return operations / seconds;
}

/** Steps that build on one another go on: each reply begins with `first`, a nodeid or a length. */
function fillReplies(lane: RequestLane, first: number): void {
  for (let slot = 0; slot < lane.depth; slot++) {
    lane.region.words32[lane.replyAt(slot) >>> 2] = first;
  }
}

/** READ of the large file, and READDIRPLUS of the large directory. */
import type { RequestLane } from "../frontend/request-lane.ts";
import { BIG_BYTES } from "./bench-tree.ts";
import { FINISHED, type Workload, WRONG } from "./pump.ts";
import type { ListOffsets, ShareFacts } from "./share-facts.ts";

/** READ of `bytes` at a time, in a scattered order: no offset follows its neighbour. */
export class RandomReadLoad implements Workload {
  readonly #facts: ShareFacts;
  readonly #bytes: number;
  readonly #blocks: number;
  #state = 0x2545_f491;

  constructor(facts: ShareFacts, bytes: number) {
    this.#facts = facts;
    this.#bytes = bytes;
    this.#blocks = BIG_BYTES / bytes;
  }

  send(lane: RequestLane, slot: number): void {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    const block = (state >>> 0) % this.#blocks;
    const { big, bigHandle } = this.#facts;
    lane.read(slot, big, bigHandle, block * this.#bytes, this.#bytes);
  }

  receive(lane: RequestLane, slot: number): number {
    return lane.error(slot) === 0 && lane.replyBytes(slot) === this.#bytes ? FINISHED : WRONG;
  }
}

/** READ of `bytes` at a time, over the first `span` bytes of the file, again and again. */
export class SequentialReadLoad implements Workload {
  readonly #facts: ShareFacts;
  readonly #bytes: number;
  readonly #span: number;
  #offset = 0;

  constructor(facts: ShareFacts, bytes: number, span: number = BIG_BYTES) {
    this.#facts = facts;
    this.#bytes = bytes;
    this.#span = span;
  }

  send(lane: RequestLane, slot: number): void {
    const { big, bigHandle } = this.#facts;
    lane.read(slot, big, bigHandle, this.#offset, this.#bytes);
    this.#offset = (this.#offset + this.#bytes) % this.#span;
  }

  receive(lane: RequestLane, slot: number): number {
    return lane.error(slot) === 0 && lane.replyBytes(slot) === this.#bytes ? FINISHED : WRONG;
  }
}

/** Every stream lists the directory from begin to end, again and again, on its own handle. */
export class ListLoad implements Workload {
  readonly #facts: ShareFacts;
  readonly #bytes: number;
  readonly #offsets: ListOffsets;
  readonly #position: Uint32Array;

  constructor(facts: ShareFacts, bytes: number, streams: number) {
    this.#facts = facts;
    this.#bytes = bytes;
    this.#offsets = facts.listOffsets.get(bytes)!;
    this.#position = new Uint32Array(streams);
  }

  send(lane: RequestLane, slot: number, stream: number): void {
    const { listDirectory, listHandles } = this.#facts;
    const { low, high } = this.#offsets;
    const at = this.#position[stream]!;
    const handle = listHandles[stream]!;
    lane.readdirplus(slot, listDirectory, handle, low[at]!, high[at]!, this.#bytes);
  }

  receive(lane: RequestLane, slot: number, stream: number): number {
    const at = this.#position[stream]!;
    const isLast = at === this.#offsets.low.length - 1;
    this.#position[stream] = isLast ? 0 : at + 1;
    if (lane.error(slot) !== 0) return WRONG;
    return lane.replyBytes(slot) > 0 || isLast ? FINISHED : WRONG;
  }
}

/** A bit of everything: each stream goes through a fixed pattern of the loads it is given. */
export class MixedLoad implements Workload {
  readonly #parts: readonly Workload[];
  readonly #pattern: Uint8Array;
  readonly #position: Uint32Array;

  /** `pattern`: indexes into `parts`, one for each operation. */
  constructor(parts: readonly Workload[], pattern: readonly number[], streams: number) {
    this.#parts = parts;
    this.#pattern = Uint8Array.from(pattern);
    // Streams start apart, so that at a time they do different things.
    this.#position = Uint32Array.from({ length: streams }, (_, i) => (i * 5) % pattern.length);
  }

  send(lane: RequestLane, slot: number, stream: number): void {
    this.#parts[this.#pattern[this.#position[stream]!]!]!.send(lane, slot, stream);
  }

  receive(lane: RequestLane, slot: number, stream: number): number {
    const at = this.#position[stream]!;
    const outcome = this.#parts[this.#pattern[at]!]!.receive(lane, slot, stream);
    if (outcome !== 0) this.#position[stream] = at + 1 === this.#pattern.length ? 0 : at + 1;
    return outcome;
  }
}

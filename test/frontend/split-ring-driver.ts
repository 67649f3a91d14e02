/**
 * The driver's half of a split virtqueue (virtio 1.2 §2.7), over synthetic guest memory.
 *
 *   descriptor table  16 × size   driver writes   { addr u64, len u32, flags u16, next u16 }
 *   avail ring         6 + 2 × size  driver writes   { flags, idx, ring[size], used_event } u16
 *   used ring          6 + 8 × size  device writes   { flags, idx u16; { id, len u32 }[size]; avail_event u16 }
 *
 * Nothing here allocates after construction: the load generator runs on it. Nothing here checks
 * what the test asks for, either: hostile rings are built with the same methods.
 *
 * Fences: `Atomics.store` on these arrays compiles to a full fence, which stands between our store
 * of avail.idx and the load of avail_event, and between our store of used_event and the load of
 * used.idx (§2.7.13.4.1, §2.7.14).
 */
import {
  VRING_AVAIL_F_NO_INTERRUPT,
  VRING_USED_F_NO_NOTIFY,
  vringDesc,
} from "../../src/abi/virtio.ts";
import type { SyntheticMemory, SyntheticRegion } from "./synthetic-memory.ts";

export const DESCRIPTOR_BYTES = vringDesc.size;

/** What `pop` returns when the device has returned nothing. */
export const NOTHING = -1;

const TWO_32 = 2 ** 32;
/** Half way round the index: a device that is still at the last chain or ahead does not reach it. */
const FAR = 0x8000;

/** Writes one descriptor at `offset` of a region; `next` is 0 where the chain ends. */
export function writeDescriptor(
  region: SyntheticRegion,
  offset: number,
  address: number,
  length: number,
  flags: number,
  next: number,
): void {
  const word = offset >>> 2;
  region.words32[word] = address % TWO_32;
  region.words32[word + 1] = address / TWO_32;
  region.words32[word + 2] = length;
  region.words32[word + 3] = (flags | (next << 16)) >>> 0;
}

export interface RingPlan {
  /** Entries: a power of two for a sane guest. */
  readonly size: number;
  readonly eventIdx: boolean;
  /** Where the three parts go; the largest region unless said otherwise. */
  readonly region?: SyntheticRegion;
}

export class SplitRingDriver {
  readonly size: number;
  readonly eventIdx: boolean;
  readonly region: SyntheticRegion;
  /** Guest addresses of the three parts. */
  readonly descriptorTable: number;
  readonly availRing: number;
  readonly usedRing: number;

  /** The next index we shall put into avail.idx (mod 65536). */
  availIndex = 0;
  /** The next used entry we shall look at (mod 65536). */
  usedIndex = 0;
  /** Bytes written by the device, of the chain that `pop` returned last. */
  usedLength = 0;

  /** avail.idx as the device last saw it. */
  #published = 0;
  readonly #mask: number;
  readonly #words16: Uint16Array;
  readonly #words32: Uint32Array;
  readonly #availFlags: number;
  readonly #availEntries: number;
  readonly #usedEvent: number;
  readonly #usedFlags: number;
  readonly #usedEntries: number;
  readonly #availEvent: number;

  constructor(memory: SyntheticMemory, plan: RingPlan) {
    const { size } = plan;
    this.size = size;
    this.eventIdx = plan.eventIdx;
    this.region = plan.region ?? memory.largest;
    this.descriptorTable = memory.allocate(DESCRIPTOR_BYTES * size, 16, this.region);
    this.availRing = memory.allocate(6 + 2 * size, 2, this.region);
    this.usedRing = memory.allocate(6 + 8 * size, 4, this.region);
    this.#mask = size - 1;
    this.#words16 = this.region.words16;
    this.#words32 = this.region.words32;
    const avail = this.availRing - this.region.guestAddress;
    const used = this.usedRing - this.region.guestAddress;
    this.#availFlags = avail >>> 1;
    this.#availEntries = (avail >>> 1) + 2;
    this.#usedEvent = (avail >>> 1) + 2 + size;
    this.#usedFlags = used >>> 1;
    this.#usedEntries = (used >>> 2) + 1;
    this.#availEvent = (used >>> 1) + 2 + 4 * size;
  }

  /** Begins anew, as a driver does after a device reset: both rings empty, indexes at `start`. */
  restart(start = 0): void {
    this.availIndex = start;
    this.usedIndex = start;
    this.#published = start;
    this.#words16.fill(0, this.#availFlags, this.#usedEvent + 1);
    this.#words16.fill(0, this.#usedFlags, this.#availEvent + 1);
    this.#words16[this.#availFlags + 1] = start;
    this.#words16[this.#usedFlags + 1] = start;
    this.#words16[this.#usedEvent] = start;
  }

  setDescriptor(index: number, address: number, length: number, flags: number, next = 0): void {
    const table = this.descriptorTable - this.region.guestAddress;
    writeDescriptor(this.region, table + index * DESCRIPTOR_BYTES, address, length, flags, next);
  }

  /** Puts a chain's head into the avail ring; the device sees it after `publish`. */
  push(head: number): void {
    this.#words16[this.#availEntries + (this.availIndex & this.#mask)] = head;
    this.availIndex = (this.availIndex + 1) & 0xffff;
  }

  /** Shows the device every pushed chain. Returns whether it wants to be kicked. */
  publish(): boolean {
    const before = this.#published;
    const now = this.availIndex;
    this.#published = now;
    Atomics.store(this.#words16, this.#availFlags + 1, now);
    if (!this.eventIdx)
      return (Atomics.load(this.#words16, this.#usedFlags) & VRING_USED_F_NO_NOTIFY) === 0;
    const event = Atomics.load(this.#words16, this.#availEvent);
    return ((now - event - 1) & 0xffff) < ((now - before) & 0xffff);
  }

  /** Writes avail.idx as it is told: for guests that lie. */
  forceAvailIndex(index: number): void {
    this.availIndex = index & 0xffff;
    this.#published = this.availIndex;
    Atomics.store(this.#words16, this.#availFlags + 1, this.availIndex);
  }

  /** used.idx as the device has it. */
  deviceUsedIndex(): number {
    return Atomics.load(this.#words16, this.#usedFlags + 1);
  }

  /** The head of the next returned chain (its length is in `usedLength`), or NOTHING. */
  pop(): number {
    if (Atomics.load(this.#words16, this.#usedFlags + 1) === this.usedIndex) return NOTHING;
    const entry = this.#usedEntries + 2 * (this.usedIndex & this.#mask);
    this.usedIndex = (this.usedIndex + 1) & 0xffff;
    this.usedLength = this.#words32[entry + 1]!;
    return this.#words32[entry]!;
  }

  /** Asks for a call at the next returned chain. True: one is there already, do not sleep. */
  armCalls(): boolean {
    if (this.eventIdx) Atomics.store(this.#words16, this.#usedEvent, this.usedIndex);
    else Atomics.store(this.#words16, this.#availFlags, 0);
    return Atomics.load(this.#words16, this.#usedFlags + 1) !== this.usedIndex;
  }

  /** Asks for no calls: for polling. With EVENT_IDX the event is put out of reach. */
  disarmCalls(): void {
    if (this.eventIdx) {
      Atomics.store(this.#words16, this.#usedEvent, (this.usedIndex + FAR) & 0xffff);
    } else Atomics.store(this.#words16, this.#availFlags, VRING_AVAIL_F_NO_INTERRUPT);
  }
}

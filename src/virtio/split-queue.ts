/**
 * The device's side of a split virtqueue (virtio 1.2, section 2.7), walked over views of guest
 * memory. The driver owns the available ring, we own the used ring:
 *
 *     avail: flags │ idx │ ring[n] heads …          │ used_event     read by us
 *     used:  flags │ idx │ ring[n] { id, len } …    │ avail_event    written by us
 *
 * `idx` counts up for ever, modulo 2^16. Barriers: the entries are read after `avail.idx` and
 * written before `used.idx`; and between writing one side's word and reading the other's (a used
 * index, then `used_event`; `avail_event`, then the available index) stands a full fence, or a
 * wake-up gets lost. `Atomics.load` and `Atomics.store` on these arrays are both.
 *
 * The arrays read numbers in the host's byte order, which is the guest's: little-endian.
 */

import {
  VRING_AVAIL_ALIGN_SIZE,
  VRING_AVAIL_F_NO_INTERRUPT,
  VRING_DESC_ALIGN_SIZE,
  VRING_USED_ALIGN_SIZE,
  VRING_USED_F_NO_NOTIFY,
  vringAvail,
  vringDesc,
  vringUsed,
  vringUsedElem,
} from "../abi/virtio.ts";
import { assert } from "../base/assert.ts";
import { Chain } from "./chain.ts";
import type { CopyList } from "./copy-list.ts";
import type { GuestMemory, HostView } from "./guest-memory.ts";

/** Entries in a ring: what QEMU allows at most. */
export const MAX_QUEUE_SIZE = 1024;

/** What `next` answers when the driver has made nothing available. */
export const NONE = -1;

const FLAGS = 0;
const IDX = vringAvail.at.idx / 2;
/** In 16-bit words: the first head in the available ring. */
const HEADS = vringAvail.size / 2;
/** In 32-bit words: the first element of the used ring. */
const ELEMENTS = vringUsed.size / 4;

export interface RingLayout {
  /** Entries: a power of two, up to MAX_QUEUE_SIZE. */
  readonly size: number;
  /** The three parts, as addresses in this process. */
  readonly descriptorTable: number;
  readonly availRing: number;
  readonly usedRing: number;
  /** Available entries that were taken before: where to go on. */
  readonly lastAvail: number;
  /** VIRTIO_RING_F_EVENT_IDX and VIRTIO_RING_F_INDIRECT_DESC, as negotiated. */
  readonly eventIdx: boolean;
  readonly indirect: boolean;
}

/** The VM manager's ring addresses or sizes make no sense. */
export class InvalidRing extends Error {
  override readonly name = "InvalidRing";
}

export class SplitQueue {
  /** The request that `next` or `reload` found. Valid until the next call of either. */
  readonly chain: Chain;
  /** Entries. */
  readonly size: number;
  /** Why no more requests are taken: the driver broke the ring. Undefined while it works. */
  broken: string | undefined = undefined;
  /** Requests taken and not completed. */
  inFlight = 0;
  readonly #eventIdx: boolean;
  readonly #avail: Uint16Array;
  readonly #used: Uint16Array;
  readonly #usedElements: Uint32Array;
  /** 1 for every head that was taken and not completed. */
  readonly #taken: Uint8Array;
  #lastAvail: number;
  /** `avail.idx` as it was read last. */
  #availIdx: number;
  #usedIdx: number;
  /** `used.idx` as it was published last. */
  #published: number;

  /** Throws InvalidRing for parts that are misaligned or not in memory. */
  constructor(memory: GuestMemory, ring: RingLayout, copies: CopyList) {
    const { size } = ring;
    if (!Number.isInteger(size) || size < 1 || size > MAX_QUEUE_SIZE || (size & (size - 1)) !== 0) {
      throw new InvalidRing(`a ring of ${size} entries`);
    }
    const tableBytes = size * vringDesc.size;
    const availBytes = vringAvail.size + 2 * size + 2;
    const usedBytes = vringUsed.size + vringUsedElem.size * size + 2;
    const table = part(memory, ring.descriptorTable, tableBytes, VRING_DESC_ALIGN_SIZE);
    const avail = part(memory, ring.availRing, availBytes, VRING_AVAIL_ALIGN_SIZE);
    const used = part(memory, ring.usedRing, usedBytes, VRING_USED_ALIGN_SIZE);
    this.size = size;
    this.#eventIdx = ring.eventIdx;
    this.#avail = new Uint16Array(avail.buffer, avail.offset, availBytes / 2);
    this.#used = new Uint16Array(used.buffer, used.offset, usedBytes / 2);
    this.#usedElements = new Uint32Array(used.buffer, used.offset, (usedBytes - 2) / 4);
    this.#taken = new Uint8Array(size);
    const descriptors = new Uint32Array(table.buffer, table.offset, tableBytes / 4);
    this.chain = new Chain(memory, descriptors, ring.indirect, copies);
    this.#lastAvail = ring.lastAvail & 0xffff;
    this.#availIdx = this.#lastAvail;
    this.#usedIdx = Atomics.load(this.#used, IDX);
    this.#published = this.#usedIdx;
  }

  /** Available entries taken so far, modulo 2^16: where the ring goes on after a stop. */
  get lastAvail(): number {
    return this.#lastAvail;
  }

  /** Used entries written so far, modulo 2^16. */
  get usedIdx(): number {
    return this.#usedIdx;
  }

  /** Requests that the driver has made available and nobody has taken. Its word: not checked yet. */
  get backlog(): number {
    return (Atomics.load(this.#avail, IDX) - this.#lastAvail) & 0xffff;
  }

  /** Whether `next` would find a request: one look at the driver's index, for who polls it. */
  hasNext(): boolean {
    return this.broken === undefined && (this.#lastAvail !== this.#availIdx || this.#refresh());
  }

  /**
   * Takes the next request and loads it into `chain`. Returns its head, which `complete` wants, or
   * NONE: nothing is available, or the ring is `broken`.
   */
  next(): number {
    if (!this.hasNext()) return NONE;
    const head = this.#avail[HEADS + (this.#lastAvail & (this.size - 1))]!;
    if (head >= this.size) return this.#break("available head out of range");
    if (this.#taken[head] !== 0) return this.#break("available head still in use");
    this.#taken[head] = 1;
    this.inFlight++;
    this.#lastAvail = (this.#lastAvail + 1) & 0xffff;
    this.chain.load(head);
    return head;
  }

  /** Marks a head as taken that was taken before the ring's views were made anew. */
  retake(head: number): void {
    assert(head < this.size && this.#taken[head] === 0, "a head that was taken twice");
    this.#taken[head] = 1;
    this.inFlight++;
  }

  /** Loads a request that was taken earlier again, to answer it now. */
  reload(head: number): void {
    assert(this.#taken[head] === 1, "reload of a head that was not taken");
    this.chain.load(head);
  }

  /**
   * Gives a head back, saying how many bytes were written to its writable half. The driver sees it
   * after `publish`. Heads may come back in any order.
   */
  complete(head: number, written: number): void {
    assert(this.#taken[head] === 1, "completion of a head that was not taken");
    this.#taken[head] = 0;
    this.inFlight--;
    const element = ELEMENTS + 2 * (this.#usedIdx & (this.size - 1));
    this.#usedElements[element] = head;
    this.#usedElements[element + 1] = written;
    this.#usedIdx = (this.#usedIdx + 1) & 0xffff;
  }

  /**
   * Shows the driver everything that was completed since the last time. True when it wants to be
   * notified of that (sections 2.7.7 and 2.7.10).
   */
  publish(): boolean {
    const before = this.#published;
    const now = this.#usedIdx;
    if (now === before) return false;
    this.#published = now;
    Atomics.store(this.#used, IDX, now);
    if (!this.#eventIdx) {
      return (Atomics.load(this.#avail, FLAGS) & VRING_AVAIL_F_NO_INTERRUPT) === 0;
    }
    const usedEvent = Atomics.load(this.#avail, HEADS + this.size);
    return ((now - usedEvent - 1) & 0xffff) < ((now - before) & 0xffff);
  }

  /**
   * Asks the driver for kicks again. True when requests have become available meanwhile, whose kick
   * may never come: take them before waiting.
   */
  enableNotifications(): boolean {
    if (this.broken !== undefined) return false;
    if (this.#eventIdx) Atomics.store(this.#used, this.#used.length - 1, this.#lastAvail);
    else Atomics.store(this.#used, FLAGS, 0);
    return this.hasNext();
  }

  /** Tells the driver that kicks are not needed for now. With EVENT_IDX they end by themselves. */
  disableNotifications(): void {
    if (!this.#eventIdx) this.#used[FLAGS] = VRING_USED_F_NO_NOTIFY;
  }

  /** Reads `avail.idx`. False when there is nothing new, or the ring breaks on it. */
  #refresh(): boolean {
    const availIdx = Atomics.load(this.#avail, IDX);
    const pending = (availIdx - this.#lastAvail) & 0xffff;
    if (pending + this.inFlight > this.size) {
      this.#break("available index jumped");
      return false;
    }
    this.#availIdx = availIdx;
    return pending > 0;
  }

  #break(reason: string): typeof NONE {
    this.broken = reason;
    return NONE;
  }
}

/** A part of the ring: all of it has to lie in one region. */
function part(memory: GuestMemory, address: number, length: number, alignment: number): HostView {
  const view = Number.isSafeInteger(address) ? memory.viewHost(address, length) : undefined;
  if (view === undefined) throw new InvalidRing("a part of the ring is outside memory");
  if (address % alignment !== 0 || view.offset % alignment !== 0) {
    throw new InvalidRing("a part of the ring is not aligned");
  }
  return view;
}

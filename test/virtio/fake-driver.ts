/** The driver's side of a split ring over plain ArrayBuffers: what the tests here set up by hand. */
import {
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
  vringDesc,
} from "../../src/abi/virtio.ts";
import { COPY_NUMBERS, CopyList } from "../../src/virtio/copy-list.ts";
import { GuestMemory, type MemoryWindow } from "../../src/virtio/guest-memory.ts";
import type { NativeCopy } from "../../src/virtio/native-copy.ts";
import { type RingLayout, SplitQueue } from "../../src/virtio/split-queue.ts";

export const NEXT = VRING_DESC_F_NEXT;
export const WRITE = VRING_DESC_F_WRITE;
export const INDIRECT = VRING_DESC_F_INDIRECT;

export interface Descriptor {
  addr: number;
  len: number;
  flags: number;
  next: number;
}

/** Data windows: two that touch, a hole, a third. The ring has a window of its own. */
const RING = 0x10_0000;
export const WINDOWS: readonly (readonly [guest: number, bytes: number])[] = [
  [0x1000, 0x1000],
  [0x2000, 0x1000],
  [0x8000, 0x1000],
  [RING, 0x1_0000],
];

/** Host addresses are made up; only the fake native copy and the queue turn them into memory. */
const HOST_BASE = 0x7f00_0000_0000;

export class FakeDriver implements NativeCopy {
  readonly windows: readonly MemoryWindow[];
  readonly memory: GuestMemory;
  readonly size: number;
  readonly copies: Float64Array;
  /** What `run` copies from, or to; its first byte is at address 0. */
  mapping: Uint8Array = new Uint8Array(0);
  /** For every `run`: how many copies it was to make, and whether past the caches. */
  readonly runs: [copies: number, streaming: boolean][] = [];
  /** What the queues that this starts put their copies into. */
  readonly list: CopyList;
  readonly #eventIdx: boolean;
  readonly #table: DataView;
  readonly #avail: Uint16Array;
  readonly #used: Uint16Array;
  readonly #usedElements: Uint32Array;
  readonly #layout: RingLayout;
  #availIdx: number;
  #usedSeen: number;

  constructor({
    size = 8,
    eventIdx = false,
    indirect = true,
    lastAvail = 0,
    /** Copies that fit into the table. */
    copies = 4,
    /** Further windows, behind the usual ones. */
    windows = [] as readonly MemoryWindow[],
  } = {}) {
    const usual = WINDOWS.map(([guestAddress, bytes]) => ({
      guestAddress,
      hostAddress: HOST_BASE + 2 * guestAddress,
      buffer: new ArrayBuffer(bytes),
    }));
    this.windows = [...usual, ...windows];
    this.memory = new GuestMemory(this.windows);
    this.size = size;
    this.copies = new Float64Array(COPY_NUMBERS * copies);
    this.list = new CopyList(this);
    this.#eventIdx = eventIdx;
    const ring = this.windows[3]!.buffer;
    const host = this.windows[3]!.hostAddress;
    this.#table = new DataView(ring, 0, 16 * size);
    this.#avail = new Uint16Array(ring, 0x5000, 3 + size);
    this.#used = new Uint16Array(ring, 0x8000, 3 + 4 * size);
    this.#usedElements = new Uint32Array(ring, 0x8004, 2 * size);
    this.#availIdx = lastAvail;
    this.#usedSeen = lastAvail;
    this.#avail[1] = lastAvail;
    this.#used[1] = lastAvail;
    this.#layout = {
      size,
      descriptorTable: host,
      availRing: host + 0x5000,
      usedRing: host + 0x8000,
      lastAvail,
      eventIdx,
      indirect,
    };
  }

  start(changes: Partial<RingLayout> = {}): SplitQueue {
    return new SplitQueue(this.memory, { ...this.#layout, ...changes }, this.list);
  }

  get layout(): RingLayout {
    return this.#layout;
  }

  descriptor(index: number, descriptor: Partial<Descriptor>): void {
    vringDesc.write(this.#table, index * vringDesc.size, descriptor);
  }

  /** Writes a chain into descriptors 0, 1, 2, … and makes it available. */
  offer(pieces: readonly { addr: number; len: number; write?: boolean }[]): void {
    for (const [index, { addr, len, write }] of pieces.entries()) {
      const more = index + 1 < pieces.length;
      const flags = (more ? NEXT : 0) | (write === true ? WRITE : 0);
      this.descriptor(index, { addr, len, flags, next: more ? index + 1 : 0 });
    }
    this.makeAvailable(0);
  }

  makeAvailable(head: number): void {
    this.#avail[2 + (this.#availIdx % this.size)] = head;
    this.#availIdx = (this.#availIdx + 1) & 0xffff;
    this.#avail[1] = this.#availIdx;
  }

  /** Lies about how much is available. */
  set availIdx(value: number) {
    this.#avail[1] = value;
  }

  set availFlags(value: number) {
    this.#avail[0] = value;
  }

  set usedEvent(value: number) {
    this.#avail[2 + this.size] = value;
  }

  get availEvent(): number {
    return this.#used[2 + 4 * this.size]!;
  }

  get usedFlags(): number {
    return this.#used[0]!;
  }

  get usedIdx(): number {
    return this.#used[1]!;
  }

  /** Whether a kick is wanted after one more chain was made available. */
  get wantsKick(): boolean {
    if (!this.#eventIdx) return this.usedFlags === 0;
    return ((this.#availIdx - this.availEvent - 1) & 0xffff) < 1;
  }

  /** What the device has given back since the last time. */
  takeUsed(): { id: number; len: number }[] {
    const taken = [];
    for (; this.#usedSeen !== this.usedIdx; this.#usedSeen = (this.#usedSeen + 1) & 0xffff) {
      const at = 2 * (this.#usedSeen % this.size);
      taken.push({ id: this.#usedElements[at]!, len: this.#usedElements[at + 1]! });
    }
    return taken;
  }

  /** One byte of guest memory, or undefined where there is none. */
  peek(address: number): number | undefined {
    const window = this.#windowOf(address, "guestAddress");
    return window && new Uint8Array(window.buffer)[address - window.guestAddress];
  }

  poke(address: number, bytes: Iterable<number>): void {
    let at = address;
    for (const byte of bytes) {
      const window = this.#windowOf(at, "guestAddress");
      if (window === undefined) throw new Error(`no memory at ${at}`);
      new Uint8Array(window.buffer)[at - window.guestAddress] = byte;
      at++;
    }
  }

  /** Fills the data windows with bytes that tell their address. */
  fillData(): void {
    for (const { guestAddress, buffer } of this.windows.slice(0, 3)) {
      const bytes = new Uint8Array(buffer);
      for (let at = 0; at < bytes.length; at++) bytes[at] = pattern(guestAddress + at);
    }
  }

  run(first: number, end: number, streaming: boolean): number {
    this.runs.push([end - first, streaming]);
    for (let index = first; index < end; index++) {
      const [source, address, length] = this.copies.subarray(COPY_NUMBERS * index) as unknown as [
        number,
        number,
        number,
      ];
      const target = this.#hostBytes(address, length);
      if (target === undefined) throw new Error(`no host memory at ${address}`);
      const bytes = this.#hostBytes(source, length);
      if (bytes === undefined) return index;
      target.set(bytes);
    }
    return end;
  }

  /** Bytes of a window or of the mapping. */
  #hostBytes(address: number, length: number): Uint8Array | undefined {
    const window = this.#windowOf(address, "hostAddress");
    if (window !== undefined) {
      return new Uint8Array(window.buffer, address - window.hostAddress, length);
    }
    const end = address + length;
    return end <= this.mapping.length ? this.mapping.subarray(address, end) : undefined;
  }

  #windowOf(address: number, kind: "guestAddress" | "hostAddress"): MemoryWindow | undefined {
    return this.windows.find(
      (window) => address >= window[kind] && address < window[kind] + window.buffer.byteLength,
    );
  }
}

/** The byte that `fillData` puts at a guest address. */
export function pattern(address: number): number {
  return (address * 31 + (address >>> 8) * 7) & 0xff;
}

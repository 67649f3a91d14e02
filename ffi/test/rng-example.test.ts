import { EventFd, REQUEST, SharedMemory, sendMessage } from "node-vhost-user";
import { describe, expect, it } from "vitest";
import { RngDevice } from "../examples/rng.ts";
import {
  bits,
  GUEST,
  MIB,
  message,
  ring,
  socketPair,
  state,
  table,
  USER,
  u64,
} from "./front-end.ts";

const SIZE = 4;
/** Where the parts of `ring()` lie, and the buffers. */
const AVAIL = 16 * SIZE;
const USED = AVAIL + 16;
const BUFFERS = 4096;
const WRITE = 2;
const NEXT = 1;

/** A front-end and driver in one, as bare as the device. */
class Driver implements Disposable {
  readonly memory = SharedMemory.create(MIB);
  readonly kick = new EventFd();
  readonly call = new EventFd();
  readonly rng: RngDevice;
  readonly #fd: number;
  readonly #view = new DataView(this.memory.buffer);

  constructor() {
    const [device, frontEnd] = socketPair();
    this.rng = new RngDevice(device);
    this.#fd = frontEnd;
    this.tell(REQUEST.SET_FEATURES, bits([32]));
    this.tell(REQUEST.SET_MEM_TABLE, table([{ size: MIB }]), [this.memory.fd]);
    this.tell(REQUEST.SET_VRING_NUM, state(0, SIZE));
    this.tell(REQUEST.SET_VRING_ADDR, ring(0, USER, SIZE));
    this.tell(REQUEST.SET_VRING_CALL, u64(0), [this.call.fd]);
    this.tell(REQUEST.SET_VRING_KICK, u64(0), [this.kick.fd]);
    this.call.drain();
  }

  tell(request: number, payload: Uint8Array, fds: number[] = []): boolean {
    sendMessage(this.#fd, message(request, payload), fds);
    return this.rng.step(1000);
  }

  descriptor(index: number, address: number, length: number, flags: number, next = 0): void {
    this.#view.setBigUint64(16 * index, BigInt(address), true);
    this.#view.setUint32(16 * index + 8, length, true);
    this.#view.setUint16(16 * index + 12, flags, true);
    this.#view.setUint16(16 * index + 14, next, true);
  }

  /** Offers the chain at `head` and kicks. */
  offer(head: number): boolean {
    const index = this.#view.getUint16(AVAIL + 2, true);
    this.#view.setUint16(AVAIL + 4 + 2 * (index % SIZE), head, true);
    this.#view.setUint16(AVAIL + 2, index + 1, true);
    this.kick.signal();
    return this.rng.step(1000);
  }

  set availIndex(value: number) {
    this.#view.setUint16(AVAIL + 2, value, true);
  }

  get usedIndex(): number {
    return this.#view.getUint16(USED + 2, true);
  }

  /** The used element number `n`: head and bytes written. */
  used(n: number): number[] {
    const at = USED + 4 + 8 * (n % SIZE);
    return [this.#view.getUint32(at, true), this.#view.getUint32(at + 4, true)];
  }

  [Symbol.dispose](): void {
    this.rng[Symbol.dispose]();
    this.memory[Symbol.dispose]();
    this.kick[Symbol.dispose]();
    this.call[Symbol.dispose]();
  }
}

describe("the example device", () => {
  it("fills the driver's buffers and calls it", () => {
    using driver = new Driver();
    driver.descriptor(2, GUEST + BUFFERS, 100, WRITE | NEXT, 3);
    driver.descriptor(3, GUEST + 2 * BUFFERS, 60, WRITE);
    expect(driver.offer(2)).toBe(true);
    expect(driver.usedIndex).toBe(1);
    expect(driver.used(0)).toEqual([2, 160]);
    expect(driver.call.drain()).toBe(true);
    expect(new Set(driver.memory.bytes.subarray(BUFFERS, BUFFERS + 100)).size).toBeGreaterThan(20);
    expect(driver.memory.bytes[BUFFERS + 100]).toBe(0);
  });

  it("goes round the ring", () => {
    using driver = new Driver();
    driver.descriptor(1, GUEST + BUFFERS, 8, WRITE);
    for (let n = 0; n < 20; n++) {
      driver.offer(1);
      expect(driver.used(n)).toEqual([1, 8]);
    }
    expect(driver.usedIndex).toBe(20);
  });

  it("survives chains that loop, lead nowhere, or are not its to write", () => {
    using driver = new Driver();
    driver.descriptor(0, GUEST + BUFFERS, 16, WRITE | NEXT, 0);
    driver.offer(0);
    expect(driver.used(0)).toEqual([0, 16 * SIZE]);
    driver.descriptor(1, GUEST + MIB, 16, WRITE);
    driver.offer(1);
    expect(driver.used(1)).toEqual([1, 0]);
    driver.descriptor(2, GUEST + BUFFERS, 16, 0);
    driver.offer(2);
    expect(driver.used(2)).toEqual([2, 0]);
    driver.offer(999);
    expect(driver.used(3)).toEqual([999, 0]);
    driver.availIndex = 30_000;
    driver.kick.signal();
    expect(driver.rng.step(1000)).toBe(true);
    expect(driver.usedIndex).toBe(4 + SIZE);
  });

  it("ends with its front-end", () => {
    using driver = new Driver();
    expect(driver.tell(REQUEST.SET_VRING_NUM, state(0, 3))).toBe(false);
  });
});

/** A virtqueue as libvhost-user keeps it (struct VuVirtq), read and written in place. */
import { layout } from "./layout.ts";
import { readPointer, writePointer } from "./native-number.ts";
import { shim } from "./shim.ts";

/** What a device sees of a queue. Every field is live: it changes with `dispatch()`, and only then. */
export interface VhostUserQueue {
  readonly index: number;
  /** The front-end has handed the ring over (SET_VRING_KICK) and not taken back (GET_VRING_BASE). */
  readonly started: boolean;
  /** A started ring that is not enabled must not be processed (SET_VRING_ENABLE). */
  readonly enabled: boolean;
  /** Entries of the ring. */
  readonly size: number;
  /** The eventfd that says "look at the ring"; -1: none. Non-blocking. */
  readonly kickFd: number;
  /** The eventfd that tells the driver about used buffers; -1: none is wanted. Non-blocking. */
  readonly callFd: number;
  /**
   * Where the three parts of the ring lie in this process. All are 0 while no memory region holds
   * them (the front-end may take a region away and bring it back under a started ring): leave the
   * ring alone until `memoryChanged()` gives it back.
   */
  readonly descriptorTable: number;
  readonly availRing: number;
  readonly usedRing: number;
  /** The entry of the available ring to go on with (SET_VRING_BASE), modulo 2^16. */
  readonly lastAvail: number;
  /** used.idx when the address of the ring was set. */
  readonly used: number;
}

/** The VM manager's addresses of a ring; 0: not told yet. */
export interface RingAddresses {
  readonly descriptorTable: number;
  readonly availRing: number;
  readonly usedRing: number;
}

export const NO_ADDRESSES: RingAddresses = { descriptorTable: 0, availRing: 0, usedRing: 0 };

export class QueueRecord implements VhostUserQueue {
  readonly index: number;
  readonly #view: DataView;
  readonly #at: number;

  /** `view`: the array of VuVirtq. */
  constructor(index: number, view: DataView) {
    this.index = index;
    this.#view = view;
    this.#at = index * layout.queueBytes;
  }

  get started(): boolean {
    return this.#view.getUint8(this.#at + layout.queueStarted) !== 0;
  }

  get enabled(): boolean {
    return this.#view.getUint32(this.#at + layout.queueEnabled, true) !== 0;
  }

  set enabled(value: boolean) {
    this.#view.setUint32(this.#at + layout.queueEnabled, value ? 1 : 0, true);
  }

  get size(): number {
    return this.#view.getUint32(this.#at + layout.queueSize, true);
  }

  get kickFd(): number {
    return this.#view.getInt32(this.#at + layout.queueKickFd, true);
  }

  get callFd(): number {
    return this.#view.getInt32(this.#at + layout.queueCallFd, true);
  }

  get descriptorTable(): number {
    return readPointer(this.#view, this.#at + layout.queueDescriptorTable);
  }

  get availRing(): number {
    return readPointer(this.#view, this.#at + layout.queueAvailRing);
  }

  get usedRing(): number {
    return readPointer(this.#view, this.#at + layout.queueUsedRing);
  }

  get lastAvail(): number {
    return this.#view.getUint16(this.#at + layout.queueLastAvail, true);
  }

  get used(): number {
    return this.#view.getUint16(this.#at + layout.queueUsed, true);
  }

  /** SET_VRING_ADDR has told where the ring lies. */
  get hasAddresses(): boolean {
    const { descriptorTable, availRing, usedRing } = this.userAddresses;
    return descriptorTable !== 0 || availRing !== 0 || usedRing !== 0;
  }

  /** The VM manager's addresses, as SET_VRING_ADDR told them. */
  get userAddresses(): RingAddresses {
    return {
      descriptorTable: readPointer(this.#view, this.#at + layout.queueUserDescriptorTable),
      availRing: readPointer(this.#view, this.#at + layout.queueUserAvailRing),
      usedRing: readPointer(this.#view, this.#at + layout.queueUserUsedRing),
    };
  }

  /** Tells libvhost-user where the ring lies in this process; NO_ADDRESSES: nowhere. */
  setHostAddresses(addresses: RingAddresses): void {
    const { descriptorTable, availRing, usedRing } = addresses;
    writePointer(this.#view, this.#at + layout.queueDescriptorTable, descriptorTable);
    writePointer(this.#view, this.#at + layout.queueAvailRing, availRing);
    writePointer(this.#view, this.#at + layout.queueUsedRing, usedRing);
  }

  /** How far the ring has been processed: what GET_VRING_BASE will answer. */
  setPosition(lastAvail: number, used: number): void {
    this.#view.setUint16(this.#at + layout.queueLastAvail, lastAvail, true);
    this.#view.setUint16(this.#at + layout.queueShadowAvail, lastAvail, true);
    this.#view.setUint16(this.#at + layout.queueUsed, used, true);
  }

  /** Back to how a device begins, but for the eventfd of errors. */
  reset(): void {
    for (const field of [layout.queueKickFd, layout.queueCallFd]) {
      const fd = this.#view.getInt32(this.#at + field, true);
      if (fd !== -1) shim.close(fd);
      this.#view.setInt32(this.#at + field, -1, true);
    }
    this.#view.setUint8(this.#at + layout.queueStarted, 0);
    this.#view.setUint32(this.#at + layout.queueSize, 0, true);
    this.enabled = false;
    this.setHostAddresses(NO_ADDRESSES);
    for (const field of [
      layout.queueUserDescriptorTable,
      layout.queueUserAvailRing,
      layout.queueUserUsedRing,
    ]) {
      writePointer(this.#view, this.#at + field, 0);
    }
    this.setPosition(0, 0);
  }
}

/**
 * A vhost-user device: one connection to a front-end (QEMU, or another VM manager). libvhost-user
 * keeps the state of queues and memory; every message is received and checked here before it sees
 * it, because it trusts its front-end (README.md lists what that would mean).
 *
 * One thread makes the device, polls `fd`, calls `dispatch()` and processes the rings. Nothing
 * blocks, and nothing happens outside `dispatch()`.
 */
import { ControlPlane } from "./control-plane.ts";
import { type DeviceLog, type DeviceOptions, deviceOffer } from "./device-options.ts";
import { type FeatureBits, hasFeature } from "./feature-bits.ts";
import { guestMemoryFaulted } from "./guest-faults.ts";
import type { GuestMemoryTable } from "./memory-table.ts";
import { MessageReader } from "./message-reader.ts";
import { NativeDevice } from "./native-device.ts";
import { MESSAGE_RULES } from "./protocol.ts";
import type { VhostUserQueue } from "./queue-record.ts";
import { demand, Refusal } from "./refusal.ts";
import { checkRoomForReply, sendVerdict, wantsVerdict } from "./replies.ts";

/**
 * "handled": go on polling (also when only a part of a message has arrived). "closed": the
 * front-end has gone. "refused": it broke the protocol; the log says how. After the last two the
 * device is to be disposed of.
 */
export type DispatchResult = "handled" | "closed" | "refused";

export class VhostUserDevice implements Disposable {
  /** The connected socket, to be polled. The device owns it. */
  readonly fd: number;
  readonly #native: NativeDevice;
  readonly #reader: MessageReader;
  readonly #control: ControlPlane;
  readonly #log: DeviceLog;

  /**
   * Takes over the connected socket `fd`, unless it throws.
   * @throws RangeError when the options ask for what cannot be; NativeLibraryError.
   */
  constructor(fd: number, options: DeviceOptions) {
    const offer = deviceOffer(options);
    this.fd = fd;
    this.#log = options.log ?? (() => {});
    this.#native = new NativeDevice(options.queues, fd);
    this.#control = new ControlPlane(this.#native, fd, offer, options.events ?? {});
    this.#reader = new MessageReader(fd, this.#native.message);
  }

  /** Number of virtqueues. */
  get queueCount(): number {
    return this.#native.queues.length;
  }

  /** A virtqueue, live. @throws RangeError */
  queue(index: number): VhostUserQueue {
    const queue = this.#native.queues[index];
    if (queue === undefined) throw new RangeError(`there is no queue ${index}`);
    return queue;
  }

  /** The guest's memory. */
  get memory(): GuestMemoryTable {
    return this.#native.memory;
  }

  /** What the driver acknowledged of the features; none before SET_FEATURES. */
  get features(): FeatureBits {
    return this.#native.features;
  }

  /** What the front-end acknowledged of the protocol features. */
  get protocolFeatures(): FeatureBits {
    return this.#control.protocolFeatures;
  }

  /** Has the driver acknowledged this feature bit? */
  hasFeature(bit: number): boolean {
    return hasFeature(this.features, bit);
  }

  /** Handles one message, if a whole one has arrived. Never blocks. */
  dispatch(): DispatchResult {
    try {
      const progress = this.#reader.advance();
      if (progress === "closed") return "closed";
      if (progress === "incomplete") return "handled";
      this.#handleMessage();
      this.#reader.reset();
      return "handled";
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const request = MESSAGE_RULES.get(this.#reader.request)?.name ?? this.#reader.request;
      this.#log("warn", "vhost-user message refused", { request, reason: error.message });
      return "refused";
    }
  }

  /** Closes the connection and whatever came through it; unmaps the guest's memory. */
  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
    this.#native[Symbol.dispose]();
  }

  #handleMessage(): void {
    const { request, flags } = this.#reader;
    const rule = MESSAGE_RULES.get(request);
    const verdict = rule?.replies !== true && wantsVerdict(flags, this.protocolFeatures);
    checkRoomForReply(this.fd);
    // A later version of the protocol: a front-end that asks learns that it is not known here.
    demand(rule !== undefined || verdict, "unknown request");
    try {
      const success = rule !== undefined && this.#control.handle(rule, this.#reader);
      demand(!guestMemoryFaulted(), "the guest's memory is gone");
      if (verdict) sendVerdict(this.fd, request, success ? 0 : 1);
    } catch (error) {
      if (error instanceof Refusal && verdict) sendVerdict(this.fd, request, 1);
      throw error;
    }
  }
}

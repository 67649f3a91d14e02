/**
 * What each request of a front-end does. What libvhost-user knows and does right is forwarded to it
 * once it has been checked; the rest is answered here.
 */
import type { DeviceEvents, DeviceOffer } from "./device-options.ts";
import { type FeatureBits, hasFeature, isSame, missingBits, readFeatures } from "./feature-bits.ts";
import { checkMemoryFile } from "./memory-file.ts";
import {
  checkRoom,
  findRegion,
  type RegionRequest,
  readMemoryTable,
  readOneRegion,
} from "./memory-messages.ts";
import type { MessageReader } from "./message-reader.ts";
import type { NativeDevice } from "./native-device.ts";
import { CONFIG_HEADER_BYTES, FEATURE, type MessageRule, REQUEST } from "./protocol.ts";
import { NO_ADDRESSES, type QueueRecord, type RingAddresses } from "./queue-record.ts";
import { demand } from "./refusal.ts";
import { sendFeatures, sendReply } from "./replies.ts";
import {
  checkBase,
  checkSize,
  locateRing,
  readAddresses,
  readEvent,
  readState,
} from "./ring-messages.ts";
import { shim } from "./shim.ts";

export class ControlPlane {
  readonly #native: NativeDevice;
  readonly #socket: number;
  readonly #events: DeviceEvents;
  readonly #offer: DeviceOffer;
  #protocolFeatures: FeatureBits = { low: 0, high: 0 };

  constructor(native: NativeDevice, socket: number, offer: DeviceOffer, events: DeviceEvents) {
    this.#native = native;
    this.#socket = socket;
    this.#offer = offer;
    this.#events = events;
  }

  get protocolFeatures(): FeatureBits {
    return this.#protocolFeatures;
  }

  /**
   * Does what the message asks for. False: it cannot be done, and the connection goes on.
   * @throws Refusal
   */
  handle(rule: MessageRule, message: MessageReader): boolean {
    const { payload, size, fds } = message;
    const { queues } = this.#native;
    demand(fds.length >= rule.fds[0] && fds.length <= rule.fds[1], `${fds.length} descriptors`);
    const isAgreed = rule.needs === undefined || hasFeature(this.#protocolFeatures, rule.needs);
    demand(isAgreed, "a request whose protocol feature was not agreed on");
    message.clearNeedReply();
    switch (message.request) {
      case REQUEST.GET_FEATURES:
        sendFeatures(this.#socket, message.request, this.#offer.features);
        return true;
      case REQUEST.GET_PROTOCOL_FEATURES:
        sendFeatures(this.#socket, message.request, this.#offer.protocolFeatures);
        return true;
      case REQUEST.SET_FEATURES:
        this.#setFeatures(readFeatures(payload, 0));
        return true;
      case REQUEST.SET_PROTOCOL_FEATURES:
        this.#setProtocolFeatures(readFeatures(payload, 0));
        return true;
      case REQUEST.SET_MEM_TABLE:
        this.#setMemoryTable(readMemoryTable(payload, size, fds.length), message);
        return true;
      case REQUEST.ADD_MEM_REG:
        this.#addRegion(readOneRegion(payload), message);
        return true;
      case REQUEST.REM_MEM_REG:
        this.#removeRegion(readOneRegion(payload));
        return true;
      case REQUEST.SET_VRING_NUM: {
        const { queue, num } = readState(payload, queues);
        checkSize(queue, num, this.#offer.maxQueueSize);
        this.#native.forward([]);
        return true;
      }
      case REQUEST.SET_VRING_BASE: {
        const { queue, num } = readState(payload, queues);
        checkBase(queue, num);
        this.#native.forward([]);
        return true;
      }
      case REQUEST.SET_VRING_ADDR:
        this.#setAddresses(payload);
        return true;
      case REQUEST.SET_VRING_ENABLE: {
        const { queue, num } = readState(payload, queues);
        demand(num <= 1, `${num} for on or off`);
        // A device may drop a disabled ring; `lastAvail` then says where to go on.
        if (num === 0) this.#keepPosition(queue);
        this.#native.forward([]);
        return true;
      }
      case REQUEST.GET_VRING_BASE:
        this.#stop(readState(payload, queues).queue);
        return true;
      case REQUEST.SET_VRING_KICK:
        this.#start(message);
        return true;
      case REQUEST.SET_VRING_CALL:
      case REQUEST.SET_VRING_ERR:
        this.#setEvent(message);
        return true;
      case REQUEST.GET_CONFIG:
        this.#getConfig(payload, size);
        return true;
      case REQUEST.SET_CONFIG:
        return false; // The configuration space is read-only.
      case REQUEST.RESET_DEVICE:
        this.#reset();
        return true;
      case REQUEST.RESET_OWNER:
        // Disables every ring.
        for (const queue of queues) this.#keepPosition(queue);
        this.#native.forward([]);
        return true;
      default:
        // SET_OWNER, GET_QUEUE_NUM, GET_MAX_MEM_SLOTS: nothing in them to get wrong.
        this.#native.forward([]);
        return true;
    }
  }

  #setFeatures(features: FeatureBits): void {
    const extra = missingBits(features, this.#offer.features);
    demand(extra === "", `features that were not offered: ${extra}`);
    demand(hasFeature(features, FEATURE.VERSION_1), "a driver older than virtio 1.0");
    const isRunning = this.#native.queues.some((queue) => queue.started);
    demand(
      !isRunning || isSame(features, this.#native.features),
      "other features for running rings",
    );
    const enabled = this.#native.queues.map((queue) => queue.enabled);
    this.#native.forward([]);
    // Without bit 30 rings begin enabled; with it SET_VRING_ENABLE says so. libvhost-user mistakes
    // the bit's number for its mask, and may enable them in either case.
    const isExplicit = hasFeature(features, FEATURE.VHOST_USER_PROTOCOL_FEATURES);
    for (const queue of this.#native.queues) {
      queue.enabled = isExplicit ? enabled[queue.index]! : true;
    }
    this.#events.featuresNegotiated?.();
  }

  #setProtocolFeatures(features: FeatureBits): void {
    const extra = missingBits(features, this.#offer.protocolFeatures);
    demand(extra === "", `protocol features that were not offered: ${extra}`);
    this.#native.forward([]);
    this.#protocolFeatures = features;
  }

  #setMemoryTable(regions: readonly RegionRequest[], message: MessageReader): void {
    checkRoom(regions, []);
    for (const [index, region] of regions.entries()) {
      const pageBytes = checkMemoryFile(message.fds[index]!, region.fileOffset + region.size);
      this.#native.memory.announce(region.guestAddress, pageBytes);
    }
    this.#changeMemory(message.takeFds());
  }

  #addRegion(region: RegionRequest, message: MessageReader): void {
    checkRoom([region], this.#native.memory.regions);
    const pageBytes = checkMemoryFile(message.fds[0]!, region.fileOffset + region.size);
    this.#native.memory.announce(region.guestAddress, pageBytes);
    this.#changeMemory(message.takeFds());
  }

  #removeRegion(region: RegionRequest): void {
    findRegion(region, this.#native.memory.regions);
    // Its file descriptor, if one came, says nothing: it stays with the message and is closed.
    this.#changeMemory([]);
  }

  /**
   * Rings are found again in the new memory: libvhost-user would do so with the first byte of each
   * part only, panic for rings that nobody uses any more, and keep parts that it unmapped.
   */
  #changeMemory(fds: readonly number[]): void {
    for (const queue of this.#native.queues) queue.setHostAddresses(NO_ADDRESSES);
    this.#native.forwardMemoryChange(fds);
    for (const queue of this.#native.queues) {
      if (queue.hasAddresses) queue.setHostAddresses(this.#locate(queue, queue.userAddresses));
    }
    this.#events.memoryChanged?.();
  }

  /** Before its size is known, a ring is looked for as if it had one entry. */
  #locate(queue: QueueRecord, addresses: RingAddresses): RingAddresses {
    const { memory, features } = this.#native;
    return locateRing(addresses, Math.max(queue.size, 1), memory, features);
  }

  #setAddresses(payload: DataView): void {
    const { queue, addresses } = readAddresses(payload, this.#native.queues);
    demand(this.#native.memory.regions.length > 0, "a ring's address before any memory");
    demand(this.#locate(queue, addresses) !== NO_ADDRESSES, "a ring that does not lie in memory");
    const now = queue.userAddresses;
    const isSamePlace =
      addresses.descriptorTable === now.descriptorTable &&
      addresses.availRing === now.availRing &&
      addresses.usedRing === now.usedRing;
    demand(!queue.started || isSamePlace, "another place for a running ring");
    this.#native.forward([]);
  }

  #start(message: MessageReader): void {
    const { queue, fd } = readEvent(message.payload, message.fds, this.#native.queues);
    demand(fd !== undefined, "a queue without kicks: this device does not poll rings");
    demand(queue.size > 0 && queue.hasAddresses, "a ring without size or address is started");
    const place = this.#locate(queue, queue.userAddresses);
    demand(place !== NO_ADDRESSES, "a ring that does not lie in memory is started");
    // What SET_VRING_ADDR found may be older than the size.
    queue.setHostAddresses(place);
    const wasStarted = queue.started;
    this.#native.forward(message.takeFds());
    if (!wasStarted) this.#events.queueStarted?.(queue.index);
  }

  #setEvent(message: MessageReader): void {
    const { fd } = readEvent(message.payload, message.fds, this.#native.queues);
    // libvhost-user signals a call eventfd at once, and replies to a message without a reply when
    // that fails.
    demand(fd === undefined || shim.writable(fd) === 1, "an eventfd that is full");
    this.#native.forward(message.takeFds());
  }

  #stop(queue: QueueRecord): void {
    const isStarted = queue.started;
    // libvhost-user would answer with the position before it says that the ring stops.
    this.#keepPosition(queue);
    if (isStarted) this.#events.queueStopped?.(queue.index);
    this.#native.forward([]);
  }

  #keepPosition(queue: QueueRecord): void {
    if (!queue.started || !queue.enabled) return;
    const position = this.#events.ringPosition?.(queue.index);
    if (position !== undefined) queue.setPosition(position.lastAvail, position.used);
  }

  #getConfig(payload: DataView, size: number): void {
    const offset = payload.getUint32(0, true);
    const length = payload.getUint32(4, true);
    demand(size === CONFIG_HEADER_BYTES + length, "a config request of another length");
    const { config } = this.#offer;
    const isInside = config !== undefined && offset + length <= config.length;
    const reply = new Uint8Array(isInside ? size : 0); // Empty: there is no such place.
    if (isInside) {
      reply.set(new Uint8Array(payload.buffer, payload.byteOffset, CONFIG_HEADER_BYTES));
      reply.set(config.subarray(offset, offset + length), CONFIG_HEADER_BYTES);
    }
    sendReply(this.#socket, REQUEST.GET_CONFIG, reply);
  }

  /** RESET_DEVICE, which libvhost-user lacks: as if every ring had been stopped and forgotten. */
  #reset(): void {
    for (const queue of this.#native.queues) {
      if (queue.started) this.#events.queueStopped?.(queue.index);
      queue.reset();
    }
    this.#events.deviceReset?.();
  }
}

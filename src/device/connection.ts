/**
 * One VM manager's connection: the control plane is node-vhost-user's, the rings are ours. After
 * every message the queues are brought in line with what was said, since any message may take
 * memory, addresses or eventfds away: no view of guest memory outlives a dispatch.
 */
import { guestMemoryFaulted, VhostUserDevice } from "node-vhost-user";
import { VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC } from "../abi/virtio.ts";
import type { Logger } from "../base/logger.ts";
import type { FuseServer } from "../fuse/server.ts";
import { GuestMemory } from "../virtio/guest-memory.ts";
import type { NativeCopy } from "../virtio/native-copy.ts";
import { MAX_QUEUE_SIZE } from "../virtio/split-queue.ts";
import type { ControlPort } from "./control-port.ts";
import { configSpace, DEVICE_FEATURES, protocolFeatures } from "./offer.ts";
import { RequestQueue } from "./request-queue.ts";

export interface ConnectionOptions {
  /** Request queues, besides the high-priority queue. */
  readonly requestQueues: number;
  /** The driver has a CPU of its own: it runs while this thread does. */
  readonly parallel: boolean;
  /** The tag for the config space; undefined: no config space is offered. */
  readonly tag: string | undefined;
}

export class Connection implements Disposable {
  /** The high-priority queue, then the request queues (virtio 1.2 §5.11.2). */
  readonly queues: readonly RequestQueue[];
  readonly #device: VhostUserDevice;
  readonly #server: FuseServer;
  #memory = new GuestMemory([]);
  #memoryChanged = false;

  /** Takes `fd` over, a connected vhost-user socket. */
  constructor(
    fd: number,
    options: ConnectionOptions,
    server: FuseServer,
    native: NativeCopy,
    control: ControlPort,
    logger: Logger,
  ) {
    this.#server = server;
    const { parked } = control;
    const count = 1 + options.requestQueues;
    this.queues = Array.from(
      { length: count },
      (_, index) => new RequestQueue(index, options.parallel, server, native, parked, logger),
    );
    this.#device = new VhostUserDevice(fd, {
      queues: count,
      maxQueueSize: MAX_QUEUE_SIZE,
      features: DEVICE_FEATURES,
      protocolFeatures: protocolFeatures(options.tag),
      ...(options.tag !== undefined && { config: configSpace(options.tag, options.requestQueues) }),
      log: (level, message, fields) => logger.log(level, message, fields),
      events: {
        memoryChanged: () => {
          this.#memoryChanged = true;
        },
        ringPosition: (index) => {
          const queue = this.queues[index]!;
          queue.finish(control.waitWhileStopping);
          return { lastAvail: queue.lastAvail, used: queue.usedIdx };
        },
        queueStopped: (index) => this.queues[index]!.stop(),
        deviceReset: () => this.#reset(),
      },
    });
  }

  /** The socket to poll. */
  get fd(): number {
    return this.#device.fd;
  }

  /**
   * Takes one message and follows it. False: the client is gone, or sent what makes no sense, and
   * the connection is to be dropped.
   * @throws InvalidRing, InvalidMemoryTable: the same, with a reason.
   */
  dispatch(): boolean {
    if (this.#device.dispatch() !== "handled") return false;
    this.#follow();
    return !guestMemoryFaulted();
  }

  [Symbol.dispose](): void {
    this.#reset();
    this.#device[Symbol.dispose]();
  }

  #reset(): void {
    for (const queue of this.queues) queue.stop();
    this.#server.reset();
  }

  /** Starts, restarts and stops queues as the VM manager wants them by now. */
  #follow(): void {
    if (this.#memoryChanged) {
      this.#memoryChanged = false;
      const { memory } = this.#device;
      this.#memory = new GuestMemory(memory.windows, (address, length) =>
        memory.view(address, length),
      );
    }
    const { low } = this.#device.features;
    const indirect = (low & (1 << VIRTIO_RING_F_INDIRECT_DESC)) !== 0;
    const eventIdx = (low & (1 << VIRTIO_RING_F_EVENT_IDX)) !== 0;
    for (const queue of this.queues) {
      const state = this.#device.queue(queue.index);
      if (!state.started || !state.enabled) {
        queue.stop();
        continue;
      }
      if (state.descriptorTable === 0) {
        queue.pause();
        continue;
      }
      queue.follow(this.#memory, {
        size: state.size,
        descriptorTable: state.descriptorTable,
        availRing: state.availRing,
        usedRing: state.usedRing,
        lastAvail: state.lastAvail,
        kickFd: state.kickFd,
        callFd: state.callFd,
        indirect,
        eventIdx,
      });
    }
  }
}

/**
 * A VM manager and a guest driver in one: connects to a virtio-fs daemon, negotiates, hands over
 * memory and rings in the order in which QEMU does it, and gives out ports to send requests through.
 */
import {
  VIRTIO_F_VERSION_1,
  VIRTIO_RING_F_EVENT_IDX,
  VIRTIO_RING_F_INDIRECT_DESC,
} from "../../src/abi/virtio.ts";
import { ChainPort } from "./chain-port.ts";
import { type ChainShape, LINUX_SHAPE, PLAIN_SHAPE } from "./chain-shape.ts";
import { DriverQueue } from "./driver-queue.ts";
import { FuseClient } from "./fuse-client.ts";
import { ONE_REGION, type RegionPlan, SyntheticMemory } from "./synthetic-memory.ts";
import { VhostUserClient } from "./vhost-user-client.ts";
import { FEATURE, FeatureBits, PROTOCOL_FEATURE } from "./vhost-user-protocol.ts";

/** The queue for FORGET and INTERRUPT (virtio 1.2 §5.11.2). */
export const HIGH_PRIORITY_QUEUE = 0;
export const FIRST_REQUEST_QUEUE = 1;

/** Bytes that a port lays its chains in. */
const ARENA_BYTES = 5 << 19;

export interface VmmPlan {
  readonly memory?: readonly RegionPlan[];
  readonly oneFile?: boolean;
  readonly requestQueues?: number;
  /** Entries of every ring. */
  readonly queueSize?: number;
  readonly eventIdx?: boolean;
  readonly indirect?: boolean;
  readonly replyAck?: boolean;
  /** Regions one by one with ADD_MEM_REG instead of SET_MEM_TABLE. */
  readonly memorySlots?: boolean;
  /** False: VHOST_USER_F_PROTOCOL_FEATURES is not acknowledged, as very old VM managers do. */
  readonly protocolFeatures?: boolean;
}

export class SyntheticVmm implements Disposable {
  readonly client: VhostUserClient;
  readonly memory: SyntheticMemory;
  readonly queues: DriverQueue[] = [];
  readonly plan: VmmPlan;
  /** What the device offered, and what we acknowledged of it. */
  offered = new FeatureBits(0, 0);
  features = new FeatureBits(0, 0);
  protocolFeatures = new FeatureBits(0, 0);
  readonly #ports: (ChainPort | undefined)[] = [];

  private constructor(client: VhostUserClient, plan: VmmPlan) {
    this.client = client;
    this.plan = plan;
    this.memory = new SyntheticMemory(plan.memory ?? ONE_REGION, {
      oneFile: plan.oneFile ?? false,
    });
  }

  /** Connects and brings everything up: afterwards requests can be sent. */
  static start(socketPath: string, plan: VmmPlan = {}): SyntheticVmm {
    const vmm = SyntheticVmm.negotiate(socketPath, plan);
    vmm.shareMemory();
    vmm.startQueues();
    return vmm;
  }

  /** Connects and negotiates, no more: memory and rings are left to the caller. */
  static negotiate(socketPath: string, plan: VmmPlan = {}): SyntheticVmm {
    const vmm = new SyntheticVmm(VhostUserClient.connect(socketPath), plan);
    try {
      vmm.#negotiate();
    } catch (error) {
      vmm[Symbol.dispose]();
      throw error;
    }
    return vmm;
  }

  #negotiate(): void {
    const { client, plan } = this;
    this.offered = client.getFeatures();
    if (plan.protocolFeatures !== false && this.offered.has(FEATURE.PROTOCOL_FEATURES)) {
      const wanted = FeatureBits.of(
        PROTOCOL_FEATURE.MQ,
        PROTOCOL_FEATURE.CONFIG,
        PROTOCOL_FEATURE.RESET_DEVICE,
        ...(plan.replyAck === false ? [] : [PROTOCOL_FEATURE.REPLY_ACK]),
        ...(plan.memorySlots === true ? [PROTOCOL_FEATURE.CONFIGURE_MEM_SLOTS] : []),
      );
      this.protocolFeatures = client.getProtocolFeatures().and(wanted);
      client.setProtocolFeatures(this.protocolFeatures);
      client.replyAck = this.protocolFeatures.has(PROTOCOL_FEATURE.REPLY_ACK);
    }
    client.setOwner();
    const wanted = FeatureBits.of(
      VIRTIO_F_VERSION_1,
      ...(plan.protocolFeatures === false ? [] : [FEATURE.PROTOCOL_FEATURES]),
      ...(plan.eventIdx === false ? [] : [VIRTIO_RING_F_EVENT_IDX]),
      ...(plan.indirect === false ? [] : [VIRTIO_RING_F_INDIRECT_DESC]),
    );
    this.features = this.offered.and(wanted);
    client.setFeatures(this.features);
  }

  shareMemory(): void {
    if (this.plan.memorySlots === true) {
      for (const region of this.memory.regions) this.client.addMemoryRegion(region);
    } else this.client.setMemoryTable(this.memory.regions);
  }

  /** Lays out every ring and starts it. */
  startQueues(): void {
    const count = 1 + (this.plan.requestQueues ?? 1);
    for (let index = 0; index < count; index++) {
      this.addQueue();
      this.startQueue(index);
    }
  }

  /** Lays out one more ring, without telling the device. */
  addQueue(): DriverQueue {
    const plan = { size: this.plan.queueSize ?? 128, eventIdx: this.hasEventIdx };
    const queue = new DriverQueue(this.memory, plan, this.client.fd);
    this.queues.push(queue);
    return queue;
  }

  /** Lays a ring out anew, of another size; the device must have stopped it. */
  replaceQueue(index: number, size: number): DriverQueue {
    const plan = { size, eventIdx: this.hasEventIdx };
    this.queues[index]![Symbol.dispose]();
    this.queues[index] = new DriverQueue(this.memory, plan, this.client.fd);
    this.#ports[index] = undefined;
    return this.queues[index];
  }

  /** Tells the device all about a ring, from index `base` on. */
  startQueue(index: number, base = 0): void {
    const { client, memory } = this;
    const { ring, kickEvent, callEvent } = this.queues[index]!;
    client.setVringNum(index, ring.size);
    client.setVringBase(index, base);
    client.setVringAddress(
      index,
      memory.userAddress(ring.descriptorTable),
      memory.userAddress(ring.availRing),
      memory.userAddress(ring.usedRing),
    );
    client.setVringKick(index, kickEvent.fd);
    client.setVringCall(index, callEvent.fd);
    if (this.features.has(FEATURE.PROTOCOL_FEATURES)) client.setVringEnable(index, true);
  }

  /** Stops a ring; returns the index from which it may be started again. */
  stopQueue(index: number): number {
    return this.client.getVringBase(index);
  }

  get hasEventIdx(): boolean {
    return this.features.has(VIRTIO_RING_F_EVENT_IDX);
  }

  get hasIndirect(): boolean {
    return this.features.has(VIRTIO_RING_F_INDIRECT_DESC);
  }

  /** The port of a queue, made at first use. */
  port(index = FIRST_REQUEST_QUEUE): ChainPort {
    const arena = () => this.memory.allocate(ARENA_BYTES, 4096);
    this.#ports[index] ??= new ChainPort(this.memory, this.queues[index]!, arena());
    return this.#ports[index];
  }

  /** A FUSE client over one queue, every request cut by one shape. No INIT has been sent. */
  fuse(index = FIRST_REQUEST_QUEUE, shape?: ChainShape): FuseClient {
    const port = this.port(index);
    const chosen = shape ?? (this.hasIndirect ? LINUX_SHAPE : PLAIN_SHAPE);
    return new FuseClient((request, room) => port.transact(request, room, chosen));
  }

  /** As `fuse`, with a session begun. */
  session(index = FIRST_REQUEST_QUEUE, shape?: ChainShape): FuseClient {
    const fuse = this.fuse(index, shape);
    fuse.init();
    return fuse;
  }

  [Symbol.dispose](): void {
    this.client.close();
    for (const queue of this.queues) queue[Symbol.dispose]();
    this.memory[Symbol.dispose]();
  }
}

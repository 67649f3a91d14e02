/**
 * One virtqueue being served: chains in, FUSE replies out, in batches: one used.idx publish and at
 * most one notification for each. Owned by the device thread; allocates nothing per request.
 *
 * A request that lacks something, or has to wait for the layer, is parked: its head stays taken, and
 * it is answered out of order.
 */
import { signalFd } from "node-vhost-user";
import { EINTR } from "../base/errno.ts";
import type { Logger } from "../base/logger.ts";
import { type FuseServer, PARKED } from "../fuse/server.ts";
import type { Chain } from "../virtio/chain.ts";
import { CopyList } from "../virtio/copy-list.ts";
import type { GuestMemory } from "../virtio/guest-memory.ts";
import type { NativeCopy } from "../virtio/native-copy.ts";
import { NONE, type RingLayout, SplitQueue } from "../virtio/split-queue.ts";
import type { ParkedRequest, Resumable } from "./parked-request.ts";
import type { ParkedRequests } from "./parked-requests.ts";
import { ReplyBatch } from "./reply-batch.ts";

/** Chains answered from one queue before the others get their turn. */
export const BATCH_CHAINS_MAX = 64;

/**
 * Bytes of requests and replies after which a batch is shown to the driver before its end, where the
 * driver has a CPU of its own: it can work on the first large ones while the next are being copied.
 */
export const UNSEEN_BYTES_MAX = 256 * 1024;

/** What the VM manager has said about a queue, as libvhost-user keeps it. */
export interface QueueState extends RingLayout {
  readonly kickFd: number;
  readonly callFd: number;
}

export class RequestQueue implements Resumable {
  readonly index: number;
  readonly #signalsEarly: boolean;
  readonly #server: FuseServer;
  readonly #copies: CopyList;
  readonly #batch: ReplyBatch;
  readonly #logger: Logger;
  readonly #parking: ParkedRequests;
  /** Taken from the ring and not answered, and those of them that can be now. */
  readonly #parked = new Set<ParkedRequest>();
  #ready: ParkedRequest[] = [];
  #ring: SplitQueue | undefined;
  #memory: GuestMemory | undefined;
  #state: QueueState | undefined;
  /** Where a paused ring goes on. */
  #pausedAt: number | undefined;
  /** Answers a request of the ring that was answered before, or parks it after all. */
  readonly #again = (head: number): number => {
    const ring = this.#ring!;
    ring.reload(head);
    const written = this.#answer(ring.chain);
    if (written === PARKED) this.#parked.add(this.#park(head));
    return written;
  };
  #kickFd = -1;
  #callFd = -1;

  /**
   * `signalsEarly`: large replies are announced within a batch. On one CPU that would only let the
   * driver take it from us in the middle of our work.
   */
  constructor(
    index: number,
    signalsEarly: boolean,
    server: FuseServer,
    native: NativeCopy,
    parking: ParkedRequests,
    logger: Logger,
  ) {
    this.index = index;
    this.#signalsEarly = signalsEarly;
    this.#server = server;
    this.#copies = new CopyList(native);
    this.#batch = new ReplyBatch(this.#copies, BATCH_CHAINS_MAX);
    this.#parking = parking;
    this.#logger = logger;
  }

  /** The eventfd to poll, or -1: the queue does not run, or the driver broke it. */
  get kickFd(): number {
    return this.#ring === undefined || this.#ring.broken !== undefined ? -1 : this.#kickFd;
  }

  /** Available entries taken so far, modulo 2^16. */
  get lastAvail(): number {
    return this.#ring?.lastAvail ?? this.#pausedAt ?? 0;
  }

  /** Used entries written so far, modulo 2^16. */
  get usedIdx(): number {
    return this.#ring?.usedIdx ?? 0;
  }

  /**
   * Brings the queue in line with what the VM manager wants. A queue that runs keeps its place in
   * the ring; one that was stopped begins where the VM manager says.
   * @throws InvalidRing when the ring is not in memory.
   */
  follow(memory: GuestMemory, state: QueueState): void {
    this.#kickFd = state.kickFd;
    this.#callFd = state.callFd;
    if (this.#ring !== undefined && this.#memory === memory && sameRing(this.#state, state)) return;
    const lastAvail = this.#ring?.lastAvail ?? this.#pausedAt ?? state.lastAvail;
    const ring = new SplitQueue(memory, { ...state, lastAvail }, this.#copies);
    for (const { head } of this.#parked) ring.retake(head);
    this.#ring = ring;
    this.#pausedAt = undefined;
    this.#memory = memory;
    this.#state = state;
  }

  /** Drops every view, and what is parked: guest memory may go away now. */
  stop(): void {
    this.#ring = undefined;
    this.#memory = undefined;
    this.#pausedAt = undefined;
    for (const request of this.#parked) this.#parking.drop(request);
    this.#parked.clear();
    this.#ready = [];
  }

  /** Drops every view, but a later `follow` goes on from here: the memory of the ring is away. */
  pause(): void {
    this.#pausedAt = this.#ring?.lastAvail ?? this.#pausedAt;
    this.#ring = undefined;
    this.#memory = undefined;
  }

  /**
   * Answers all that was taken, because the ring is about to stop, and a position in it cannot say
   * which requests before it are still open. `wait` blocks until something has come that parked
   * requests want; when it gives up, they are refused with EINTR: a call to be made again.
   */
  finish(wait: () => boolean): void {
    const ring = this.#ring;
    if (ring === undefined || this.#parked.size === 0) return;
    do {
      while (this.#ready.length > 0) this.#serveReady(ring);
    } while (this.#parked.size > 0 && wait());
    for (const request of this.#parked) {
      ring.reload(request.head);
      request.failed = true;
      request.errno = EINTR;
      ring.complete(request.head, this.#answerParked(ring.chain, request));
      this.#parking.drop(request);
    }
    this.#parked.clear();
    this.#ready = [];
    this.#publish(ring);
  }

  /** A parked request can be answered. */
  resume(request: ParkedRequest): void {
    this.#ready.push(request);
  }

  /** Answers up to BATCH_CHAINS_MAX requests. Returns how many. */
  serve(): number {
    const ring = this.#ring;
    if (ring === undefined || ring.broken !== undefined) return 0;
    if (this.#ready.length === 0 && !ring.hasNext()) {
      if (ring.broken !== undefined) this.#complain("virtqueue stopped", ring.broken);
      return 0;
    }
    let answered = this.#ready.length > 0 ? this.#serveReady(ring) : 0;
    const batch = this.#batch;
    batch.begin();
    // Bytes that requests carried, beside those of the replies.
    let carried = 0;
    while (answered < BATCH_CHAINS_MAX) {
      const head = ring.next();
      if (head === NONE) break;
      this.#copies.begin();
      const written = this.#answer(ring.chain);
      answered += 1;
      if (written === PARKED) {
        this.#copies.discard();
        this.#parked.add(this.#park(head));
        continue;
      }
      batch.add(head, written);
      carried += ring.chain.readable.length;
      const isLarge = this.#signalsEarly && batch.bytes + carried >= UNSEEN_BYTES_MAX;
      if (isLarge || batch.isCrowded) {
        this.#show(ring);
        batch.begin();
        carried = 0;
      }
    }
    if (answered > 0) this.#show(ring);
    if (ring.broken !== undefined) this.#complain("virtqueue stopped", ring.broken);
    return answered;
  }

  /** Answers up to BATCH_CHAINS_MAX of the parked requests that can be. Returns how many. */
  #serveReady(ring: SplitQueue): number {
    const batch = this.#ready.splice(0, BATCH_CHAINS_MAX);
    // A batch that found no request has been begun and not completed.
    this.#copies.makeAtOnce();
    for (const request of batch) {
      ring.reload(request.head);
      const written = this.#answerParked(ring.chain, request);
      if (written === PARKED) {
        this.#park(request.head, request);
        continue;
      }
      this.#parked.delete(request);
      ring.complete(request.head, written);
    }
    return batch.length;
  }

  /** Asks the driver not to kick while requests are being served anyway. */
  disableNotifications(): void {
    this.#ring?.disableNotifications();
  }

  /** Asks the driver for kicks. True when requests came in meanwhile: serve them before waiting. */
  enableNotifications(): boolean {
    return this.#ring?.enableNotifications() ?? false;
  }

  /** Completes the batch, and shows the driver all that is done. */
  #show(ring: SplitQueue): void {
    this.#batch.complete(ring, this.#again);
    this.#publish(ring);
  }

  #publish(ring: SplitQueue): void {
    if (ring.publish() && this.#callFd >= 0) signalFd(this.#callFd);
  }

  /** Bytes written to the chain's device-writable part. */
  #answer({ readable, writable, malformed }: Chain): number {
    this.#parking.begin();
    if (malformed === undefined) return this.#server.handle(readable, writable);
    this.#complain("malformed descriptor chain", malformed);
    return this.#server.refuse(readable, writable);
  }

  /** The same for a request that was parked and is ready. */
  #answerParked(chain: Chain, { ticket, failed, errno }: ParkedRequest): number {
    const { readable, writable } = chain;
    if (ticket > 0) return this.#server.conclude(readable, writable, errno);
    if (!failed) return this.#answer(chain);
    return this.#server.refuse(readable, writable, errno === 0 ? undefined : errno);
  }

  /** Parks the request that was just answered PARKED. */
  #park(head: number, earlier?: ParkedRequest): ParkedRequest {
    const server = this.#server;
    const why = server.parkedFor;
    if (why === "missing") return this.#parking.park(this, head, earlier);
    const ticket = why === "syncing" ? server.ticket : 0;
    return this.#parking.parkForLayer(this, head, ticket, earlier);
  }

  #complain(message: string, reason: string): void {
    this.#logger.log("warn", message, { queue: this.index, reason });
  }
}

/** Whether a running ring can go on over the views that it has. */
function sameRing(old: QueueState | undefined, now: QueueState): boolean {
  return (
    old !== undefined &&
    old.size === now.size &&
    old.descriptorTable === now.descriptorTable &&
    old.availRing === now.availRing &&
    old.usedRing === now.usedRing &&
    old.indirect === now.indirect &&
    old.eventIdx === now.eventIdx
  );
}

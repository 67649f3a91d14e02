/**
 * The device thread's end of its talk with the control thread. Messages are taken by hand, after
 * the wake eventfd said that there are some; what is to be said is collected and posted now and
 * then, never once for each request.
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { drainFd, PollSet } from "node-vhost-user";
import type { Modifications } from "../fuse/modifications.ts";
import type { ToDevice } from "./messages.ts";
import { type ParkedRequests, TICK_MILLISECONDS } from "./parked-requests.ts";
import type { TouchLog } from "./touch-log.ts";

/**
 * How long a ring that is to stop waits for what its parked requests lack. The VM manager waits as
 * long, with the machine paused; afterwards they are refused.
 */
export const STOP_GRACE_MILLISECONDS = 3_000;

/**
 * And for what its parked requests wait for in the layer: a write that is refused is data lost, and
 * the layer's disk is here.
 */
export const LAYER_STOP_GRACE_MILLISECONDS = 20_000;

/** Rings that stop so soon after one another stop together: they share the wait. */
const STOPS_TOGETHER_MILLISECONDS = 1_000;

const FOREVER = -1;

export interface ControlPortOptions {
  readonly port: MessagePort;
  /** An eventfd that the control thread writes after posting a message. */
  readonly wakeFd: number;
  readonly parked: ParkedRequests;
  /** Left out, nobody wants to know what is read. */
  readonly touches?: TouchLog | undefined;
  /** Whoever keeps blobs open has to open them anew. */
  readonly reopenBlobs: () => void;
  /** Lets go of what was removed from the store. */
  readonly trim: () => void;
  /** Of a share that can be written to. Its layer thread writes the wake eventfd, too. */
  readonly modifications?: Pick<Modifications, "layerChanged" | "tick" | "onProgress"> | undefined;
  /** What that submits is posted when it is flushed. */
  readonly layer?: { flush(): void; lost(): void } | undefined;
}

export class ControlPort implements Disposable {
  readonly wakeFd: number;
  readonly parked: ParkedRequests;
  /** The control thread wants this thread to end. */
  stopped = false;
  readonly #port: MessagePort;
  readonly #touches: TouchLog | undefined;
  readonly #reopenBlobs: () => void;
  readonly #trim: () => void;
  readonly #modifications: ControlPortOptions["modifications"];
  readonly #layer: ControlPortOptions["layer"];
  readonly #poll = new PollSet(1);
  /** When the rings that are stopping began to. */
  #stopping = Number.NEGATIVE_INFINITY;

  constructor(options: ControlPortOptions) {
    this.wakeFd = options.wakeFd;
    this.parked = options.parked;
    this.#port = options.port;
    this.#touches = options.touches;
    this.#reopenBlobs = options.reopenBlobs;
    this.#trim = options.trim;
    this.#modifications = options.modifications;
    this.#layer = options.layer;
    if (this.#modifications !== undefined) {
      this.#modifications.onProgress = (ticket, errno) =>
        this.parked.layer.progressed(ticket, errno);
    }
    this.#poll.set(0, options.wakeFd);
  }

  /** Follows all messages that have come. */
  take(): void {
    drainFd(this.wakeFd);
    for (;;) {
      const received: { message: ToDevice } | undefined = receiveMessageOnPort(this.#port);
      if (received === undefined) break;
      this.#follow(received.message);
    }
    this.#modifications?.layerChanged();
  }

  #follow(message: ToDevice): void {
    switch (message.kind) {
      case "stop":
        this.stopped = true;
        return;
      case "settled":
        this.parked.settled(message.id, message.stored);
        return;
      case "progressed":
        this.parked.progressed(message.id);
        return;
      case "exposed":
        this.#reopenBlobs();
        return;
      case "trim":
        this.#trim();
        return;
      case "layerLost":
        this.#layer?.lost();
        return;
    }
  }

  /**
   * How long the device thread may block before `tick` is due; -1: for ever. To be asked right before
   * it does: what was changed since `tick` may be due sooner.
   */
  get pollMilliseconds(): number {
    const idle = this.parked.waiting === 0 && this.#touches?.isEmpty !== false;
    const due = idle ? FOREVER : TICK_MILLISECONDS;
    const layerDue = this.#tickLayer();
    if (layerDue < 0) return due;
    return due < 0 ? layerDue : Math.min(due, layerDue);
  }

  /** What is due by now: deadlines, reports of what was read, and writing back. */
  tick(): void {
    this.parked.tick();
    this.#touches?.tick();
    this.#tickLayer();
  }

  #tickLayer(): number {
    const modifications = this.#modifications;
    if (modifications === undefined) return FOREVER;
    const due = Math.ceil(modifications.tick(performance.now()));
    this.#layer?.flush();
    return due;
  }

  /** Posts what has come together. No reply is left whose bytes are to be copied yet. */
  flush(): void {
    this.parked.flush();
    this.#layer?.flush();
  }

  /**
   * For a ring that is to stop: blocks until a message comes, and follows it. False: time is up, and
   * what still waits is to be refused.
   */
  readonly waitWhileStopping = (): boolean => {
    const now = performance.now();
    const grace =
      this.parked.layer.waiting > 0 ? LAYER_STOP_GRACE_MILLISECONDS : STOP_GRACE_MILLISECONDS;
    if (now > this.#stopping + grace + STOPS_TOGETHER_MILLISECONDS) this.#stopping = now;
    const left = this.#stopping + grace - now;
    this.flush();
    if (this.stopped || left <= 0) return false;
    const due = this.#tickLayer();
    this.#poll.wait(Math.ceil(due < 0 ? left : Math.min(due, left)));
    this.take();
    return true;
  };

  [Symbol.dispose](): void {
    this.#poll[Symbol.dispose]();
  }
}

/**
 * The entry of a layer thread: one worker for each writable share. It takes batches from the device
 * thread, puts them on the disk in order and says so. Its waits (fdatasync(2), SQLite) are nobody
 * else's.
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { signalFd, viewNative } from "node-vhost-user";
import { assert } from "../base/assert.ts";
import { ENOSPC } from "../base/errno.ts";
import type { LogFields, LogLevel } from "../base/logger.ts";
import type { FromLayer, LayerBatch, ToLayer } from "./batch.ts";
import type { FromLayerThread, LayerThreadConfig, ToLayerThread } from "./layer-messages.ts";
import { LayerWriter } from "./layer-writer.ts";
import { reclaimContents } from "./reclaim.ts";

/** How long a batch waits for room on the disk, and how often that is looked after. */
const ROOM_MILLISECONDS_MAX = 10_000;
const ROOM_RETRY_MILLISECONDS = 250;

/** How often the control thread is told that batches are written, at the most. */
const PROGRESS_MILLISECONDS = 100;

assert(parentPort !== null, "a layer thread is a worker");
const control = parentPort;
const config = workerData as LayerThreadConfig;
const device = config.port;

function tellControl(message: FromLayerThread): void {
  control.postMessage(message);
}

function tellDevice(message: FromLayer): void {
  device.postMessage(message);
  signalFd(config.wakeFd);
}

function log(level: LogLevel, message: string, fields?: LogFields): void {
  tellControl({ kind: "log", level, message, fields });
}

class LayerThread {
  readonly #writer: LayerWriter;
  /** The first of them may wait for room. */
  readonly #queue: ToLayer[] = [];
  #noRoomSince: number | undefined;
  #retry: NodeJS.Timeout | undefined;
  #ending = false;
  #lastId = 0;
  #lastDurable = true;
  #toldProgress = 0;

  constructor() {
    if (config.wasKilled) reclaimContents(config.directory);
    const memory = new Uint8Array(viewNative(config.memoryAddress, config.memoryBytes));
    this.#writer = new LayerWriter(config.directory, memory, { log });
    device.on("message", (message: ToLayer) => this.#fromDevice(message));
    control.on("message", (message: ToLayerThread) => this.#fromControl(message));
    tellControl({ kind: "ready" });
  }

  #fromDevice(message: ToLayer): void {
    this.#queue.push(message);
    if (this.#retry === undefined) this.#work();
  }

  /** Follows what has come, in order, unless a batch waits for room on the disk. */
  #work(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    for (let message = this.#queue[0]; message !== undefined; message = this.#queue[0]) {
      if (message.kind === "held") tellControl({ kind: "held" });
      else if (!this.#write(message.batch)) return;
      this.#queue.shift();
    }
  }

  /** False: there is no room, and it will be tried again. */
  #write(batch: LayerBatch): boolean {
    const errno = this.#writer.write(batch);
    if (errno === ENOSPC && this.#mayWait()) return false;
    this.#noRoomSince = undefined;
    if (errno !== 0) this.#writer.giveUp(errno);
    this.#lastId = batch.id;
    this.#lastDurable = batch.durable;
    this.#settle(errno);
    this.#tellProgress();
    if (errno !== 0) tellControl({ kind: "failed", message: "the layer failed", errno });
    this.#writer.tidy();
    return true;
  }

  /** The control thread wants to know whether there is any. */
  #tellProgress(): void {
    const now = performance.now();
    if (now - this.#toldProgress < PROGRESS_MILLISECONDS) return;
    this.#toldProgress = now;
    tellControl({ kind: "progress" });
  }

  /** Somebody else has filled the disk, perhaps for a moment only. */
  #mayWait(): boolean {
    const now = performance.now();
    if (this.#writer.failed !== 0 || this.#ending) return false;
    if (this.#noRoomSince === undefined) {
      this.#noRoomSince = now;
      log("warn", "the layer's disk is full: waiting for room");
    }
    if (now - this.#noRoomSince > ROOM_MILLISECONDS_MAX) {
      log("error", "the layer's disk is full: nothing more is written to it");
      return false;
    }
    this.#retry = setTimeout(() => this.#work(), ROOM_RETRY_MILLISECONDS);
    return true;
  }

  #settle(errno: number): void {
    tellDevice({
      kind: "settled",
      id: this.#lastId,
      durable: this.#lastDurable,
      errno,
      ...this.#writer.room,
    });
  }

  #fromControl(message: ToLayerThread): void {
    if (message.kind === "end") this.#end();
    else if (message.kind === "pinned") this.#settle(this.#writer.failed);
    else tellDevice({ kind: message.kind });
  }

  /** The device thread is gone: what it has sent is all there is. */
  #end(): void {
    this.#ending = true;
    this.#work();
    for (;;) {
      const received: { message: ToLayer } | undefined = receiveMessageOnPort(device);
      if (received === undefined) break;
      this.#fromDevice(received.message);
    }
    this.#writer[Symbol.dispose]();
    device.close();
    control.close();
  }
}

new LayerThread();

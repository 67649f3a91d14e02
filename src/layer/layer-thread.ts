/**
 * The entry of a layer thread: one worker for each writable share. It takes batches from the device
 * thread, puts them on the disk in order and says so. Its waits (fdatasync(2), SQLite) are nobody
 * else's.
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { signalFd, viewNative } from "node-vhost-user";
import { assert } from "../base/assert.ts";
import type { FromLayer, LayerBatch, ToLayer } from "./batch.ts";
import type { FromLayerThread, LayerThreadConfig, ToLayerThread } from "./layer-messages.ts";
import { LayerWriter } from "./layer-writer.ts";

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

class LayerThread {
  readonly #writer: LayerWriter;
  #lastId = 0;
  #lastDurable = true;

  constructor() {
    const memory = new Uint8Array(viewNative(config.memoryAddress, config.memoryBytes));
    this.#writer = new LayerWriter(config.directory, memory, {
      log: (level, message, fields) => tellControl({ kind: "log", level, message, fields }),
    });
    device.on("message", (message: ToLayer) => this.#fromDevice(message));
    control.on("message", (message: ToLayerThread) => this.#fromControl(message));
    tellControl({ kind: "ready" });
  }

  #fromDevice(message: ToLayer): void {
    if (message.kind === "held") tellControl({ kind: "held" });
    else this.#write(message.batch);
  }

  #write(batch: LayerBatch): void {
    const errno = this.#writer.write(batch);
    this.#lastId = batch.id;
    this.#lastDurable = batch.durable;
    this.#settle(errno);
    tellControl({ kind: "progress" });
    if (errno !== 0) tellControl({ kind: "failed", message: "the layer failed", errno });
    this.#writer.tidy();
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

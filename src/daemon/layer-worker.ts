/**
 * The control thread's end of a layer thread: starts the worker, hands on its log lines, holds the
 * layer for whoever reads it, and ends it after the device thread.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { EventFd, NativeBlock } from "node-vhost-user";
import type { Logger } from "../base/logger.ts";
import type { LayerHolder } from "../layer/control-server.ts";
import type { FromLayerThread, LayerThreadConfig, ToLayerThread } from "../layer/layer-messages.ts";
import { DaemonError } from "./errors.ts";

/** This file's own ending tells whether sources or compiled files are running. */
const THREAD_FILE = import.meta.url.endsWith(".ts") ? "layer-thread.ts" : "layer-thread.js";

export interface LayerWorkerOptions {
  readonly directory: string;
  readonly wasKilled: boolean;
  readonly memory: NativeBlock;
  readonly memoryBytes: number;
  /** The device thread's. */
  readonly wake: EventFd;
  readonly logger: Logger;
}

export class LayerWorker implements LayerHolder {
  /** The device thread's end. */
  readonly devicePort: MessagePort;
  /** Settles when the thread takes batches; rejects with DaemonError when it cannot start. */
  readonly ready: Promise<void>;
  /** Settles when the thread has ended, in whatever way. */
  readonly ended: Promise<void>;
  /** Called for each batch that was written. */
  onProgress: () => void = () => {};
  /** Called when the thread ends before it was told to. */
  onLost: () => void = () => {};
  readonly #worker: Worker;
  #held: PromiseWithResolvers<void> | undefined;
  #failure: DaemonError | undefined;
  #ending = false;

  constructor({ directory, wasKilled, memory, memoryBytes, wake, logger }: LayerWorkerOptions) {
    const { port1, port2 } = new MessageChannel();
    this.devicePort = port1;
    const workerData: LayerThreadConfig = {
      directory,
      wasKilled,
      memoryAddress: memory.address,
      memoryBytes,
      port: port2,
      wakeFd: wake.fd,
    };
    const url = new URL(`../layer/${THREAD_FILE}`, import.meta.url);
    this.#worker = new Worker(url, { workerData, transferList: [port2] });
    const ready = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.ended = ended.promise;
    this.ready.catch(() => {});
    this.#worker.on("message", (message: FromLayerThread) => {
      if (message.kind === "ready") ready.resolve();
      else if (message.kind === "log") logger.log(message.level, message.message, message.fields);
      else if (message.kind === "progress") this.onProgress();
      else if (message.kind === "held") this.#held?.resolve();
      else this.#fail(new DaemonError(message.message));
    });
    this.#worker.on("error", (error) => {
      this.#fail(new DaemonError(`the layer thread failed: ${error.message}`, { cause: error }));
      logger.log("error", "the layer thread failed", { reason: error.message });
    });
    this.#worker.on("exit", () => {
      this.#fail(new DaemonError("the layer is not served any more"));
      if (!this.#ending) this.onLost();
      ready.reject(this.#failure);
      ended.resolve();
    });
  }

  async hold(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#held = Promise.withResolvers();
    this.#post({ kind: "hold" });
    try {
      await this.#held.promise;
    } finally {
      this.#held = undefined;
    }
  }

  pinned(): void {
    this.#post({ kind: "pinned" });
  }

  release(): void {
    this.#post({ kind: "release" });
  }

  /** To be called when the device thread has ended: puts what it has sent on the disk, and ends. */
  async end(): Promise<void> {
    this.#ending = true;
    this.#post({ kind: "end" });
    await this.ended;
  }

  #post(message: ToLayerThread): void {
    this.#worker.postMessage(message);
  }

  #fail(failure: DaemonError): void {
    this.#failure ??= failure;
    this.#held?.reject(this.#failure);
  }
}

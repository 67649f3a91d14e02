/**
 * The control thread's end of a device thread: starts the worker, hands on its log lines, what its
 * requests lack and what they read, and stops it. Every message goes with the wake eventfd, since a
 * thread that is blocked in epoll_wait(2) hears nothing else.
 */
import { Worker } from "node:worker_threads";
import { EventFd } from "node-vhost-user";
import type { Logger } from "../base/logger.ts";
import { Digest } from "../castore/digest.ts";
import type { DeviceThreadConfig, FromDevice, ToDevice } from "../device/messages.ts";
import { TOUCH_BYTES, TOUCHED_KINDS } from "../device/touch-log.ts";
import type { AccessRecorder } from "../store/tiers/trace.ts";
import { DaemonError } from "./errors.ts";
import type { DeviceWants, WantBroker } from "./want-broker.ts";
import type { WritableShare } from "./writable-share.ts";

/** How long a device thread may take to end after it was told to, in milliseconds. */
export const STOP_DEADLINE_MILLISECONDS = 5_000;

/** The same with a layer, since the last batch that it wrote: one may be as large as its memory. */
export const LAYER_STOP_DEADLINE_MILLISECONDS = 120_000;

/** Why a device thread ended in good order. */
export type DeviceEnd = "stopped" | "disconnected";

/** This file's own ending tells whether sources or compiled files are running. */
const THREAD_FILE = import.meta.url.endsWith(".ts") ? "device-thread.ts" : "device-thread.js";

/** What device threads share. */
export interface DeviceServices {
  /** Left out, nothing is fetched. */
  readonly broker?: WantBroker | undefined;
  /** Left out, nothing is recorded. */
  readonly recorder?: AccessRecorder | undefined;
  /** Left out, the share is read-only. Of one device only. */
  readonly layer?: WritableShare | undefined;
}

export class DeviceWorker {
  readonly #worker: Worker;
  readonly #wake: EventFd;
  readonly #logger: Logger;
  readonly #wants: DeviceWants | undefined;
  readonly #recorder: AccessRecorder | undefined;
  readonly #stopDeadlineMilliseconds: number;
  #gone = false;
  #end: DeviceEnd | undefined;
  #failure: DaemonError | undefined;
  #stopTimer: NodeJS.Timeout | undefined;

  /** Settles when the thread is ready to serve; rejects with DaemonError when it cannot start. */
  readonly ready: Promise<void>;
  /** Settles when the thread has ended; rejects with DaemonError when it failed. */
  readonly ended: Promise<DeviceEnd>;

  constructor(
    config: Omit<DeviceThreadConfig, "wakeFd" | "layer">,
    { broker, recorder, layer }: DeviceServices,
    logger: Logger,
  ) {
    this.#wake = layer?.wake ?? new EventFd();
    this.#stopDeadlineMilliseconds =
      layer === undefined ? STOP_DEADLINE_MILLISECONDS : LAYER_STOP_DEADLINE_MILLISECONDS;
    if (layer !== undefined) {
      layer.worker.onProgress = () => this.#stopTimer?.refresh();
      layer.worker.onLost = () => this.#post({ kind: "layerLost" });
    }
    this.#logger = logger;
    this.#recorder = recorder;
    this.#wants = broker?.connect({
      settled: (id, stored) => this.#post({ kind: "settled", id, stored }),
      progressed: (id) => this.#post({ kind: "progressed", id }),
    });
    const workerData: DeviceThreadConfig = {
      ...config,
      wakeFd: this.#wake.fd,
      layer: layer?.deviceConfig,
    };
    const transferList = layer === undefined ? [] : [layer.deviceConfig.port];
    const url = new URL(`../device/${THREAD_FILE}`, import.meta.url);
    this.#worker = new Worker(url, { workerData, transferList });
    const ready = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<DeviceEnd>();
    this.ready = ready.promise;
    this.ended = ended.promise;
    // Whoever waits for one of the two hears of a failure; the other must not count as unhandled.
    this.ready.catch(() => {});
    this.ended.catch(() => {});
    this.#worker.on("message", (message: FromDevice) => {
      if (message.kind === "ready") ready.resolve();
      else if (message.kind === "log") logger.log(message.level, message.message, message.fields);
      else if (message.kind === "wanted") this.#want(message);
      else if (message.kind === "touched") this.#record(message.records);
      else if (message.kind === "ended") this.#end = message.reason;
      else this.#failure = deviceFailure(message.message, message.stack);
    });
    this.#worker.on("error", (error) => {
      this.#failure = deviceFailure(error.message, error.stack);
    });
    // Nothing is settled before the thread is gone: a process that exits beside a thread that is
    // still taking its native libraries down may crash.
    this.#worker.on("exit", () => {
      clearTimeout(this.#stopTimer);
      this.#gone = true;
      this.#wants?.[Symbol.dispose]();
      if (layer === undefined) this.#wake[Symbol.dispose]();
      if (this.#end !== undefined && this.#failure === undefined) return ended.resolve(this.#end);
      const failure = this.#failure ?? new DaemonError("the device thread ended unexpectedly");
      ready.reject(failure);
      ended.reject(failure);
    });
  }

  /** Ends the thread: its client is disconnected, `ended` settles. Further calls do nothing. */
  stop(): void {
    if (this.#stopTimer !== undefined || this.#end !== undefined) return;
    this.#post({ kind: "stop" });
    this.#stopTimer = setTimeout(() => {
      this.#logger.log("error", "the device thread does not end: killing the daemon");
      // A thread that is stuck in a system call keeps process.exit() from returning.
      process.kill(process.pid, "SIGKILL");
    }, this.#stopDeadlineMilliseconds);
  }

  /** Tells the thread that something in the store has changed. */
  tell(change: "exposed" | "trim"): void {
    this.#post({ kind: change });
  }

  #post(message: ToDevice): void {
    if (this.#gone) return;
    this.#worker.postMessage(message);
    this.#wake.signal();
  }

  #want({ wanted, unwanted }: Extract<FromDevice, { kind: "wanted" }>): void {
    this.#wants?.takeBack(unwanted);
    this.#wants?.want(wanted);
  }

  #record(records: Uint8Array): void {
    for (let at = 0; at < records.length; at += TOUCH_BYTES) {
      const kind = TOUCHED_KINDS[records[at]!]!;
      this.#recorder?.touched(kind, Digest.at(records, at + 1));
    }
  }
}

function deviceFailure(message: string, stack: string | undefined): DaemonError {
  const cause = new Error(message);
  if (stack !== undefined) cause.stack = stack;
  return new DaemonError(`the device thread failed: ${message}`, { cause });
}

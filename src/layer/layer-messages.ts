/**
 * What the daemon's control thread and a layer thread say to each other. What the layer thread and a
 * device thread say is in batch.ts; that goes by a port of their own, and the eventfd `wakeFd` is
 * written after each message for the device thread.
 */
import type { MessagePort } from "node:worker_threads";
import type { LogFields, LogLevel } from "../base/logger.ts";

/** What a layer thread is started with (`workerData`). */
export interface LayerThreadConfig {
  /** Its lock is held by the control thread. */
  readonly directory: string;
  /** Whoever had the layer before was killed, perhaps. */
  readonly wasKilled: boolean;
  /** Contents that are to be written: an address in this process, and bytes. */
  readonly memoryAddress: number;
  readonly memoryBytes: number;
  /** To the device thread. */
  readonly port: MessagePort;
  /** The device thread's wake eventfd. */
  readonly wakeFd: number;
}

export type ToLayerThread =
  /** Get all that was written into the layer, then no batch until "pinned"; answered "held". */
  | { readonly kind: "hold" }
  /** A snapshot has been taken: batches may come again. */
  | { readonly kind: "pinned" }
  /** What the layer holds may be overwritten and freed again. */
  | { readonly kind: "release" }
  /** The device thread has ended: finish. */
  | { readonly kind: "end" };

export type FromLayerThread =
  | { readonly kind: "ready" }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: LogFields | undefined;
    }
  | { readonly kind: "held" }
  /** A batch was written: it gets on. */
  | { readonly kind: "progress" }
  /** The thread could not start, or the layer failed; `errno` as the device thread has it. */
  | { readonly kind: "failed"; readonly message: string; readonly errno: number };

/**
 * What the control thread and a device thread say to each other. The control thread posts a message
 * and then writes the wake eventfd; the device thread takes it between two polls. In the other
 * direction plain messages do: the control thread has an event loop.
 */
import type { LogFields, LogLevel } from "../base/logger.ts";

/** What a device thread is started with (`workerData`): numbers, strings and bytes only. */
export interface DeviceThreadConfig {
  /** A unix socket, listening or connected. The device thread closes it. */
  readonly socketFd: number;
  /** An eventfd that the control thread writes after posting a message. */
  readonly wakeFd: number;
  readonly storeDirectory: string;
  /** The encoded `Entry` of the root node that is the share; undefined: all roots by name. */
  readonly root: Uint8Array | undefined;
  readonly listRoot: boolean;
  readonly showXattr: boolean;
  /** The tag for the config space; undefined: no config space is offered. */
  readonly tag: string | undefined;
  readonly requestQueues: number;
  readonly exitOnDisconnect: boolean;
  readonly spinMicroseconds: number;
  /** There is more than one CPU: the guest's driver runs while the device thread does. */
  readonly parallel: boolean;
  readonly maxInodes: number;
}

export type ToDevice = { readonly kind: "stop" };

export type FromDevice =
  | { readonly kind: "ready" }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: LogFields | undefined;
    }
  /** The thread is about to return: it was told to stop, or its one client went away. */
  | { readonly kind: "ended"; readonly reason: "stopped" | "disconnected" }
  /** The thread could not start, or met a bug of ours. */
  | { readonly kind: "failed"; readonly message: string; readonly stack: string | undefined };

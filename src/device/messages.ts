/**
 * What the control thread and a device thread say to each other. The control thread posts a message
 * and then writes the wake eventfd; the device thread takes it between two polls. In the other
 * direction plain messages do: the control thread has an event loop.
 */
import type { LogFields, LogLevel } from "../base/logger.ts";
import type { DeviceLayerConfig } from "../layer/device-layer.ts";
import type { VerifyMode } from "../store/chunk-finder.ts";
import type { WantedObject } from "../store/object-fetcher.ts";

/** What a device thread is started with (`workerData`): numbers, strings, bytes and a port. */
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
  readonly verify: VerifyMode;
  readonly trustChunkLists: boolean;
  /**
   * How long a request may wait for what it lacks, in milliseconds, while nothing of it comes in;
   * undefined: nobody fetches, such a request fails at once.
   */
  readonly sourceTimeoutMilliseconds: number | undefined;
  /** Whether to tell what is read first, and when. */
  readonly recording: boolean;
  /** Where the guest's changes go; undefined: the share is read-only. */
  readonly layer: DeviceLayerConfig | undefined;
}

/** An object that parked requests wait for. */
export interface Want {
  /** By which answers name it; never used again by this thread. */
  readonly id: number;
  readonly kind: WantedObject["kind"];
  readonly digest: Uint8Array;
  readonly heal: boolean;
  readonly within: Uint8Array | undefined;
  /** Bytes of a blob, where its file says so. */
  readonly size: number | undefined;
}

export type ToDevice =
  | { readonly kind: "stop" }
  /** The object can be read from the local store now; not `stored`: it is not to be had. */
  | { readonly kind: "settled"; readonly id: number; readonly stored: boolean }
  /** Some of it has come in. */
  | { readonly kind: "progressed"; readonly id: number }
  /** A list of chunks in the local store was a lie, and is gone: blobs are to be opened anew. */
  | { readonly kind: "exposed" }
  /** Time to let go of segments that a collection has removed: their room on the disk is waiting. */
  | { readonly kind: "trim" }
  /** The layer thread has ended on its own. */
  | { readonly kind: "layerLost" };

export type FromDevice =
  | { readonly kind: "ready" }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: LogFields | undefined;
    }
  /** Requests wait for these; nobody waits any more for those with the ids `unwanted`. */
  | {
      readonly kind: "wanted";
      readonly wanted: readonly Want[];
      readonly unwanted: readonly number[];
    }
  /** Objects that were read for the first time, in order; see touch-log.ts. */
  | { readonly kind: "touched"; readonly records: Uint8Array }
  /** The thread is about to return: it was told to stop, or its one client went away. */
  | { readonly kind: "ended"; readonly reason: "stopped" | "disconnected" }
  /** The thread could not start, or met a bug of ours. */
  | { readonly kind: "failed"; readonly message: string; readonly stack: string | undefined };

/**
 * What `castorefs serve` runs with: parsed and validated once by the command line, frozen, and
 * never looked up in argv or the environment again.
 */
import type { VerifyMode } from "../store/chunk-finder.ts";

/** Request queues at the most (virtio 1.2 §5.11.4 leaves it to the device; QEMU's limit is 1024). */
export const REQUEST_QUEUES_MAX = 64;

/** Bytes of a share's tag (virtio 1.2 §5.11.4, `struct virtio_fs_config`). */
export const TAG_BYTES_MAX = 36;

/** The longest spin before the device thread blocks, in microseconds. */
export const SPIN_MICROSECONDS_MAX = 1000;

/** Inodes that a guest may keep looked up at a time, unless configured otherwise. */
export const INODES_DEFAULT = 4_000_000;

/** Virtual machines that one daemon serves: a socket and a device thread each. */
export const DEVICES_MAX = 64;

/** How long a guest may wait for sources, in seconds, unless configured otherwise; at the most. */
export const SOURCE_TIMEOUT_SECONDS_DEFAULT = 30;
export const SOURCE_TIMEOUT_SECONDS_MAX = 3600;

export type ListenAddress =
  | {
      readonly kind: "path";
      /** Where the unix socket is made. */
      readonly path: string;
      /** Permission bits of the socket file. */
      readonly mode: number;
      /** Name or number of the group that the socket file is given to. */
      readonly group?: string;
    }
  | {
      readonly kind: "fd";
      /** An inherited unix socket, listening or already connected. */
      readonly fd: number;
    };

/** Where the store gets what it lacks. */
export interface SourcesConfig {
  /** Near to far, one at least. */
  readonly addresses: readonly string[];
  /** How long a request may wait while nothing of what it lacks comes in. */
  readonly timeoutSeconds: number;
  /** Uses lists of chunks that nobody has proven, so that large files come chunk by chunk. */
  readonly trustChunkLists: boolean;
  /** Requests to one source at a time; left out, the fetcher's own bound. */
  readonly concurrency?: number;
  /** Bytes a second from one source; left out, as fast as it goes. */
  readonly bytesPerSecond?: number;
  /** What to fetch ahead: a recording, or everything of some kind. */
  readonly prefetch?: PrefetchPlan;
}

/** `all` and `metadata` are of the root that is served. */
export type PrefetchPlan =
  | { readonly kind: "recording"; readonly path: string }
  | { readonly kind: "all" | "metadata" };

/** Memory for what a guest has written and the disk has not got yet, in bytes. */
export const LAYER_MEMORY_DEFAULT = 256 * 1024 * 1024;
export const LAYER_MEMORY_MIN = 16 * 1024 * 1024;
export const LAYER_MEMORY_MAX = 2 * 1024 * 1024 * 1024;

/** Bytes that a layer may take, at the least: less would not hold a guest's boot. */
export const LAYER_SIZE_MIN = 16 * 1024 * 1024;
export const LAYER_SIZE_MAX = 2 ** 44;

/** A share that its one guest may change; the store stays as it is. */
export interface WritableConfig {
  /** Where the differences are kept; left out, they vanish with the daemon. */
  readonly layerDirectory?: string;
  readonly memoryBytes: number;
  /** Left out, as much as the disk has. */
  readonly layerBytes: number | undefined;
}

export interface ServeConfig {
  readonly storeDirectory: string;
  /** A socket for each virtual machine: 1 to DEVICES_MAX. */
  readonly listen: readonly ListenAddress[];
  /** Request queues, besides the high-priority queue: 1 to REQUEST_QUEUES_MAX. */
  readonly requestQueues: number;
  /** The tag in the device's config space; left out, the VM manager gives it. UTF-8. */
  readonly tag?: string;
  /** The name or the digest of the root node that is the share; left out: all roots, by name. */
  readonly root?: string;
  /** The share's root may be listed when it shows all roots. */
  readonly listRoot: boolean;
  readonly showXattr: boolean;
  /** Each socket ends with its client, and the daemon with the last of them. */
  readonly exitOnDisconnect: boolean;
  /** How long to look for more requests before blocking: 0 (never) to SPIN_MICROSECONDS_MAX. */
  readonly spinMicroseconds: number;
  readonly maxInodes: number;
  /** How often chunks are checked when they are read. */
  readonly verify: VerifyMode;
  /** Left out, what the store lacks cannot be read. */
  readonly sources?: SourcesConfig;
  /** Where to write what is read first, and in which order; left out, nothing is recorded. */
  readonly recordPath?: string;
  /** Left out, the share is read-only. With `root`, and one address in `listen`. */
  readonly writable?: WritableConfig;
}

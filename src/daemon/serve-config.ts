/**
 * What `castorefs serve` runs with: parsed and validated once by the command line, frozen, and
 * never looked up in argv or the environment again.
 */

/** Request queues at the most (virtio 1.2 §5.11.4 leaves it to the device; QEMU's limit is 1024). */
export const REQUEST_QUEUES_MAX = 64;

/** Bytes of a share's tag (virtio 1.2 §5.11.4, `struct virtio_fs_config`). */
export const TAG_BYTES_MAX = 36;

/** The longest spin before the device thread blocks, in microseconds. */
export const SPIN_MICROSECONDS_MAX = 1000;

/** Inodes that a guest may keep looked up at a time, unless configured otherwise. */
export const INODES_DEFAULT = 4_000_000;

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

export interface ServeConfig {
  readonly storeDirectory: string;
  readonly listen: ListenAddress;
  /** Request queues, besides the high-priority queue: 1 to REQUEST_QUEUES_MAX. */
  readonly requestQueues: number;
  /** The tag in the device's config space; left out, the VM manager gives it. UTF-8. */
  readonly tag?: string;
  /** The name or the digest of the root node that is the share; left out: all roots, by name. */
  readonly root?: string;
  /** The share's root may be listed when it shows all roots. */
  readonly listRoot: boolean;
  readonly showXattr: boolean;
  /** Ends the daemon when its client disconnects. */
  readonly exitOnDisconnect: boolean;
  /** How long to look for more requests before blocking: 0 (never) to SPIN_MICROSECONDS_MAX. */
  readonly spinMicroseconds: number;
  readonly maxInodes: number;
}

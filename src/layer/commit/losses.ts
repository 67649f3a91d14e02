/** What a castore tree cannot hold of a layer: counted for people, and for `--strict`. */
import { castorePermissions, isExecutable, permissions } from "../tree/inode-type.ts";
import type { LayerStep } from "../tree/layer-tree.ts";

/** Of inodes that the layer has; the base has none of it. Each inode counts once in each. */
export interface LayerLosses {
  /** Of everything that was made or changed. Nobody means to keep them: `--strict` lets them go. */
  times: number;
  /** Not of user 0 and group 0. */
  owners: number;
  /** Other than those a share of the committed tree gives back; set-ID and sticky bits. */
  permissions: number;
  /** Inodes with extended attributes, ACLs among them. */
  xattrs: number;
  devices: number;
  fifos: number;
  sockets: number;
  /** Files with several names: each becomes a file of its own, stored once. */
  hardLinks: number;
}

/** Counts what is lost of the inodes it is shown. */
export class LossCounter {
  readonly losses: LayerLosses = {
    times: 0,
    owners: 0,
    permissions: 0,
    xattrs: 0,
    devices: 0,
    fifos: 0,
    sockets: 0,
    hardLinks: 0,
  };
  readonly #withXattrs: ReadonlySet<number>;
  /** Of inodes with several names: counted when the first was come to. */
  readonly #linked = new Set<number>();

  /** `withXattrs`: inodes that have extended attributes. */
  constructor(withXattrs: ReadonlySet<number>) {
    this.#withXattrs = withXattrs;
  }

  add({ inode, type }: LayerStep): void {
    const { losses } = this;
    if (type !== "directory" && inode.links > 1) {
      if (this.#linked.has(inode.id)) return;
      this.#linked.add(inode.id);
      losses.hardLinks += 1;
    }
    if (type === "character device" || type === "block device") losses.devices += 1;
    else if (type === "FIFO") losses.fifos += 1;
    else if (type === "socket") losses.sockets += 1;
    if (inode.mtime.seconds !== 0 || inode.mtime.nanoseconds !== 0) losses.times += 1;
    if (inode.uid !== 0 || inode.gid !== 0) losses.owners += 1;
    if (permissions(inode) !== castorePermissions(type, isExecutable(inode))) {
      losses.permissions += 1;
    }
    if (this.#withXattrs.has(inode.id)) losses.xattrs += 1;
  }
}

/** True when more is lost than times. */
export function losesMoreThanTimes(losses: Readonly<LayerLosses>): boolean {
  return Object.entries(losses).some(([kind, count]) => kind !== "times" && count > 0);
}

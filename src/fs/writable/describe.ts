/**
 * What stat(2) shows of an inode of a writable share. The kernel knows of all changes, since they are
 * its own, but for one: how many blocks a file takes once its pages were written back. It is not told
 * of that, so it may not go by a file's attributes for ever.
 */
import { type Attributes, type Entry, FOREVER } from "../../fuse/file-system.ts";
import { type Inode, NO_ID, UNKNOWN } from "./inode.ts";
import type { LayerState } from "./layer-state.ts";

/** st_blksize: what one read or write had best be. */
const PREFERRED_BYTES = 128 * 1024;

const BLOCK_BYTES = 512;

/** st_size of a directory, and the bytes that it is said to take. */
const DIRECTORY_BYTES = 4096;

/**
 * A kernel writes pages back after half a minute at the latest; so long after a change to a file its
 * blocks may change again, and the kernel had better ask again soon.
 */
const WRITE_BACK_SECONDS = 35;
const CHANGING_VALID_SECONDS = 1;
const FILE_VALID_SECONDS = 60;

export function describe(state: LayerState, inode: Inode, attributes: Attributes): void {
  const { contents } = inode;
  const size = inode.isDirectory ? DIRECTORY_BYTES : (contents?.size ?? inode.size);
  attributes.blocks = Math.ceil(allocatedBytes(state, inode, size) / BLOCK_BYTES);
  attributes.inoLow = inode.inoLow;
  attributes.inoHigh = inode.inoHigh;
  attributes.size = size;
  attributes.mode = inode.mode;
  attributes.nlink = inode.links;
  attributes.uid = inode.uid;
  attributes.gid = inode.gid;
  attributes.rdev = inode.rdev;
  attributes.blksize = PREFERRED_BYTES;
  attributes.atimeSeconds = inode.atimeSeconds;
  attributes.atimeNanoseconds = inode.atimeNanoseconds;
  attributes.mtimeSeconds = inode.mtimeSeconds;
  attributes.mtimeNanoseconds = inode.mtimeNanoseconds;
  attributes.ctimeSeconds = inode.ctimeSeconds;
  attributes.ctimeNanoseconds = inode.ctimeNanoseconds;
  attributes.btimeSeconds = inode.btimeSeconds;
  attributes.btimeNanoseconds = inode.btimeNanoseconds;
  attributes.validSeconds = inode.isFile ? validSeconds(state, inode) : FOREVER;
}

function allocatedBytes(state: LayerState, inode: Inode, size: number): number {
  if (!inode.isFile) return inode.isDirectory ? size : 0;
  if (inode.id === NO_ID) return size;
  if (inode.allocated === UNKNOWN) state.contentsOf(inode);
  return inode.contents?.allocatedBytes ?? inode.allocated;
}

function validSeconds({ clock }: LayerState, { writtenAt }: Inode): number {
  return clock.now - writtenAt < WRITE_BACK_SECONDS ? CHANGING_VALID_SECONDS : FILE_VALID_SECONDS;
}

/** The answer to a lookup: the kernel has the inode looked up once more. */
export function describeEntry(state: LayerState, inode: Inode, entry: Entry): void {
  inode.lookups += 1;
  entry.node[0] = inode.nodeid;
  entry.validSeconds = FOREVER;
  describe(state, inode, entry.attributes);
}

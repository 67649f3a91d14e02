/** What stat(2) shows of an inode of a writable share. */
import { type Attributes, type Entry, FOREVER } from "../../fuse/file-system.ts";
import type { Inode } from "./inode.ts";

/** st_blksize: what one read or write had best be. */
const PREFERRED_BYTES = 128 * 1024;

const BLOCK_BYTES = 512;

/** st_size of a directory, and the bytes that it is said to take. */
const DIRECTORY_BYTES = 4096;

export function describe(inode: Inode, attributes: Attributes): void {
  const { contents } = inode;
  const size = inode.isDirectory ? DIRECTORY_BYTES : (contents?.size ?? inode.size);
  const allocated = contents?.allocatedBytes ?? (inode.isSymlink ? 0 : size);
  attributes.inoLow = inode.inoLow;
  attributes.inoHigh = inode.inoHigh;
  attributes.size = size;
  attributes.blocks = Math.ceil(allocated / BLOCK_BYTES);
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
  attributes.validSeconds = FOREVER;
}

/** The answer to a lookup: the kernel has the inode looked up once more. */
export function describeEntry(inode: Inode, entry: Entry): void {
  inode.lookups += 1;
  entry.node[0] = inode.nodeid;
  entry.validSeconds = FOREVER;
  describe(inode, entry.attributes);
}

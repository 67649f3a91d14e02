/**
 * What stat(2) shows. castore keeps no times, owners or devices: times are 0 and owners root.
 * Sizes: bytes of a file or of a target; a directory's is the number of entries below it at every
 * depth, the same before and after it is read. Directories take no blocks.
 */
import { type Attributes, type Entry, FOREVER } from "../fuse/file-system.ts";
import type { Child } from "./child.ts";
import { isDirectory, modeOf } from "./inode-kind.ts";
import type { InodeTable } from "./inode-table.ts";

/** `st_blksize`: what one read had best ask for, the largest request of old kernels. */
const PREFERRED_READ_BYTES = 128 * 1024;

const BLOCK_BYTES = 512;

/** Fills in the attributes of the inode in `slot`: they never change. */
export function describeInode(table: InodeTable, slot: number, attributes: Attributes): void {
  fill(attributes, table.kind(slot), table.size(slot), table.links(slot));
  attributes.inoLow = table.inoLow(slot);
  attributes.inoHigh = table.inoHigh(slot);
}

/** Fills in an entry that the kernel is told of but shall look up itself: nodeid 0. */
export function describeUnknown(child: Child, entry: Entry): void {
  entry.node[0] = 0;
  entry.validSeconds = 0;
  fill(entry.attributes, child.kind, child.size, 1);
  entry.attributes.inoLow = child.inoLow;
  entry.attributes.inoHigh = child.inoHigh;
  entry.attributes.validSeconds = 0;
}

function fill(attributes: Attributes, kind: number, size: number, links: number): void {
  attributes.size = size;
  attributes.blocks = isDirectory(kind) ? 0 : Math.ceil(size / BLOCK_BYTES);
  attributes.mode = modeOf(kind);
  attributes.nlink = links;
  attributes.uid = 0;
  attributes.gid = 0;
  attributes.blksize = PREFERRED_READ_BYTES;
  attributes.validSeconds = FOREVER;
}

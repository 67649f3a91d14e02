/** Attributes and statistics as they stand in replies. Every byte of each struct is written, padding too. */
import {
  fuseAttr,
  fuseAttrOut,
  fuseEntryOut,
  fuseKstatfs,
  fuseStatfsOut,
  fuseStatx,
  fuseStatxOut,
} from "../abi/fuse.ts";
import { STATX_BASIC_STATS } from "../abi/fuse-constants.ts";
import { putU64 } from "../abi/struct.ts";
import type { Attributes, Entry, FileSystemStatistics } from "./file-system.ts";

const ATTR = fuseAttr.at;
const ENTRY = fuseEntryOut.at;
const STATX = fuseStatx.at;

/** Writes `struct fuse_attr`. All times are the epoch. */
export function putAttr(view: DataView, at: number, attributes: Attributes): void {
  view.setUint32(at + ATTR.ino, attributes.inoLow, true);
  view.setUint32(at + ATTR.ino + 4, attributes.inoHigh, true);
  putU64(view, at + ATTR.size, attributes.size);
  putU64(view, at + ATTR.blocks, attributes.blocks);
  for (let offset = ATTR.atime; offset < ATTR.mode; offset += 4) view.setUint32(at + offset, 0);
  view.setUint32(at + ATTR.mode, attributes.mode, true);
  view.setUint32(at + ATTR.nlink, attributes.nlink, true);
  view.setUint32(at + ATTR.uid, attributes.uid, true);
  view.setUint32(at + ATTR.gid, attributes.gid, true);
  view.setUint32(at + ATTR.rdev, 0);
  view.setUint32(at + ATTR.blksize, attributes.blksize, true);
  view.setUint32(at + ATTR.flags, 0);
}

/** Writes `struct fuse_attr_out`. */
export function putAttrOut(view: DataView, at: number, attributes: Attributes): void {
  putU64(view, at + fuseAttrOut.at.attr_valid, attributes.validSeconds);
  putU64(view, at + fuseAttrOut.at.attr_valid_nsec, 0);
  putAttr(view, at + fuseAttrOut.at.attr, attributes);
}

/** Writes `struct fuse_entry_out`. */
export function putEntry(view: DataView, at: number, entry: Entry): void {
  putU64(view, at + ENTRY.nodeid, entry.node[0] as number);
  putU64(view, at + ENTRY.generation, 0);
  putU64(view, at + ENTRY.entry_valid, entry.validSeconds);
  putU64(view, at + ENTRY.attr_valid, entry.attributes.validSeconds);
  putU64(view, at + ENTRY.entry_valid_nsec, 0);
  putAttr(view, at + ENTRY.attr, entry.attributes);
}

/** Writes `struct fuse_entry_out` for a name that is absent and stays so for `validSeconds`. */
export function putAbsence(view: DataView, at: number, validSeconds: number): void {
  for (let offset = 0; offset < fuseEntryOut.size; offset += 4) view.setUint32(at + offset, 0);
  putU64(view, at + ENTRY.entry_valid, validSeconds);
}

/** Writes `struct fuse_statx_out`: what stat(2) has, and nothing of what only statx(2) has. */
export function putStatxOut(view: DataView, at: number, attributes: Attributes): void {
  for (let offset = 0; offset < fuseStatxOut.size; offset += 4) view.setUint32(at + offset, 0);
  putU64(view, at + fuseStatxOut.at.attr_valid, attributes.validSeconds);
  const stat = at + fuseStatxOut.at.stat;
  view.setUint32(stat + STATX.mask, STATX_BASIC_STATS, true);
  view.setUint32(stat + STATX.blksize, attributes.blksize, true);
  view.setUint32(stat + STATX.nlink, attributes.nlink, true);
  view.setUint32(stat + STATX.uid, attributes.uid, true);
  view.setUint32(stat + STATX.gid, attributes.gid, true);
  view.setUint16(stat + STATX.mode, attributes.mode, true);
  view.setUint32(stat + STATX.ino, attributes.inoLow, true);
  view.setUint32(stat + STATX.ino + 4, attributes.inoHigh, true);
  putU64(view, stat + STATX.size, attributes.size);
  putU64(view, stat + STATX.blocks, attributes.blocks);
}

/** Writes `struct fuse_statfs_out`. Nothing is free: the share cannot be written to. */
export function putStatfs(view: DataView, at: number, statistics: FileSystemStatistics): void {
  for (let offset = 0; offset < fuseStatfsOut.size; offset += 4) view.setUint32(at + offset, 0);
  const st = at + fuseStatfsOut.at.st;
  putU64(view, st + fuseKstatfs.at.blocks, statistics.blocks);
  putU64(view, st + fuseKstatfs.at.files, statistics.files);
  view.setUint32(st + fuseKstatfs.at.bsize, statistics.bsize, true);
  view.setUint32(st + fuseKstatfs.at.namelen, statistics.nameLength, true);
  view.setUint32(st + fuseKstatfs.at.frsize, statistics.bsize, true);
}

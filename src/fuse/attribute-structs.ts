/** Attributes and statistics as they stand in replies. Every byte of each struct is written, padding too. */
import {
  fuseAttr,
  fuseAttrOut,
  fuseEntryOut,
  fuseKstatfs,
  fuseStatfsOut,
  fuseStatx,
  fuseStatxOut,
  fuseSxTime,
} from "../abi/fuse.ts";
import { STATX_BTIME } from "../abi/fuse-constants.ts";
import { putI64, putU64 } from "../abi/struct.ts";
import type { Attributes, Entry, FileSystemStatistics } from "./file-system.ts";

const ATTR = fuseAttr.at;
const ENTRY = fuseEntryOut.at;
const STATX = fuseStatx.at;

/** Writes `struct fuse_attr`. */
export function putAttr(view: DataView, at: number, attributes: Attributes): void {
  view.setUint32(at + ATTR.ino, attributes.inoLow, true);
  view.setUint32(at + ATTR.ino + 4, attributes.inoHigh, true);
  putU64(view, at + ATTR.size, attributes.size);
  putU64(view, at + ATTR.blocks, attributes.blocks);
  putI64(view, at + ATTR.atime, attributes.atimeSeconds);
  putI64(view, at + ATTR.mtime, attributes.mtimeSeconds);
  putI64(view, at + ATTR.ctime, attributes.ctimeSeconds);
  view.setUint32(at + ATTR.atimensec, attributes.atimeNanoseconds, true);
  view.setUint32(at + ATTR.mtimensec, attributes.mtimeNanoseconds, true);
  view.setUint32(at + ATTR.ctimensec, attributes.ctimeNanoseconds, true);
  view.setUint32(at + ATTR.mode, attributes.mode, true);
  view.setUint32(at + ATTR.nlink, attributes.nlink, true);
  view.setUint32(at + ATTR.uid, attributes.uid, true);
  view.setUint32(at + ATTR.gid, attributes.gid, true);
  view.setUint32(at + ATTR.rdev, attributes.rdev, true);
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

/**
 * Writes `struct fuse_statx_out`: what stat(2) has, of what only statx(2) has nothing but the time of
 * birth, where `mask` (STATX_*) says so.
 */
export function putStatxOut(
  view: DataView,
  at: number,
  attributes: Attributes,
  mask: number,
): void {
  for (let offset = 0; offset < fuseStatxOut.size; offset += 4) view.setUint32(at + offset, 0);
  putU64(view, at + fuseStatxOut.at.attr_valid, attributes.validSeconds);
  const stat = at + fuseStatxOut.at.stat;
  view.setUint32(stat + STATX.mask, mask, true);
  view.setUint32(stat + STATX.blksize, attributes.blksize, true);
  view.setUint32(stat + STATX.nlink, attributes.nlink, true);
  view.setUint32(stat + STATX.uid, attributes.uid, true);
  view.setUint32(stat + STATX.gid, attributes.gid, true);
  view.setUint16(stat + STATX.mode, attributes.mode, true);
  view.setUint32(stat + STATX.ino, attributes.inoLow, true);
  view.setUint32(stat + STATX.ino + 4, attributes.inoHigh, true);
  putU64(view, stat + STATX.size, attributes.size);
  putU64(view, stat + STATX.blocks, attributes.blocks);
  putTime(view, stat + STATX.atime, attributes.atimeSeconds, attributes.atimeNanoseconds);
  putTime(view, stat + STATX.mtime, attributes.mtimeSeconds, attributes.mtimeNanoseconds);
  putTime(view, stat + STATX.ctime, attributes.ctimeSeconds, attributes.ctimeNanoseconds);
  if ((mask & STATX_BTIME) !== 0) {
    putTime(view, stat + STATX.btime, attributes.btimeSeconds, attributes.btimeNanoseconds);
  }
  view.setUint32(stat + STATX.rdev_major, majorOf(attributes.rdev), true);
  view.setUint32(stat + STATX.rdev_minor, minorOf(attributes.rdev), true);
}

/** Writes `struct fuse_sx_time` over zeros. */
function putTime(view: DataView, at: number, seconds: number, nanoseconds: number): void {
  putI64(view, at + fuseSxTime.at.tv_sec, seconds);
  view.setUint32(at + fuseSxTime.at.tv_nsec, nanoseconds, true);
}

/** The kernel's `new_decode_dev` (linux/kdev_t.h): 12 bits of major between 8 and 12 of minor. */
function majorOf(rdev: number): number {
  return (rdev >>> 8) & 0xfff;
}

function minorOf(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
}

/** Writes `struct fuse_statfs_out`. */
export function putStatfs(view: DataView, at: number, statistics: FileSystemStatistics): void {
  for (let offset = 0; offset < fuseStatfsOut.size; offset += 4) view.setUint32(at + offset, 0);
  const st = at + fuseStatfsOut.at.st;
  putU64(view, st + fuseKstatfs.at.blocks, statistics.blocks);
  putU64(view, st + fuseKstatfs.at.bfree, statistics.freeBlocks);
  putU64(view, st + fuseKstatfs.at.bavail, statistics.freeBlocks);
  putU64(view, st + fuseKstatfs.at.files, statistics.files);
  putU64(view, st + fuseKstatfs.at.ffree, statistics.freeFiles);
  view.setUint32(st + fuseKstatfs.at.bsize, statistics.bsize, true);
  view.setUint32(st + fuseKstatfs.at.namelen, statistics.nameLength, true);
  view.setUint32(st + fuseKstatfs.at.frsize, statistics.bsize, true);
}

/**
 * Requests that change a share, put into a slot of a lane: a few stores each, nothing is allocated.
 * Arguments that a request leaves at zero are zeroed, since a slot carries all kinds in turn.
 */
import {
  fuseAttrOut,
  fuseCreateIn,
  fuseEntryOut,
  fuseFsyncIn,
  fuseMkdirIn,
  fuseOpenOut,
  fuseRename2In,
  fuseSetattrIn,
  fuseWriteIn,
  fuseWriteOut,
} from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import type { NameTable } from "./name-table.ts";
import type { RequestLane } from "./request-lane.ts";

const TWO_32 = 2 ** 32;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
/** `valid` of SETATTR: the mode counts. */
const FATTR_MODE = 1;

/** CREATE with O_RDWR and O_EXCL. */
export function sendCreate(
  lane: RequestLane,
  slot: number,
  parent: number,
  names: NameTable,
  name: number,
  mode: number,
): void {
  const words = zeroed(lane, slot, fuseCreateIn.size);
  const { words32 } = lane.region;
  words32[words + fuseCreateIn.at.flags / 4] = O_RDWR | O_CREAT | O_EXCL;
  words32[words + fuseCreateIn.at.mode / 4] = mode;
  const args = putName(lane, slot, fuseCreateIn.size, names, name);
  lane.submit(slot, op.FUSE_CREATE, parent, args, fuseEntryOut.size + fuseOpenOut.size);
}

export function sendMkdir(
  lane: RequestLane,
  slot: number,
  parent: number,
  names: NameTable,
  name: number,
  mode: number,
): void {
  const words = zeroed(lane, slot, fuseMkdirIn.size);
  lane.region.words32[words + fuseMkdirIn.at.mode / 4] = mode;
  const args = putName(lane, slot, fuseMkdirIn.size, names, name);
  lane.submit(slot, op.FUSE_MKDIR, parent, args, fuseEntryOut.size);
}

export function sendUnlink(
  lane: RequestLane,
  slot: number,
  parent: number,
  names: NameTable,
  name: number,
): void {
  lane.submit(slot, op.FUSE_UNLINK, parent, putName(lane, slot, 0, names, name), 0);
}

export function sendRmdir(
  lane: RequestLane,
  slot: number,
  parent: number,
  names: NameTable,
  name: number,
): void {
  lane.submit(slot, op.FUSE_RMDIR, parent, putName(lane, slot, 0, names, name), 0);
}

/** RENAME2 inside one directory, without flags. */
export function sendRename(
  lane: RequestLane,
  slot: number,
  directory: number,
  names: NameTable,
  from: number,
  to: number,
): void {
  const words = zeroed(lane, slot, fuseRename2In.size);
  lane.putU64(words + fuseRename2In.at.newdir / 4, directory);
  const first = putName(lane, slot, fuseRename2In.size, names, from);
  const args = putName(lane, slot, first, names, to);
  lane.submit(slot, op.FUSE_RENAME2, directory, args, 0);
}

/** chmod(2): SETATTR of the mode alone. */
export function sendChmod(lane: RequestLane, slot: number, nodeid: number, mode: number): void {
  const words = zeroed(lane, slot, fuseSetattrIn.size);
  lane.region.words32[words + fuseSetattrIn.at.valid / 4] = FATTR_MODE;
  lane.region.words32[words + fuseSetattrIn.at.mode / 4] = mode;
  lane.submit(slot, op.FUSE_SETATTR, nodeid, fuseSetattrIn.size, fuseAttrOut.size);
}

/** WRITE of what the slot's pages hold, from their first byte on. */
export function sendWrite(
  lane: RequestLane,
  slot: number,
  nodeid: number,
  fh: number,
  offset: number,
  bytes: number,
): void {
  const words = zeroed(lane, slot, fuseWriteIn.size);
  lane.putU64(words + fuseWriteIn.at.fh / 4, fh);
  lane.region.words32[words + fuseWriteIn.at.offset / 4] = offset % TWO_32;
  lane.region.words32[words + fuseWriteIn.at.offset / 4 + 1] = offset / TWO_32;
  lane.region.words32[words + fuseWriteIn.at.size / 4] = bytes;
  const { size } = fuseWriteIn;
  lane.submitPayload(slot, op.FUSE_WRITE, nodeid, size, bytes, fuseWriteOut.size);
}

/** Bytes that the device says it has written, of an answered WRITE. */
export function writtenBytes(lane: RequestLane, slot: number): number {
  return lane.region.words32[(lane.replyAt(slot) + fuseWriteOut.at.size) >>> 2]!;
}

export function sendFsync(lane: RequestLane, slot: number, nodeid: number, fh: number): void {
  const words = zeroed(lane, slot, fuseFsyncIn.size);
  lane.putU64(words + fuseFsyncIn.at.fh / 4, fh);
  lane.submit(slot, op.FUSE_FSYNC, nodeid, fuseFsyncIn.size, 0);
}

function zeroed(lane: RequestLane, slot: number, bytes: number): number {
  const words = lane.argumentWords(slot);
  lane.region.words32.fill(0, words, words + bytes / 4);
  return words;
}

function putName(
  lane: RequestLane,
  slot: number,
  at: number,
  names: NameTable,
  name: number,
): number {
  return lane.putName(slot, at, names.bytes, names.starts[name]!, names.starts[name + 1]!);
}

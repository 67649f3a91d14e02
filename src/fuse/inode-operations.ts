/** Handlers for requests about names and inodes. */
import {
  fuseAccessIn,
  fuseAttrOut,
  fuseBatchForgetIn,
  fuseEntryOut,
  fuseForgetIn,
  fuseForgetOne,
  fuseStatfsOut,
  fuseStatxOut,
} from "../abi/fuse.ts";
import { STATX_BASIC_STATS, STATX_BTIME } from "../abi/fuse-constants.ts";
import { u64At } from "../abi/struct.ts";
import type { NodeId } from "../base/brands.ts";
import { EINVAL, ENOENT } from "../base/errno.ts";
import { putAbsence, putAttrOut, putEntry, putStatfs, putStatxOut } from "./attribute-structs.ts";
import type { Attributes } from "./file-system.ts";
import type { Exchange } from "./operation.ts";
import { PAYLOAD } from "./reply-writer.ts";

/** Inodes in one BATCH_FORGET: twice what fits into the largest request that a kernel sends. */
const BATCH_FORGET_MAX = 128 * 1024;

/** BATCH_FORGET is read in pieces of so many inodes. */
const FORGETS_PER_PIECE = 256;
const forgets = new DataView(new ArrayBuffer(FORGETS_PER_PIECE * fuseForgetOne.size));
const forgetBytes = new Uint8Array(forgets.buffer);

export function lookup({ fs, request, reply, entry }: Exchange): number {
  const status = request.parseName(0);
  if (status !== 0) return status;
  entry.validSeconds = 0;
  entry.attributes.validSeconds = 0;
  const result = fs.lookup(request.nodeid, request.name, entry);
  if (result === 0) {
    putEntry(reply.scratch, PAYLOAD, entry);
    return fuseEntryOut.size;
  }
  if (result !== -ENOENT || entry.validSeconds === 0) return result;
  putAbsence(reply.scratch, PAYLOAD, entry.validSeconds);
  return fuseEntryOut.size;
}

export function forget({ fs, request }: Exchange): number {
  forgetOne(fs, request.nodeid, request.u64(fuseForgetIn.at.nlookup));
  return 0;
}

export function batchForget({ fs, request }: Exchange): number {
  const count = request.u32(fuseBatchForgetIn.at.count);
  const present = (request.argumentBytes - fuseBatchForgetIn.size) / fuseForgetOne.size;
  if (count > present || count > BATCH_FORGET_MAX) return -EINVAL;
  for (let done = 0; done < count; ) {
    const piece = Math.min(count - done, FORGETS_PER_PIECE);
    const at = fuseBatchForgetIn.size + done * fuseForgetOne.size;
    request.copy(at, forgetBytes, piece * fuseForgetOne.size);
    for (let index = 0; index < piece; index++) {
      const one = index * fuseForgetOne.size;
      const nodeid = u64At(forgets, one + fuseForgetOne.at.nodeid);
      forgetOne(fs, nodeid as NodeId, u64At(forgets, one + fuseForgetOne.at.nlookup));
    }
    done += piece;
  }
  return 0;
}

/** No inode has a number above 2^53; a count above it is more than there can be. */
function forgetOne(fs: Exchange["fs"], nodeid: NodeId, count: number): void {
  if (nodeid < 0) return;
  fs.forget(nodeid, count < 0 ? Number.MAX_SAFE_INTEGER : count);
}

export function getattr({ fs, request, reply, entry }: Exchange): number {
  const attributes: Attributes = entry.attributes;
  attributes.validSeconds = 0;
  const status = fs.getattr(request.nodeid, attributes);
  if (status !== 0) return status;
  putAttrOut(reply.scratch, PAYLOAD, attributes);
  return fuseAttrOut.size;
}

export function statx({ fs, request, reply, entry }: Exchange): number {
  const attributes: Attributes = entry.attributes;
  attributes.validSeconds = 0;
  const status = fs.getattr(request.nodeid, attributes);
  if (status !== 0) return status;
  const mask = fs.modifications === undefined ? STATX_BASIC_STATS : STATX_BASIC_STATS | STATX_BTIME;
  putStatxOut(reply.scratch, PAYLOAD, attributes, mask);
  return fuseStatxOut.size;
}

export function access({ fs, request }: Exchange): number {
  return fs.access(request.nodeid, request.u32(fuseAccessIn.at.mask));
}

export function readlink({ fs, request, reply }: Exchange): number {
  const status = fs.readlink(request.nodeid, reply);
  return status < 0 ? status : reply.appended;
}

export function statfs({ fs, request, reply, statistics }: Exchange): number {
  const status = fs.statfs(request.nodeid, statistics);
  if (status !== 0) return status;
  putStatfs(reply.scratch, PAYLOAD, statistics);
  return fuseStatfsOut.size;
}

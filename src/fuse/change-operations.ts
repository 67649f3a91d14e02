/** Handlers for requests that change an inode's attributes or contents, or see to it that they last. */
import {
  fuseAttrOut,
  fuseCopyFileRangeIn,
  fuseCopyFileRangeOut,
  fuseFallocateIn,
  fuseFsyncIn,
  fuseSetattrIn,
  fuseWriteIn,
  fuseWriteOut,
} from "../abi/fuse.ts";
import {
  FATTR_ATIME,
  FATTR_CTIME,
  FATTR_MTIME,
  FATTR_SIZE,
  FUSE_FSYNC_FDATASYNC,
  FUSE_WRITE_CACHE,
} from "../abi/fuse-constants.ts";
import { putU64 } from "../abi/struct.ts";
import type { NodeId } from "../base/brands.ts";
import { EFBIG, EINVAL, ESTALE } from "../base/errno.ts";
import { putAttrOut } from "./attribute-structs.ts";
import type { AttributeChanges, Modifications } from "./modifications.ts";
import type { Exchange } from "./operation.ts";
import { PAYLOAD } from "./reply-writer.ts";

const SETATTR = fuseSetattrIn.at;
const NANOSECONDS = 1_000_000_000;

/** What one COPY_FILE_RANGE copies at most: whole pages whose number fits into its 32-bit answer. */
const COPY_BYTES_MAX = 0xffff_f000;

/** Filled in for each request anew. */
const changes: AttributeChanges = {
  valid: 0,
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  atimeSeconds: 0,
  atimeNanoseconds: 0,
  mtimeSeconds: 0,
  mtimeNanoseconds: 0,
  ctimeSeconds: 0,
  ctimeNanoseconds: 0,
};

/** A size that no number holds is EFBIG; such times become the earliest or latest that there are. */
export function setattr({ request, reply, entry }: Exchange, modifications: Modifications): number {
  const valid = request.u32(SETATTR.valid);
  changes.valid = valid;
  changes.mode = request.u32(SETATTR.mode) & 0o7777;
  changes.uid = request.u32(SETATTR.uid);
  changes.gid = request.u32(SETATTR.gid);
  changes.size = request.u64(SETATTR.size);
  changes.atimeSeconds = request.i64(SETATTR.atime);
  changes.atimeNanoseconds = request.u32(SETATTR.atimensec);
  changes.mtimeSeconds = request.i64(SETATTR.mtime);
  changes.mtimeNanoseconds = request.u32(SETATTR.mtimensec);
  changes.ctimeSeconds = request.i64(SETATTR.ctime);
  changes.ctimeNanoseconds = request.u32(SETATTR.ctimensec);
  if ((valid & FATTR_SIZE) !== 0 && changes.size < 0) return -EFBIG;
  if ((valid & FATTR_ATIME) !== 0 && changes.atimeNanoseconds >= NANOSECONDS) return -EINVAL;
  if ((valid & FATTR_MTIME) !== 0 && changes.mtimeNanoseconds >= NANOSECONDS) return -EINVAL;
  if ((valid & FATTR_CTIME) !== 0 && changes.ctimeNanoseconds >= NANOSECONDS) return -EINVAL;
  const { attributes } = entry;
  attributes.validSeconds = 0;
  const status = modifications.setattr(request.nodeid, changes, attributes);
  if (status < 0) return status;
  putAttrOut(reply.scratch, PAYLOAD, attributes);
  return fuseAttrOut.size;
}

export function write({ session, request, reply }: Exchange, modifications: Modifications): number {
  const offset = request.u64(fuseWriteIn.at.offset);
  const size = request.u32(fuseWriteIn.at.size);
  if (size > request.argumentBytes - fuseWriteIn.size) return -EINVAL;
  if (offset < 0 || offset + size > Number.MAX_SAFE_INTEGER) return -EFBIG;
  const source = request.source(fuseWriteIn.size, size);
  let flags = request.u32(fuseWriteIn.at.write_flags);
  // Mapped pages are written back without a write-back cache, too: then nobody sends their times.
  if (!session.kernelCollectsWrites) flags &= ~FUSE_WRITE_CACHE;
  const written = modifications.write(request.nodeid, offset, source, flags);
  return written < 0 ? written : wrote(reply.scratch, written);
}

export function fallocate({ request }: Exchange, modifications: Modifications): number {
  const offset = request.u64(fuseFallocateIn.at.offset);
  const length = request.u64(fuseFallocateIn.at.length);
  if (length === 0) return -EINVAL;
  if (offset < 0 || length < 0 || offset + length > Number.MAX_SAFE_INTEGER) return -EFBIG;
  const mode = request.u32(fuseFallocateIn.at.mode);
  return modifications.fallocate(request.nodeid, offset, length, mode);
}

export function copyFileRange({ request, reply }: Exchange, modifications: Modifications): number {
  const copied = copyRange(request, modifications);
  return copied < 0 ? copied : wrote(reply.scratch, copied);
}

export function copyFileRange64(
  { request, reply }: Exchange,
  modifications: Modifications,
): number {
  const copied = copyRange(request, modifications);
  if (copied < 0) return copied;
  putU64(reply.scratch, PAYLOAD + fuseCopyFileRangeOut.at.bytes_copied, copied);
  return fuseCopyFileRangeOut.size;
}

/** Fewer bytes than were asked for are a right answer: the program asks for the rest. */
function copyRange(request: Exchange["request"], modifications: Modifications): number {
  const { at } = fuseCopyFileRangeIn;
  const from = request.u64(at.off_in);
  const target = request.u64(at.nodeid_out) as NodeId;
  const to = request.u64(at.off_out);
  const wanted = request.u64(at.len);
  if (request.u64(at.flags) !== 0) return -EINVAL;
  if (target < 0) return -ESTALE;
  const length = wanted < 0 ? COPY_BYTES_MAX : Math.min(wanted, COPY_BYTES_MAX);
  if (from < 0 || from + length > Number.MAX_SAFE_INTEGER) return -EINVAL;
  if (to < 0 || to + length > Number.MAX_SAFE_INTEGER) return -EFBIG;
  return modifications.copyFileRange(request.nodeid, from, target, to, length);
}

/** FSYNC and FSYNCDIR. */
export function fsync({ request }: Exchange, modifications: Modifications): number {
  const dataOnly = (request.u32(fuseFsyncIn.at.fsync_flags) & FUSE_FSYNC_FDATASYNC) !== 0;
  return modifications.fsync(request.nodeid, dataOnly);
}

export function syncfs(_exchange: Exchange, modifications: Modifications): number {
  return modifications.syncfs();
}

/** Puts `struct fuse_write_out` into a reply's scratch. */
function wrote(scratch: DataView, bytes: number): number {
  scratch.setUint32(PAYLOAD + fuseWriteOut.at.size, bytes, true);
  scratch.setUint32(PAYLOAD + fuseWriteOut.at.padding, 0);
  return fuseWriteOut.size;
}

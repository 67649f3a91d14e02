/** Handlers for requests about files. */
import { fuseLseekIn, fuseLseekOut, fuseOpenIn, fuseOpenOut, fuseReadIn } from "../abi/fuse.ts";
import { FOPEN_KEEP_CACHE } from "../abi/fuse-constants.ts";
import { putU64 } from "../abi/struct.ts";
import { EINVAL, ENOSYS } from "../base/errno.ts";
import type { Exchange } from "./operation.ts";
import { PAYLOAD } from "./reply-writer.ts";

/**
 * Bytes in one answer to READ or READDIR: what the default of pages comes to with 64 KiB pages. A
 * chain may name the same memory a thousand times over; more room than this is not filled.
 */
export const DATA_BYTES_MAX = 64 * 1024 * 1024;

/** Files have no handles: the nodeid says everything, and an inode lives until it is forgotten. */
const NO_HANDLE = 0;

export function open({ fs, session, request, reply }: Exchange): number {
  if (session.zeroMessageOpen) return -ENOSYS;
  const status = fs.open(request.nodeid, request.u32(fuseOpenIn.at.flags));
  return status < 0 ? status : opened(reply.scratch, FOPEN_KEEP_CACHE);
}

/** Puts `struct fuse_open_out` into a reply's scratch. */
export function opened(scratch: DataView, flags: number): number {
  putOpened(scratch, PAYLOAD, flags);
  return fuseOpenOut.size;
}

/** The same at `at`: after what else CREATE answers. */
export function putOpened(scratch: DataView, at: number, flags: number): void {
  putU64(scratch, at + fuseOpenOut.at.fh, NO_HANDLE);
  scratch.setUint32(at + fuseOpenOut.at.open_flags, flags, true);
  scratch.setUint32(at + fuseOpenOut.at.padding, 0);
}

export function read({ fs, request, reply }: Exchange): number {
  const offset = request.u64(fuseReadIn.at.offset);
  const wanted = request.u32(fuseReadIn.at.size);
  const length = Math.min(wanted, reply.payloadRoom, DATA_BYTES_MAX);
  if (offset < 0 || offset + length > Number.MAX_SAFE_INTEGER) return -EINVAL;
  reply.limit = length;
  const flags = request.u32(fuseReadIn.at.flags);
  const status = fs.read(request.nodeid, offset, length, reply, flags);
  return status < 0 ? status : reply.appended;
}

/**
 * Linux sends LSEEK without what it has collected of the file. Our answer would call a hole what has
 * data there (cp then copies zeros), so such a kernel is told to answer by itself: all is data.
 */
export function lseek({ fs, session, request, reply }: Exchange): number {
  if (session.kernelCollectsWrites) return -ENOSYS;
  const offset = request.u64(fuseLseekIn.at.offset);
  if (offset < 0) return -EINVAL;
  const result = fs.lseek(request.nodeid, offset, request.u32(fuseLseekIn.at.whence));
  if (result < 0) return result;
  putU64(reply.scratch, PAYLOAD + fuseLseekOut.at.offset, result);
  return fuseLseekOut.size;
}

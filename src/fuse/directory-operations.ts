/** Handlers for requests about directories as open files. */
import { fuseReadIn } from "../abi/fuse.ts";
import { FOPEN_CACHE_DIR, FOPEN_KEEP_CACHE } from "../abi/fuse-constants.ts";
import { EINVAL, ENOSYS } from "../base/errno.ts";
import { DATA_BYTES_MAX, opened } from "./file-operations.ts";
import { LISTING_CHANGES } from "./file-system.ts";
import type { Exchange } from "./operation.ts";

export function opendir({ fs, session, request, reply }: Exchange): number {
  if (session.zeroMessageOpendir && fs.asksOpendir !== true) return -ENOSYS;
  const status = fs.opendir(request.nodeid);
  if (status < 0) return status;
  const keep = status === LISTING_CHANGES ? 0 : FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR;
  return opened(reply.scratch, keep);
}

export function readdir(exchange: Exchange): number {
  const { fs, request, reply, dirents } = exchange;
  const offset = request.u64(fuseReadIn.at.offset);
  if (offset < 0) return -EINVAL;
  dirents.begin(listingBytes(exchange));
  const status = fs.readdir(request.nodeid, offset, dirents);
  if (status < 0) return status;
  dirents.end();
  return reply.appended;
}

export function readdirplus(exchange: Exchange): number {
  const { fs, request, reply, direntsPlus } = exchange;
  const offset = request.u64(fuseReadIn.at.offset);
  if (offset < 0) return -EINVAL;
  direntsPlus.begin(listingBytes(exchange));
  const status = fs.readdirplus(request.nodeid, offset, direntsPlus);
  if (status < 0) return status;
  direntsPlus.end();
  return reply.appended;
}

function listingBytes({ request, reply }: Exchange): number {
  return Math.min(request.u32(fuseReadIn.at.size), reply.payloadRoom, DATA_BYTES_MAX);
}

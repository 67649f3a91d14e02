/**
 * Handlers for requests about extended attributes. With size 0 the kernel asks how long the answer
 * would be; with another, a longer answer is -ERANGE.
 */
import { fuseGetxattrIn, fuseGetxattrOut, fuseSetxattrIn } from "../abi/fuse.ts";
import { FUSE_SETXATTR_ACL_KILL_SGID } from "../abi/fuse-constants.ts";
import type { HostAddress } from "../base/brands.ts";
import { E2BIG, EINVAL } from "../base/errno.ts";
import type { ByteSink } from "../base/segments.ts";
import type { Modifications } from "./modifications.ts";
import type { Exchange } from "./operation.ts";
import { PAYLOAD, type ReplyWriter } from "./reply-writer.ts";

/** XATTR_SIZE_MAX of linux/limits.h. */
const VALUE_BYTES_MAX = 65_536;

/** What SETXATTR begins with unless FUSE_SETXATTR_EXT was taken: size and flags. */
export const SETXATTR_BYTES_MIN = fuseSetxattrIn.at.setxattr_flags;

/** XATTR_CREATE and XATTR_REPLACE of linux/xattr.h. */
const SETXATTR_FLAGS = 3;

/** Counts what it is given and keeps none of it. */
class SizeSink implements ByteSink {
  bytes = 0;

  append(_source: Uint8Array, _start: number, length: number): number {
    this.bytes += length;
    return 0;
  }

  appendMapped(_source: HostAddress, length: number): number {
    this.bytes += length;
    return 0;
  }
}

const sizeSink = new SizeSink();

export function getxattr({ fs, request, reply }: Exchange): number {
  const status = request.parseAttributeName(fuseGetxattrIn.size);
  if (status !== 0) return status;
  const sink = begin(request.u32(fuseGetxattrIn.at.size), reply);
  return end(fs.getxattr(request.nodeid, request.name, sink), sink, reply);
}

export function listxattr({ fs, request, reply }: Exchange): number {
  const sink = begin(request.u32(fuseGetxattrIn.at.size), reply);
  return end(fs.listxattr(request.nodeid, sink, request.uid), sink, reply);
}

export function setxattr({ request, session }: Exchange, modifications: Modifications): number {
  const { at } = fuseSetxattrIn;
  const nameAt = session.longSetxattr ? fuseSetxattrIn.size : SETXATTR_BYTES_MIN;
  const size = request.u32(at.size);
  const flags = request.u32(at.flags);
  if ((flags & ~SETXATTR_FLAGS) !== 0) return -EINVAL;
  const status = request.parseAttributeName(nameAt);
  if (status !== 0) return status;
  const valueAt = request.afterName;
  if (size > VALUE_BYTES_MAX) return -E2BIG;
  if (size > request.argumentBytes - valueAt) return -EINVAL;
  const kill = session.longSetxattr ? request.u32(at.setxattr_flags) : 0;
  const killSgid = (kill & FUSE_SETXATTR_ACL_KILL_SGID) !== 0;
  const value = request.source(valueAt, size);
  return modifications.setxattr(request.nodeid, request.name, value, flags, killSgid);
}

export function removexattr({ request }: Exchange, modifications: Modifications): number {
  const status = request.parseAttributeName(0);
  return status !== 0 ? status : modifications.removexattr(request.nodeid, request.name);
}

function begin(size: number, reply: ReplyWriter): SizeSink | ReplyWriter {
  if (size === 0) {
    sizeSink.bytes = 0;
    return sizeSink;
  }
  reply.limit = Math.min(size, reply.payloadRoom);
  return reply;
}

function end(status: number, sink: SizeSink | ReplyWriter, reply: ReplyWriter): number {
  if (status < 0) return status;
  if (sink === reply) return reply.appended;
  reply.scratch.setUint32(PAYLOAD + fuseGetxattrOut.at.size, sizeSink.bytes, true);
  reply.scratch.setUint32(PAYLOAD + fuseGetxattrOut.at.padding, 0);
  return fuseGetxattrOut.size;
}

/**
 * Handlers for requests about extended attributes. With size 0 the kernel asks how long the answer
 * would be; with another, a longer answer is -ERANGE.
 */
import { fuseGetxattrIn, fuseGetxattrOut } from "../abi/fuse.ts";
import type { HostAddress } from "../base/brands.ts";
import type { ByteSink } from "../base/segments.ts";
import type { Exchange } from "./operation.ts";
import { PAYLOAD, type ReplyWriter } from "./reply-writer.ts";

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
  return end(fs.listxattr(request.nodeid, sink), sink, reply);
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

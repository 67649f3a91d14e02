/** Reads a file: blocks of the cache, and where there are none the extents below. */
import type { HostAddress } from "../../base/brands.ts";
import { EIO } from "../../base/errno.ts";
import { MISSING } from "../../base/missing.ts";
import type { ByteSink } from "../../base/segments.ts";
import { BASE, ZERO } from "../../layer/extent-code.ts";
import { BLOCK_BYTES } from "./data-space.ts";
import type { FileBody } from "./file-body.ts";

/** What holes are copied from. */
const ZEROS = new Uint8Array(128 * 1024);

/** As FileContents.read. */
export function readFile(body: FileBody, offset: number, length: number, sink: ByteSink): number {
  const end = offset + length;
  if (body.cell === 0) return readExtents(body, offset, end, sink);
  const { cache, memory } = body.parts;
  let status = 0;
  for (let at = offset; at < end; ) {
    let block = Math.floor(at / BLOCK_BYTES);
    const slot = cache.find(body.cell, block);
    let other = slot;
    let blocks = 0;
    do {
      blocks += 1;
      block += 1;
      other = block * BLOCK_BYTES < end ? cache.find(body.cell, block) : -2;
    } while (slot < 0 ? other === -1 : other === slot + blocks);
    const stop = Math.min(block * BLOCK_BYTES, end);
    const result =
      slot < 0
        ? readExtents(body, at, stop, sink)
        : sink.append(memory.bytes, slot * BLOCK_BYTES + (at % BLOCK_BYTES), stop - at);
    if (result !== 0 && result !== MISSING) return result;
    if (result !== 0) status = result;
    at = stop;
  }
  return status;
}

/** All that is MISSING is asked for, so that it is fetched together. */
function readExtents(body: FileBody, offset: number, end: number, sink: ByteSink): number {
  const { map, parts } = body;
  let status = 0;
  map.seek(offset);
  for (let at = offset; at < end; map.next()) {
    if (map.start > at) {
      const stop = Math.min(map.start, end);
      const result = appendZeros(sink, stop - at);
      if (result !== 0) return result;
      at = stop;
      if (at === end) break;
    }
    const length = Math.min(map.end, end) - at;
    const source = map.source + (at - map.start);
    let result: number;
    if (map.tag >= BASE) result = parts.bases.read(map.tag - BASE, source, length, sink);
    else if (map.tag === ZERO) result = appendZeros(sink, length);
    else result = readLayer(body, source, length, sink);
    if (result !== 0 && result !== MISSING) return result;
    if (result !== 0) status = result;
    at += length;
  }
  return status;
}

function readLayer(body: FileBody, position: number, length: number, sink: ByteSink): number {
  const address = body.parts.data.address(position, length);
  return address === 0 ? -EIO : sink.appendMapped(address as HostAddress, length);
}

function appendZeros(sink: ByteSink, length: number): number {
  for (let left = length; left > 0; left -= ZEROS.length) {
    const status = sink.append(ZEROS, 0, Math.min(left, ZEROS.length));
    if (status !== 0) return status;
  }
  return 0;
}

/**
 * copy_file_range(2): whole blocks of the base and of holes are taken by reference, the rest goes
 * through memory. Bytes of the data file are copied, since each block there belongs to one extent.
 */
import type { ByteSource } from "../../fuse/modifications.ts";
import { BASE, HOLE, LAYER } from "../../layer/extent-code.ts";
import { COPY_BLOCKS, type ContentsParts } from "./contents-parts.ts";
import { BLOCK_BYTES } from "./data-space.ts";
import type { FileBody } from "./file-body.ts";
import { readFile } from "./file-reader.ts";
import type { FileWriter } from "./file-writer.ts";
import { MemorySink } from "./memory-sink.ts";

/** Bytes that one call takes through memory, and segments that it looks at. */
const COPY_BYTES_MAX = 4 * 1024 * 1024;
const SEGMENTS_MAX = 1024;

const bulkCopy = Buffer.prototype.copy;

export class FileCopier {
  readonly #writer: FileWriter;
  readonly #sink: MemorySink;
  readonly #scratch: CopySource;

  constructor(parts: ContentsParts, writer: FileWriter) {
    this.#writer = writer;
    this.#sink = new MemorySink(parts.memory);
    this.#scratch = new CopySource(parts.memory.bytes);
  }

  /** As FileContents.copyFrom; the range is inside `from`. */
  copy(from: FileBody, fromOffset: number, to: FileBody, toOffset: number, length: number): number {
    let done = 0;
    let copied = 0;
    for (let i = 0; i < SEGMENTS_MAX && done < length && copied < COPY_BYTES_MAX; i += 1) {
      const left = length - done;
      const referred = this.#refer(from, fromOffset + done, to, toOffset + done, left);
      if (referred > 0) {
        done += referred;
        continue;
      }
      const part = this.#through(from, fromOffset + done, to, toOffset + done, left);
      if (part < 0) return done > 0 ? done : part;
      done += part;
      copied += part;
    }
    return done;
  }

  /** Takes what it can by reference; returns how many bytes that was, maybe 0. */
  #refer(from: FileBody, offset: number, to: FileBody, target: number, length: number): number {
    if (target % BLOCK_BYTES !== 0) return 0;
    const { map } = from;
    map.seek(offset);
    const isHole = map.start > offset;
    if (!isHole && map.tag === LAYER) return 0;
    const { tag, start, source } = map;
    const end = Math.min(isHole ? start : map.end, offset + length);
    let bytes = uncached(from, offset, end) - offset;
    // The last block may be shorter where the target's file ends, too.
    if (target + bytes < to.size || bytes < length) bytes -= bytes % BLOCK_BYTES;
    if (bytes === 0) return 0;
    to.dropBlocks(target / BLOCK_BYTES, Math.ceil((target + bytes) / BLOCK_BYTES));
    const isBase = !isHole && tag >= BASE;
    to.put(target, target + bytes, isBase ? tag : HOLE, isBase ? source + (offset - start) : 0);
    to.grow(target + bytes);
    return bytes;
  }

  /** Copies what cannot be taken by reference, up to the next block that perhaps can. */
  #through(from: FileBody, offset: number, to: FileBody, target: number, length: number): number {
    const within = target % BLOCK_BYTES;
    const { map } = from;
    map.seek(offset);
    const isLayer = map.start <= offset && map.tag === LAYER;
    let bytes = Math.min(length, isLayer ? map.end - offset : BLOCK_BYTES - within);
    bytes = Math.min(bytes, COPY_BLOCKS * BLOCK_BYTES);
    if (bytes > BLOCK_BYTES) bytes -= (target + bytes) % BLOCK_BYTES;
    this.#sink.at = 0;
    const status = readFile(from, offset, bytes, this.#sink);
    if (status !== 0) return status;
    this.#scratch.length = bytes;
    return this.#writer.write(to, target, this.#scratch);
  }
}

/** Where the first cached block of [offset, end) begins, or `end`. */
function uncached(body: FileBody, offset: number, end: number): number {
  if (body.cell === 0) return end;
  const { cache } = body.parts;
  const first = Math.floor(offset / BLOCK_BYTES);
  const last = Math.ceil(end / BLOCK_BYTES);
  if (last - first <= cache.count(body.cell)) {
    for (let block = first; block < last; block += 1) {
      if (cache.find(body.cell, block) >= 0) return Math.max(offset, block * BLOCK_BYTES);
    }
    return end;
  }
  let nearest = last;
  for (let slot = cache.first(body.cell); slot >= 0; slot = cache.after(slot)) {
    const block = cache.blocks[slot]!;
    if (block >= first && block < nearest) nearest = block;
  }
  return Math.min(end, Math.max(offset, nearest * BLOCK_BYTES));
}

/** What was read into the beginning of the memory. */
class CopySource implements ByteSource {
  length = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  copy(offset: number, target: Uint8Array, start: number, length: number): number {
    bulkCopy.call(this.#bytes, target, start, offset, offset + length);
    return length;
  }
}

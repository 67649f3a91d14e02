/**
 * Writes into files: finds or takes a block of memory for every block that is touched, fills in what a
 * block at the edge has besides, and copies. Nothing of the file changes before all that may fail or
 * wait is behind it.
 */
import type { HostAddress } from "../../base/brands.ts";
import { EFBIG, ENOSPC } from "../../base/errno.ts";
import type { ByteSource } from "../../fuse/modifications.ts";
import { HOLE, ZERO } from "../../layer/extent-code.ts";
import { BARE, type BlockCache, DIRTY, FLYING, GROWS } from "./block-cache.ts";
import type { ContentsParts } from "./contents-parts.ts";
import { BLOCK_BYTES } from "./data-space.ts";
import { type FileBody, hasRoom } from "./file-body.ts";
import { readFile } from "./file-reader.ts";
import { MemorySink } from "./memory-sink.ts";

/** No file is longer. */
export const FILE_BYTES_MAX = 2 ** 44;
/** Blocks that one call writes: of the largest WRITE, wherever it begins. */
const WRITE_BLOCKS_MAX = 1025;

/**
 * From so many bytes on, what is written goes past the processor's caches: it would not stay there
 * until it is written back, and in vain read what it overwrites (128 KiB: 7.7 µs instead of 19).
 */
const PAST_BYTES_MIN = 64 * 1024;

/** Beside the flags of a block that is new in memory. */
const NEW = 0x80;

export class FileWriter {
  readonly #parts: ContentsParts;
  readonly #cache: BlockCache;
  readonly #sink: MemorySink;
  /** Of each block that is written: where it is in memory, and its flags with NEW. */
  readonly #slots = new Int32Array(WRITE_BLOCKS_MAX);
  readonly #flags = new Uint8Array(WRITE_BLOCKS_MAX);
  /** Of the planned blocks: those new in memory, those that need room. */
  #fresh = 0;
  #growing = 0;

  constructor(parts: ContentsParts) {
    this.#parts = parts;
    this.#cache = parts.cache;
    this.#sink = new MemorySink(parts.memory);
  }

  /** As FileContents.write. */
  write(body: FileBody, offset: number, source: ByteSource): number {
    const first = Math.floor(offset / BLOCK_BYTES);
    const within = offset - first * BLOCK_BYTES;
    let length = Math.min(source.length, WRITE_BLOCKS_MAX * BLOCK_BYTES - within);
    if (length === 0) return 0;
    if (offset + length > FILE_BYTES_MAX) {
      if (offset >= FILE_BYTES_MAX) return -EFBIG;
      length = FILE_BYTES_MAX - offset;
    }
    const wanted = Math.ceil((within + length) / BLOCK_BYTES);
    const count = this.#plan(body, first, wanted);
    if (count < wanted) {
      if (count === 0) return this.#parts.roomStatus(BLOCK_BYTES) || -ENOSPC;
      length = count * BLOCK_BYTES - within;
    }
    if (this.#fresh > this.#cache.free) return this.#parts.memoryStatus();
    if (this.#fresh > 0) {
      const status = this.#prepare(body, first, count, within, length);
      if (status !== 0) return status;
    }
    this.#copy(source, count, within, length);
    body.grow(offset + length);
    return length;
  }

  /** Zeros what of [offset, end) is in data or in memory; less than a block, and inside one. */
  zero(body: FileBody, offset: number, end: number): number {
    const block = Math.floor(offset / BLOCK_BYTES);
    if (body.slot(block) < 0 && !isShown(body, offset)) return 0;
    const status = this.write(body, offset, new Zeros(end - offset));
    return status < 0 ? status : 0;
  }

  /**
   * Cuts the block in which the file is going to end off at `size`, so that what is behind reads as
   * zeros when the file grows again. Only blocks in memory need that.
   */
  trim(body: FileBody, size: number): number {
    const within = size % BLOCK_BYTES;
    const slot = within === 0 ? -1 : body.slot(Math.floor(size / BLOCK_BYTES));
    if (slot < 0) return 0;
    const { bytes } = this.#parts.memory;
    let at = slot;
    if (this.#cache.states[slot] === FLYING) {
      if (this.#cache.free === 0) return this.#parts.memoryStatus();
      at = this.#cache.take(1);
      const from = slot * BLOCK_BYTES;
      bytes.copyWithin(at * BLOCK_BYTES, from, from + within);
      body.insert(at, Math.floor(size / BLOCK_BYTES), 0);
    }
    bytes.fill(0, at * BLOCK_BYTES + within, (at + 1) * BLOCK_BYTES);
    return 0;
  }

  /**
   * Looks what blocks there are; returns how many of them there is room for, from the first on.
   */
  #plan(body: FileBody, first: number, count: number): number {
    const { map } = body;
    this.#fresh = 0;
    this.#growing = 0;
    let room = -1;
    let known = -1;
    let tag = HOLE;
    let next = -1;
    const { cell } = body;
    for (let i = 0; i < count; i += 1) {
      // What was written together mostly lies together.
      if (next >= 0 && this.#cache.isDirtyAt(next, cell, first + i)) {
        this.#slots[i] = next;
        this.#flags[i] = 0;
        next += 1;
        continue;
      }
      const slot = body.slot(first + i);
      next = slot < 0 ? -1 : slot + 1;
      this.#slots[i] = slot;
      if (slot >= 0 && this.#cache.states[slot] === DIRTY) {
        this.#flags[i] = 0;
        continue;
      }
      let flags = NEW;
      const start = (first + i) * BLOCK_BYTES;
      if (slot < 0) {
        if (start >= known) {
          map.seek(start);
          tag = map.start <= start ? map.tag : HOLE;
          known = map.start <= start ? map.end : map.start;
        }
        if (tag === HOLE) flags = NEW | GROWS | BARE;
        else if (!hasRoom(tag)) flags = NEW | GROWS;
      }
      if ((flags & GROWS) !== 0) {
        if (room < 0) room = this.#parts.roomBlocks;
        if (this.#growing === room) return i;
        this.#growing += 1;
      }
      this.#flags[i] = flags;
      this.#fresh += 1;
    }
    return count;
  }

  /** Takes memory for the new blocks, fills what is not written of the edges, puts them in place. */
  #prepare(body: FileBody, first: number, count: number, within: number, length: number): number {
    this.#take(count);
    const last = count - 1;
    const stop = within + length - last * BLOCK_BYTES;
    let status = 0;
    if (within > 0 && this.#flags[0] !== 0) status = this.#fill(body, first, 0, 0, within);
    if (status === 0 && stop < BLOCK_BYTES && this.#flags[last] !== 0) {
      status = this.#fill(body, first, last, stop, BLOCK_BYTES);
    }
    for (let i = 0; i < count; i += 1) {
      if (this.#flags[i] === 0) continue;
      if (status === 0) body.insert(this.#slots[i]!, first + i, this.#flags[i]! & ~NEW);
      else this.#cache.drop(this.#slots[i]!);
    }
    return status;
  }

  #take(count: number): void {
    let left = this.#fresh;
    let slot = 0;
    let took = 0;
    for (let i = 0; i < count; i += 1) {
      if (this.#flags[i] === 0) continue;
      if (took === 0) {
        slot = this.#cache.take(left);
        took = this.#cache.took;
        left -= took;
      }
      this.#slots[i] = slot;
      slot += 1;
      took -= 1;
    }
  }

  /** Fills [from, to) of a new block with what the file has there; beyond its end with zeros. */
  #fill(body: FileBody, first: number, index: number, from: number, to: number): number {
    const start = (first + index) * BLOCK_BYTES;
    const at = this.#slots[index]! * BLOCK_BYTES;
    const end = Math.max(from, Math.min(to, body.size - start));
    this.#sink.at = at + from;
    const status = end > from ? readFile(body, start + from, end - from, this.#sink) : 0;
    this.#parts.memory.bytes.fill(0, at + end, at + to);
    return status;
  }

  /** Copies to the planned blocks, at once to those that lie together. */
  #copy(source: ByteSource, count: number, within: number, length: number): void {
    const { bytes, address } = this.#parts.memory;
    const slots = this.#slots;
    const stop = within + length;
    const isLong = length >= PAST_BYTES_MIN && address !== undefined;
    for (let i = 0; i < count; ) {
      const first = i;
      do i += 1;
      while (i < count && slots[i] === slots[i - 1]! + 1);
      const from = Math.max(first * BLOCK_BYTES, within);
      const to = Math.min(i * BLOCK_BYTES, stop);
      const target = slots[first]! * BLOCK_BYTES + (from - first * BLOCK_BYTES);
      const past = isLong ? ((address + target) as HostAddress) : undefined;
      if (past !== undefined && source.copyPast?.(from - within, past, to - from) === true)
        continue;
      source.copy(from - within, bytes, target, to - from);
    }
  }
}

/** Whether an extent shows other bytes than zeros from `offset` to its block's end. */
function isShown(body: FileBody, offset: number): boolean {
  const { map } = body;
  const end = (Math.floor(offset / BLOCK_BYTES) + 1) * BLOCK_BYTES;
  for (map.seek(offset); map.start < end; map.next()) if (map.tag !== ZERO) return true;
  return false;
}

class Zeros implements ByteSource {
  readonly length: number;

  constructor(length: number) {
    this.length = length;
  }

  copy(_offset: number, target: Uint8Array, start: number, length: number): number {
    target.fill(0, start, start + length);
    return length;
  }
}

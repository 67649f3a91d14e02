/**
 * The bytes of one file of a layer. All operations return 0 or a count, or a status: a negated errno,
 * MISSING, or WAITING. With a status nothing that a reader sees has changed, but for fallocate: what
 * it has done by then it will not have to do again.
 */
import { EFBIG, EINVAL, ENXIO, EOPNOTSUPP } from "../../base/errno.ts";
import type { ByteSink } from "../../base/segments.ts";
import type { ByteSource } from "../../fuse/modifications.ts";
import { HOLE, ZERO } from "../../layer/extent-code.ts";
import { BARE, GROWS } from "./block-cache.ts";
import { BLOCK_BYTES } from "./data-space.ts";
import { type FileBody, hasRoom, isData } from "./file-body.ts";
import type { FileCopier } from "./file-copier.ts";
import { readFile } from "./file-reader.ts";
import { FILE_BYTES_MAX, type FileWriter } from "./file-writer.ts";

/** fallocate(2): bits of `mode` (linux/falloc.h). */
const KEEP_SIZE = 0x01;
const PUNCH_HOLE = 0x02;
const ZERO_RANGE = 0x10;

/** lseek(2): `whence`. */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

export class FileContents {
  readonly #body: FileBody;
  readonly #writer: FileWriter;
  readonly #copier: FileCopier;

  constructor(body: FileBody, writer: FileWriter, copier: FileCopier) {
    this.#body = body;
    this.#writer = writer;
    this.#copier = copier;
  }

  /** The layer's id of the inode. */
  get id(): number {
    return this.#body.id;
  }

  /** Bytes; may change by `write`, `resize`, `fallocate` and `copyFrom`. */
  get size(): number {
    return this.#body.size;
  }

  /** Bytes that the file takes, for st_blocks: holes do not count, the base's bytes do. */
  get allocatedBytes(): number {
    const { map, bareBlocks } = this.#body;
    return (Math.ceil(map.coveredBytes / BLOCK_BYTES) + bareBlocks) * BLOCK_BYTES;
  }

  /** Extents, for measurements. */
  get extents(): number {
    return this.#body.map.count;
  }

  /** Something of it waits to be collected. */
  get isDirty(): boolean {
    return this.#body.parts.changed.has(this.#body);
  }

  /** Nothing waits or is being written: it can be dropped, and made again from its rows. */
  get isSettled(): boolean {
    const body = this.#body;
    return body.cell === 0 && !this.isDirty && body.lastBatch <= body.parts.settledBatch;
  }

  /** Appends the bytes [offset, offset + length) to `sink`; the caller keeps them inside the file. */
  read(offset: number, length: number, sink: ByteSink): number {
    return readFile(this.#body, offset, length, sink);
  }

  /** Returns the bytes written: fewer than `source` has only before -ENOSPC or -EFBIG. */
  write(offset: number, source: ByteSource): number {
    const { failed } = this.#body.parts;
    return failed !== 0 ? -failed : this.#writer.write(this.#body, offset, source);
  }

  /** ftruncate(2). -EFBIG. */
  resize(size: number): number {
    const body = this.#body;
    const { failed } = body.parts;
    if (failed !== 0) return -failed;
    if (size > FILE_BYTES_MAX) return -EFBIG;
    if (size > body.size) {
      body.grow(size);
      return 0;
    }
    const status = this.#writer.trim(body, size);
    if (status !== 0) return status;
    const blocks = Math.ceil(size / BLOCK_BYTES);
    body.dropBlocks(blocks, Number.POSITIVE_INFINITY);
    body.map.seek(size);
    // Room that is kept is kept for whole blocks.
    const isKept = body.map.start <= size && body.map.tag === ZERO;
    body.put(isKept ? blocks * BLOCK_BYTES : size, Number.POSITIVE_INFINITY, HOLE, 0);
    if (size !== body.size) body.parts.changed.add(body);
    body.size = size;
    return 0;
  }

  /** fallocate(2), `mode` of FALLOC_FL_*: 0, KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE; else -EOPNOTSUPP. */
  fallocate(offset: number, length: number, mode: number): number {
    const { failed } = this.#body.parts;
    if (failed !== 0) return -failed;
    if (length <= 0) return -EINVAL;
    const end = offset + length;
    if (end > FILE_BYTES_MAX) return -EFBIG;
    if (mode === (PUNCH_HOLE | KEEP_SIZE)) return this.#punch(offset, end);
    if ((mode & ~(KEEP_SIZE | ZERO_RANGE)) !== 0) return -EOPNOTSUPP;
    const status =
      (mode & ZERO_RANGE) !== 0 ? this.#zeroRange(offset, end) : this.#allocate(offset, end);
    if (status === 0 && (mode & KEEP_SIZE) === 0) this.#body.grow(end);
    return status;
  }

  /** lseek(2): SEEK_DATA 3, SEEK_HOLE 4. The offset, or -ENXIO, -EINVAL. */
  seek(offset: number, whence: number): number {
    if (offset >= this.#body.size) return -ENXIO;
    if (whence === SEEK_HOLE) return this.#hole(offset);
    return whence === SEEK_DATA ? this.#data(offset) : -EINVAL;
  }

  /**
   * copy_file_range(2). Returns the bytes copied, maybe fewer than there are; the base's and holes are
   * taken by reference.
   */
  copyFrom(other: FileContents, fromOffset: number, toOffset: number, length: number): number {
    const { failed } = this.#body.parts;
    if (failed !== 0) return -failed;
    const from = other.#body;
    let bytes = Math.min(length, from.size - fromOffset);
    if (bytes <= 0) return 0;
    if (toOffset >= FILE_BYTES_MAX) return -EFBIG;
    bytes = Math.min(bytes, FILE_BYTES_MAX - toOffset);
    const apart = Math.abs(fromOffset - toOffset);
    if (from === this.#body && apart < bytes) return -EINVAL;
    return this.#copier.copy(from, fromOffset, this.#body, toOffset, bytes);
  }

  /** The inode is removed: its room is freed, and its rows are left to whoever removes the inode. */
  discard(): void {
    const body = this.#body;
    body.dropBlocks(0, Number.POSITIVE_INFINITY);
    body.put(0, Number.POSITIVE_INFINITY, HOLE, 0);
    body.size = 0;
    body.forgetChanges();
    body.parts.changed.delete(body);
  }

  #punch(offset: number, end: number): number {
    const status = this.#zeroEdges(offset, end);
    if (status !== 0) return status;
    this.#clear(offset, end, HOLE);
    return 0;
  }

  #zeroRange(offset: number, end: number): number {
    const room = this.#body.parts.roomStatus(this.#missingBytes(offset, end, true));
    const status = room === 0 ? this.#zeroEdges(offset, end) : room;
    if (status !== 0) return status;
    this.#clear(offset, end, ZERO);
    return this.#allocate(offset, end);
  }

  /** Keeps room for what has none: holes, but not the base's bytes. */
  #allocate(offset: number, end: number): number {
    const body = this.#body;
    const status = body.parts.roomStatus(this.#missingBytes(offset, end, false));
    if (status !== 0) return status;
    const { map } = body;
    const stop = Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES;
    for (let at = Math.floor(offset / BLOCK_BYTES) * BLOCK_BYTES; at < stop; ) {
      map.seek(at);
      const { start } = map;
      if (start <= at) {
        // A block that an extent ends in is that extent's.
        at = Math.ceil(map.end / BLOCK_BYTES) * BLOCK_BYTES;
        continue;
      }
      const gap = Math.min(start, stop);
      body.put(at, gap, ZERO, 0);
      at = gap;
    }
    body.backBlocks(Math.floor(offset / BLOCK_BYTES), stop / BLOCK_BYTES);
    return 0;
  }

  /**
   * Bytes of [offset, end), in whole blocks, for which no room is kept yet: of holes, and with
   * `ofBase` of the base's bytes, too.
   */
  #missingBytes(offset: number, end: number, ofBase: boolean): number {
    const body = this.#body;
    const { map } = body;
    const from = Math.floor(offset / BLOCK_BYTES) * BLOCK_BYTES;
    const to = Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES;
    let bytes = to - from;
    for (map.seek(from); map.start < to; map.next()) {
      if (ofBase && !hasRoom(map.tag)) continue;
      const stop = Math.min(Math.ceil(map.end / BLOCK_BYTES) * BLOCK_BYTES, to);
      bytes -= stop - Math.max(map.start, from);
    }
    const blocks = body.countBlocks(from / BLOCK_BYTES, to / BLOCK_BYTES, ofBase ? GROWS : BARE);
    return bytes - blocks * BLOCK_BYTES;
  }

  /** Zeros those bytes of [offset, end) that are less than a block: at its beginning and its end. */
  #zeroEdges(offset: number, end: number): number {
    const body = this.#body;
    const stop = Math.min(end, body.size);
    if (offset >= stop) return 0;
    const first = Math.ceil(offset / BLOCK_BYTES) * BLOCK_BYTES;
    const head = Math.min(first, stop);
    const status = head > offset ? this.#writer.zero(body, offset, head) : 0;
    // A block beyond which the file has nothing is cleared as a whole.
    const tail = stop - (stop % BLOCK_BYTES);
    if (status !== 0 || stop === body.size || tail < first || tail === stop) return status;
    return this.#writer.zero(body, tail, stop);
  }

  /** Makes the whole blocks of [offset, end) a hole or ZERO. */
  #clear(offset: number, end: number, tag: number): void {
    const body = this.#body;
    const first = Math.ceil(offset / BLOCK_BYTES);
    const last = (end >= body.size ? Math.ceil : Math.floor)(end / BLOCK_BYTES);
    if (first >= last) return;
    body.dropBlocks(first, last);
    body.put(first * BLOCK_BYTES, last * BLOCK_BYTES, tag, 0);
  }

  /** The first offset from `offset` on where there is data. */
  #data(offset: number): number {
    const body = this.#body;
    const { map, size } = body;
    map.seek(offset);
    while (map.start < size && !isData(map.tag)) map.next();
    let nearest = Math.max(offset, map.start);
    if (body.cell !== 0) {
      const { cache } = body.parts;
      const first = Math.floor(offset / BLOCK_BYTES);
      for (let slot = cache.first(body.cell); slot >= 0; slot = cache.after(slot)) {
        const block = cache.blocks[slot]!;
        if (block >= first) nearest = Math.min(nearest, Math.max(offset, block * BLOCK_BYTES));
      }
    }
    return nearest < size ? nearest : -ENXIO;
  }

  /** The first offset from `offset` on where there is none; the file's end counts. */
  #hole(offset: number): number {
    const body = this.#body;
    const { map, size } = body;
    map.seek(offset);
    for (let at = offset; at < size; ) {
      while (map.end <= at) map.next();
      const block = Math.floor(at / BLOCK_BYTES);
      if (map.start <= at && isData(map.tag)) at = map.end;
      else if (body.slot(block) >= 0) at = (block + 1) * BLOCK_BYTES;
      else return at;
    }
    return size;
  }
}

/**
 * What a file of a writable share should hold: its bytes at first, and by block of 4 KiB the number of
 * the write that was the last there. A written block begins with its own number and that of the
 * write, and goes on as a fixed pattern: to stamp a payload is two stores a page.
 */
import type { RequestLane } from "../frontend/request-lane.ts";
import { answered } from "./answered.ts";
import { seededBytes } from "./bench-tree.ts";
import { WrongData } from "./verify.ts";

export const BLOCK_BYTES = 4096;
/** Block and write, four bytes each. */
const STAMP_BYTES = 8;
const READ_BYTES = 128 << 10;

const PATTERN = seededBytes(4711, BLOCK_BYTES);

export class FileModel {
  readonly nodeid: number;
  readonly fh: number;
  readonly #base: () => Uint8Array;
  /** By block: the last write, or 0. */
  #writes: Uint32Array | undefined;
  #write = 0;

  constructor(nodeid: number, fh: number, base: () => Uint8Array) {
    this.nodeid = nodeid;
    this.fh = fh;
    this.#base = base;
  }

  get blocks(): number {
    this.#writes ??= new Uint32Array(this.#base().length / BLOCK_BYTES);
    return this.#writes.length;
  }

  /** Fills the pages of all slots with the pattern. Not for timed parts. */
  static prepare(lane: RequestLane, payloadBytes: number): void {
    for (let slot = 0; slot < lane.depth; slot++) {
      for (let page = 0; page < payloadBytes / BLOCK_BYTES; page++) {
        lane.region.bytes.set(PATTERN, lane.pageAt(slot, page));
      }
    }
  }

  /** Stamps the slot's first `count` pages as blocks from `block` on, and takes them as written. */
  stamp(lane: RequestLane, slot: number, block: number, count: number): void {
    const writes = this.#writes!;
    const { words32 } = lane.region;
    const write = ++this.#write;
    for (let page = 0; page < count; page++) {
      const word = lane.pageAt(slot, page) >>> 2;
      words32[word] = block + page;
      words32[word + 1] = write;
      writes[block + page] = write;
    }
  }

  /** Reads the whole file. @throws WrongData. */
  verify(lane: RequestLane): void {
    const base = this.#base();
    const got = new Uint8Array(READ_BYTES);
    const stamp = new Uint32Array(got.buffer);
    for (let offset = 0; offset < base.length; offset += READ_BYTES) {
      const bytes = Math.min(READ_BYTES, base.length - offset);
      lane.read(0, this.nodeid, this.fh, offset, bytes);
      if (answered(lane) !== 0 || lane.replyBytes(0) !== bytes) {
        throw new WrongData(`wrong: READ of what was written at ${offset}`);
      }
      lane.copyData(0, 0, bytes, got, 0);
      for (let at = 0; at < bytes; at += BLOCK_BYTES) {
        const block = (offset + at) / BLOCK_BYTES;
        const write = this.#writes?.[block] ?? 0;
        const isRight =
          write === 0
            ? isSame(got, at, base, offset + at, BLOCK_BYTES)
            : stamp[at / 4] === block &&
              stamp[at / 4 + 1] === write &&
              isSame(got, at + STAMP_BYTES, PATTERN, STAMP_BYTES, BLOCK_BYTES - STAMP_BYTES);
        if (!isRight) throw new WrongData(`wrong: block ${block}, last written by ${write}`);
      }
    }
  }
}

function isSame(a: Uint8Array, atA: number, b: Uint8Array, atB: number, length: number): boolean {
  return Buffer.compare(a.subarray(atA, atA + length), b.subarray(atB, atB + length)) === 0;
}

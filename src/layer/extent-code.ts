/**
 * The binary form of a piece's extents (`PieceRow.extents`), and what a file's pieces mean together.
 *
 *     format   1 byte, FORMAT
 *     extents  until the end, ascending, none empty, none over another; each
 *       gap      varint: bytes of hole since the extent before it, or the piece's beginning
 *       shape    varint: length × 4 + kind
 *       base     BASE only: varint, the blob's index in this piece; an index that is as high as
 *                the number of blobs so far is followed by 32 bytes of digest and a varint, its size
 *       source   BASE, LAYER: varint, zigzag: (source − start) less that of the extent of the same
 *                kind before it, which is 0 for what goes on in a straight line
 *
 * Varints are little-endian groups of 7 bits, and stay below 2^53.
 */
import { type Origin, PIECE_BYTES, type PieceRow } from "./rows.ts";

/** Kinds of extents. What no extent covers is a hole; 0 stands for it where a kind is asked for. */
export const HOLE = 0;
/** Allocated, and reads as zeros: fallocate(2). Takes no room in the data file yet. */
export const ZERO = 1;
/** Bytes of the data file: `source` is their position. */
export const LAYER = 2;
/** Bytes of a blob of the base: `source` is the offset in it. */
export const BASE = 3;

/** A blob that extents refer to. */
export interface Base {
  /** 32 bytes. */
  readonly digest: Uint8Array;
  readonly size: number;
}

/** A row does not hold extents: the layer's database is damaged. */
export class CorruptExtents extends Error {
  override readonly name = "CorruptExtents";
}

const FORMAT = 1;
const DIGEST_BYTES = 32;
const KIND_BITS = 4;
/** A varint below 2^53; and all that one extent may take. */
const VARINT_BYTES = 8;
const EXTENT_BYTES_MAX = 5 * VARINT_BYTES + DIGEST_BYTES;

/** Encodes the extents of one piece after another. */
export class ExtentWriter {
  #bytes = new Uint8Array(256);
  #at = 0;
  /** Where the last extent ended. */
  #end = 0;
  #layerShift = 0;
  #baseShift = 0;
  readonly #bases = new Map<Base, number>();

  begin(): void {
    this.#bytes[0] = FORMAT;
    this.#at = 1;
    this.#end = 0;
    this.#layerShift = 0;
    this.#baseShift = 0;
    this.#bases.clear();
  }

  /** `start` counts from the piece's beginning; extents come in ascending order. */
  add(start: number, length: number, kind: number, source: number, base?: Base): void {
    if (this.#at + EXTENT_BYTES_MAX > this.#bytes.length) this.#grow();
    this.#varint(start - this.#end);
    this.#varint(length * KIND_BITS + kind);
    this.#end = start + length;
    if (kind === LAYER) {
      this.#zigzag(source - start - this.#layerShift);
      this.#layerShift = source - start;
    } else if (base !== undefined) {
      this.#base(base);
      this.#zigzag(source - start - this.#baseShift);
      this.#baseShift = source - start;
    }
  }

  /** A copy of what was added since `begin`. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  #base(base: Base): void {
    const known = this.#bases.get(base);
    this.#varint(known ?? this.#bases.size);
    if (known !== undefined) return;
    this.#bases.set(base, this.#bases.size);
    this.#bytes.set(base.digest, this.#at);
    this.#at += DIGEST_BYTES;
    this.#varint(base.size);
  }

  #zigzag(value: number): void {
    this.#varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    let rest = value;
    for (; rest >= 0x8000_0000; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128;
    for (; rest >= 128; rest >>>= 7) bytes[at++] = (rest & 127) | 128;
    bytes[at++] = rest;
    this.#at = at;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#bytes.length * 2);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Goes through the extents of one piece: the fields are those of the extent `next` has come to. */
export class ExtentReader {
  /** From the piece's beginning. */
  start = 0;
  length = 0;
  kind = HOLE;
  /** LAYER: position in the data file. BASE: offset in the blob. ZERO: 0. */
  source = 0;
  /** BASE only. */
  base: Base | undefined;
  readonly #bytes: Uint8Array;
  #at = 1;
  #layerShift = 0;
  #baseShift = 0;
  readonly #bases: Base[] = [];

  /** @throws CorruptExtents when the format is not known. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    if (bytes[0] !== FORMAT) throw new CorruptExtents("unknown format of extents");
  }

  /**
   * Goes to the next extent. False: there is none.
   * @throws CorruptExtents
   */
  next(): boolean {
    if (this.#at === this.#bytes.length) return false;
    this.start += this.length + this.#varint();
    const shape = this.#varint();
    this.kind = shape % KIND_BITS;
    this.length = Math.floor(shape / KIND_BITS);
    if (this.kind === HOLE || this.length === 0 || this.start + this.length > PIECE_BYTES)
      throw new CorruptExtents("an extent is empty or beyond its piece");
    this.source = 0;
    this.base = undefined;
    if (this.kind === LAYER) {
      this.#layerShift += this.#zigzag();
      this.source = this.start + this.#layerShift;
    } else if (this.kind === BASE) {
      this.base = this.#base();
      this.#baseShift += this.#zigzag();
      this.source = this.start + this.#baseShift;
    }
    const end = this.base?.size ?? Number.MAX_SAFE_INTEGER;
    if (this.source < 0 || this.source + this.length > end)
      throw new CorruptExtents("an extent's source does not hold it");
    return true;
  }

  #base(): Base {
    const index = this.#varint();
    if (index > this.#bases.length) throw new CorruptExtents("an extent of a blob not named");
    const known = this.#bases[index];
    if (known !== undefined) return known;
    const end = this.#at + DIGEST_BYTES;
    const digest = this.#bytes.slice(this.#at, end);
    if (digest.length < DIGEST_BYTES) throw new CorruptExtents("a digest is cut short");
    this.#at = end;
    const base = { digest, size: this.#varint() };
    this.#bases.push(base);
    return base;
  }

  #zigzag(): number {
    const value = this.#varint();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  #varint(): number {
    const bytes = this.#bytes;
    let value = 0;
    for (let scale = 1, at = this.#at; at < bytes.length && scale <= 2 ** 49; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte >= 128) continue;
      if (value > Number.MAX_SAFE_INTEGER) break;
      this.#at = at;
      return value;
    }
    throw new CorruptExtents("a number is cut short or too large");
  }
}

/** Takes one extent of a file: `offset` in it, and as in ExtentReader. */
export type TakeExtent = (
  offset: number,
  length: number,
  kind: number,
  source: number,
  base: Base | undefined,
) => void;

/**
 * Hands the extents of a file to `take`, ascending. A piece that has no row is as the origin is
 * there, as far as `size` goes; a row, even one without extents, stands for all of its piece. ZERO
 * may go beyond `size` (space kept by fallocate(2)); other kinds do not.
 * @throws CorruptExtents
 */
export function eachExtent(
  size: number,
  origin: Base | Origin | undefined,
  pieces: readonly PieceRow[],
  take: TakeExtent,
): void {
  const reach = Math.min(size, origin?.size ?? 0);
  let next = 0;
  const fromOrigin = (end: number): void => {
    const start = next * PIECE_BYTES;
    const stop = Math.min(end, reach);
    if (stop > start && origin !== undefined) take(start, stop - start, BASE, start, origin);
  };
  for (const row of pieces) {
    if (row.extents === undefined) continue;
    const start = row.piece * PIECE_BYTES;
    fromOrigin(start);
    const reader = new ExtentReader(row.extents);
    while (reader.next()) {
      take(start + reader.start, reader.length, reader.kind, reader.source, reader.base);
    }
    next = row.piece + 1;
  }
  fromOrigin(Number.POSITIVE_INFINITY);
}

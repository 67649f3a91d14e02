/**
 * Reads the canonical encoding of a directory into flat arrays, without an object for an entry: a
 * file system looks at many large directories and needs only positions in their bytes. Accepts and
 * refuses exactly what `decodeDirectory` does (a property test holds the two together).
 */
import { DIGEST_BYTES } from "./digest.ts";
import { DIRECTORY_BYTES_MAX } from "./directory.ts";
import type { EncodingFault } from "./errors.ts";
import { InvalidEncoding } from "./errors.ts";
import { compareBytes, nameFault, targetFault } from "./name.ts";

/** The number of the field in `Directory` that lists entries of that kind. */
export const KIND_DIRECTORY = 1;
export const KIND_FILE = 2;
export const KIND_SYMLINK = 3;

/** The entries of a directory in byte order of their names. All positions are in `bytes`. */
export interface DirectoryRecords {
  /** The encoding, as it was given. */
  readonly bytes: Uint8Array;
  readonly count: number;
  /** How many of them are directories. */
  readonly childDirectories: number;
  /** What a node that names this directory says as its size. */
  readonly totalSize: number;
  /** KIND_DIRECTORY, KIND_FILE or KIND_SYMLINK. */
  readonly kind: Uint8Array;
  readonly nameStart: Uint32Array;
  readonly nameEnd: Uint32Array;
  /** Where the 32 bytes of the digest begin (directories and files). */
  readonly digestStart: Uint32Array;
  /** The size field: bytes of a file, entries below a directory, 0 of a symlink. */
  readonly size: Float64Array;
  /** 1: an executable file. */
  readonly executable: Uint8Array;
  /** Where the target of a symlink begins and ends. */
  readonly targetStart: Uint32Array;
  readonly targetEnd: Uint32Array;
}

const NAME_TAG = 0x0a;
const DATA_TAG = 0x12;
const SIZE_TAG = 0x18;
const EXECUTABLE_TAG = 0x20;
/** Tags of the lists in `Directory`, less the kind: field number << 3 | length-delimited. */
const LIST_WIRE_TYPE = 2;

/**
 * Keeps `bytes`: they must not change afterwards.
 * @throws InvalidEncoding
 */
export function scanDirectory(bytes: Uint8Array): DirectoryRecords {
  if (bytes.length > DIRECTORY_BYTES_MAX) fail("is too large");
  const records = new Scan(bytes).run();
  return merged(records);
}

interface Records {
  readonly bytes: Uint8Array;
  count: number;
  childDirectories: number;
  totalSize: number;
  kind: Uint8Array;
  nameStart: Uint32Array;
  nameEnd: Uint32Array;
  digestStart: Uint32Array;
  size: Float64Array;
  executable: Uint8Array;
  targetStart: Uint32Array;
  targetEnd: Uint32Array;
}

/** One pass to count the entries, one to read them in the order in which they stand. */
class Scan {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  run(): Records {
    const records = emptyRecords(this.#bytes, this.#count());
    this.#position = 0;
    for (let i = 0; i < records.count; i += 1) {
      const kind = this.#bytes[this.#position]! >> 3;
      this.#position += 1;
      const end = this.#length(this.#bytes.length);
      this.#entry(records, i, kind, end);
      if (i > 0 && records.kind[i - 1] === kind) checkOrder(records, i);
    }
    records.totalSize = totalSize(records);
    return records;
  }

  #count(): number {
    const bytes = this.#bytes;
    let count = 0;
    let lastKind = KIND_DIRECTORY;
    while (this.#position < bytes.length) {
      const tag = bytes[this.#position]!;
      const kind = tag >> 3;
      if ((tag & 7) !== LIST_WIRE_TYPE || kind < KIND_DIRECTORY || kind > KIND_SYMLINK) {
        fail("has an unknown field");
      }
      if (kind < lastKind) fail("is not canonical");
      lastKind = kind;
      this.#position += 1;
      this.#position = this.#length(bytes.length);
      count += 1;
    }
    return count;
  }

  #entry(records: Records, i: number, kind: number, end: number): void {
    records.kind[i] = kind;
    if (!this.#tag(NAME_TAG, end)) fail("name is empty");
    const nameEnd = this.#length(end);
    const nameStart = this.#position;
    const fault = nameFault(this.#bytes, nameStart, nameEnd);
    if (fault !== undefined) fail(fault);
    records.nameStart[i] = nameStart;
    records.nameEnd[i] = nameEnd;
    this.#position = nameEnd;
    if (kind === KIND_SYMLINK) this.#target(records, i, end);
    else this.#content(records, i, kind, end);
    if (this.#position !== end) fail("has an unknown field");
  }

  #target(records: Records, i: number, end: number): void {
    if (!this.#tag(DATA_TAG, end)) fail("symlink target is empty");
    const targetEnd = this.#length(end);
    const fault = targetFault(this.#bytes, this.#position, targetEnd);
    if (fault !== undefined) fail(fault);
    records.targetStart[i] = this.#position;
    records.targetEnd[i] = targetEnd;
    this.#position = targetEnd;
  }

  #content(records: Records, i: number, kind: number, end: number): void {
    if (!this.#tag(DATA_TAG, end)) fail("digest is not 32 bytes");
    const digestEnd = this.#length(end);
    if (digestEnd - this.#position !== DIGEST_BYTES) fail("digest is not 32 bytes");
    records.digestStart[i] = this.#position;
    this.#position = digestEnd;
    if (this.#tag(SIZE_TAG, end)) {
      records.size[i] = this.#varint(end);
      if (records.size[i] === 0) fail("is not canonical");
    }
    if (kind === KIND_FILE && this.#tag(EXECUTABLE_TAG, end)) {
      if (this.#varint(end) !== 1) fail("is not canonical");
      records.executable[i] = 1;
    }
    if (kind === KIND_DIRECTORY) records.childDirectories += 1;
  }

  /** Passes the one byte `tag` if it is next. */
  #tag(tag: number, end: number): boolean {
    if (this.#position >= end || this.#bytes[this.#position] !== tag) return false;
    this.#position += 1;
    return true;
  }

  /** Reads a length and returns where what it counts ends, at `end` at the latest. */
  #length(end: number): number {
    const length = this.#varint(end);
    if (length > end - this.#position) fail("ends inside a field");
    return this.#position + length;
  }

  /** A varint in its shortest form, below 2^53. */
  #varint(end: number): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; ; i += 1) {
      if (this.#position >= end) fail("ends inside a field");
      const byte = this.#bytes[this.#position]!;
      this.#position += 1;
      if (byte < 0x80) {
        if (byte === 0 && i > 0) fail("is not canonical");
        value += byte * scale;
        if (value > Number.MAX_SAFE_INTEGER) fail("size is not a whole number below 2^53");
        return value;
      }
      if (i === 7) fail("size is not a whole number below 2^53");
      value += (byte & 0x7f) * scale;
      scale *= 128;
    }
  }
}

function emptyRecords(bytes: Uint8Array, count: number): Records {
  // A symlink has a target, everything else a digest: both may begin in the same array.
  const dataStart = new Uint32Array(count);
  return {
    bytes,
    count,
    childDirectories: 0,
    totalSize: 0,
    kind: new Uint8Array(count),
    nameStart: new Uint32Array(count),
    nameEnd: new Uint32Array(count),
    digestStart: dataStart,
    size: new Float64Array(count),
    executable: new Uint8Array(count),
    targetStart: dataStart,
    targetEnd: new Uint32Array(count),
  };
}

function totalSize(records: Records): number {
  let size = records.count;
  for (let i = 0; i < records.count && records.kind[i] === KIND_DIRECTORY; i += 1) {
    size += records.size[i]!;
    if (size > Number.MAX_SAFE_INTEGER) fail("sizes add up to 2^53 or more");
  }
  return size;
}

function checkOrder(records: Records, i: number): void {
  const order = compareRecords(records, i - 1, i);
  if (order === 0) fail("two entries have the same name");
  if (order > 0) fail("names are not sorted");
}

function compareRecords(records: Records, a: number, b: number): number {
  const { bytes, nameStart, nameEnd } = records;
  return compareBytes(bytes, nameStart[a]!, nameEnd[a]!, bytes, nameStart[b]!, nameEnd[b]!);
}

/** Merges the three sorted lists into one. Lists of one kind only stay as they are. */
function merged(records: Records): DirectoryRecords {
  const { count, kind } = records;
  if (count === 0 || kind[0] === kind[count - 1]) return records;
  const order = mergedOrder(records);
  const into = emptyRecords(records.bytes, count);
  into.childDirectories = records.childDirectories;
  into.totalSize = records.totalSize;
  for (let i = 0; i < count; i += 1) {
    const from = order[i]!;
    into.kind[i] = kind[from]!;
    into.nameStart[i] = records.nameStart[from]!;
    into.nameEnd[i] = records.nameEnd[from]!;
    into.digestStart[i] = records.digestStart[from]!;
    into.size[i] = records.size[from]!;
    into.executable[i] = records.executable[from]!;
    into.targetEnd[i] = records.targetEnd[from]!;
  }
  return into;
}

/** The positions of the records in byte order of their names: a three-way merge. */
function mergedOrder(records: Records): Uint32Array {
  const { count, kind } = records;
  const heads = [0, firstOf(kind, KIND_FILE), firstOf(kind, KIND_SYMLINK)];
  const ends = [heads[1]!, heads[2]!, count];
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) {
    let least = -1;
    for (let list = 0; list < 3; list += 1) {
      if (heads[list]! >= ends[list]!) continue;
      if (least < 0) {
        least = list;
        continue;
      }
      const compared = compareRecords(records, heads[list]!, heads[least]!);
      if (compared === 0) fail("two entries have the same name");
      if (compared < 0) least = list;
    }
    order[i] = heads[least]!;
    heads[least]! += 1;
  }
  return order;
}

/** Where the kinds from `wanted` on begin: kinds stand in ascending order. */
function firstOf(kind: Uint8Array, wanted: number): number {
  let low = 0;
  let high = kind.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (kind[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function fail(fault: EncodingFault): never {
  throw new InvalidEncoding("directory", fault);
}

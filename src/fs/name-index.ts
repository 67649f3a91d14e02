/**
 * Finds a name in a directory: a flat hash table over the sorted records, built once when the
 * directory is loaded. Small directories do without, by binary search; so do directories whose
 * names were chosen to collide, which would otherwise take time quadratic in their number.
 */
import type { DirectoryRecords } from "../castore/directory-scan.ts";
import { compareBytes } from "../castore/name.ts";
import { equalRanges, hashRange, scramble } from "./byte-range.ts";

/** Directories with fewer entries are searched by halves. */
export const MIN_INDEXED_ENTRIES = 16;

/** A name that is further than this from its bucket makes the whole table useless. */
export const MAX_PROBES = 128;

/** At least half of the buckets stay empty. */
const BUCKETS_PER_ENTRY = 2;

export class NameIndex {
  readonly #records: DirectoryRecords;
  /** Record number + 1 by bucket, 0: empty. No table: search by halves. */
  readonly #table: Uint16Array | Uint32Array | undefined;

  constructor(records: DirectoryRecords) {
    this.#records = records;
    this.#table = records.count < MIN_INDEXED_ENTRIES ? undefined : build(records);
  }

  /** Bytes of the table. */
  get byteLength(): number {
    return this.#table?.byteLength ?? 0;
  }

  /** The number of the record with the name `bytes[start, end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const table = this.#table;
    if (table === undefined) return this.#search(bytes, start, end);
    const records = this.#records;
    const mask = table.length - 1;
    const length = end - start;
    let bucket = scramble(hashRange(bytes, start, end)) & mask;
    for (;;) {
      const record = (table[bucket] as number) - 1;
      if (record < 0) return -1;
      const nameStart = records.nameStart[record] as number;
      if (
        (records.nameEnd[record] as number) - nameStart === length &&
        equalRanges(records.bytes, nameStart, bytes, start, length)
      ) {
        return record;
      }
      bucket = (bucket + 1) & mask;
    }
  }

  #search(bytes: Uint8Array, start: number, end: number): number {
    const records = this.#records;
    let low = 0;
    let high = records.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const nameStart = records.nameStart[middle] as number;
      const nameEnd = records.nameEnd[middle] as number;
      const order = compareBytes(records.bytes, nameStart, nameEnd, bytes, start, end);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1;
  }
}

function build(records: DirectoryRecords): Uint16Array | Uint32Array | undefined {
  const { bytes, count, nameStart, nameEnd } = records;
  const buckets = 2 ** Math.ceil(Math.log2(count * BUCKETS_PER_ENTRY));
  const table = count < 0xffff ? new Uint16Array(buckets) : new Uint32Array(buckets);
  const mask = buckets - 1;
  for (let record = 0; record < count; record++) {
    const home = hashRange(bytes, nameStart[record] as number, nameEnd[record] as number);
    let bucket = scramble(home) & mask;
    let probes = 0;
    while (table[bucket] !== 0) {
      bucket = (bucket + 1) & mask;
      if (++probes > MAX_PROBES) return undefined;
    }
    table[bucket] = record + 1;
  }
  return table;
}

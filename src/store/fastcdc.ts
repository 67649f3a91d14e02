/**
 * Content-defined chunking: FastCDC as its 2020 paper has it (rolling two bytes a step, normalised
 * chunking of level 1), with the sizes that snix uses, so that equal contents have equal chunks
 * there and here. A cut depends on the bytes around it only: an insertion moves few chunks.
 */
import { createHash } from "node:crypto";

export const CHUNK_BYTES_AVERAGE = 256 * 1024;
/** No chunk is shorter, but the last of a blob. */
export const CHUNK_BYTES_MIN = CHUNK_BYTES_AVERAGE / 2;
export const CHUNK_BYTES_MAX = CHUNK_BYTES_AVERAGE * 2;

// The gear hash has 64 bits, but the masks look at the low 49 only, and carries run upwards: the low
// 24 bits in one integer and the 32 above them in another give the same cuts without 64-bit
// arithmetic.
const LOW_BITS = 24;
const LOW_MASK = 0xff_ffff;

// Masks of the paper for 512 KiB and 128 KiB: one step above and below the average. Before the
// average size a cut is made harder than after it, which evens out the sizes. `_1` is for the hash
// when it stands one bit further left, after the first byte of a step.
const HARD_HIGH = 0xd917_07;
const HARD_LOW = 0x53_7000;
const EASY_HIGH = 0xd907_03;
const EASY_LOW = 0x53_7000;
const HARD_HIGH_1 = (HARD_HIGH << 1) | (HARD_LOW >>> (LOW_BITS - 1));
const HARD_LOW_1 = (HARD_LOW << 1) & LOW_MASK;
const EASY_HIGH_1 = (EASY_HIGH << 1) | (EASY_LOW >>> (LOW_BITS - 1));
const EASY_LOW_1 = (EASY_LOW << 1) & LOW_MASK;

/** The low 56 bits of the gear table, and of the same shifted left by one, in these two parts. */
const gearHigh = new Int32Array(256);
const gearLow = new Int32Array(256);
const gearHigh1 = new Int32Array(256);
const gearLow1 = new Int32Array(256);

for (let value = 0; value < 256; value += 1) {
  // An entry is the first eight bytes, big-endian, of the MD5 of 64 times the value.
  const digest = createHash("md5").update(Buffer.alloc(64, value)).digest();
  const high = digest.readInt32BE(1);
  const low = digest.readUIntBE(5, 3);
  gearHigh[value] = high;
  gearLow[value] = low;
  gearHigh1[value] = (high << 1) | (low >>> (LOW_BITS - 1));
  gearLow1[value] = (low << 1) & LOW_MASK;
}

/**
 * The length of the first chunk of `bytes[start, end)`. The answer is final when CHUNK_BYTES_MAX
 * bytes are there or the blob ends at `end`.
 */
export function firstChunkLength(bytes: Uint8Array, start: number, end: number): number {
  const available = end - start;
  if (available <= CHUNK_BYTES_MIN) return available;
  const limit = Math.min(available, CHUNK_BYTES_MAX);
  const centre = Math.min(available, CHUNK_BYTES_AVERAGE);
  let high = 0;
  let low = 0;
  let at = start + CHUNK_BYTES_MIN;
  // Whole steps of two bytes only: of an odd number of bytes the last is not looked at.
  for (const stop = start + (centre & ~1); at < stop; at += 2) {
    let byte = bytes[at]!;
    let sum = (low << 2) + gearLow1[byte]!;
    high = ((high << 2) + gearHigh1[byte]! + (sum >>> LOW_BITS)) | 0;
    low = sum & LOW_MASK;
    if ((high & HARD_HIGH_1) === 0 && (low & HARD_LOW_1) === 0) return at - start;
    byte = bytes[at + 1]!;
    sum = low + gearLow[byte]!;
    high = (high + gearHigh[byte]! + (sum >>> LOW_BITS)) | 0;
    low = sum & LOW_MASK;
    if ((high & HARD_HIGH) === 0 && (low & HARD_LOW) === 0) return at + 1 - start;
  }
  for (const stop = start + (limit & ~1); at < stop; at += 2) {
    let byte = bytes[at]!;
    let sum = (low << 2) + gearLow1[byte]!;
    high = ((high << 2) + gearHigh1[byte]! + (sum >>> LOW_BITS)) | 0;
    low = sum & LOW_MASK;
    if ((high & EASY_HIGH_1) === 0 && (low & EASY_LOW_1) === 0) return at - start;
    byte = bytes[at + 1]!;
    sum = low + gearLow[byte]!;
    high = (high + gearHigh[byte]! + (sum >>> LOW_BITS)) | 0;
    low = sum & LOW_MASK;
    if ((high & EASY_HIGH) === 0 && (low & EASY_LOW) === 0) return at + 1 - start;
  }
  return limit;
}

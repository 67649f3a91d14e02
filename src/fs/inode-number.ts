/**
 * `st_ino`: derived from content, so that it is the same in every VM and after every restart. Two
 * 32-bit halves, never a BigInt.
 *
 * - a file: the first 8 bytes of its digest, salted by whether it is executable. Equal files have
 *   equal numbers, wherever they are.
 * - a symlink: a hash of its target.
 * - a directory: its parent's number, its name and its digest. Equal directories at two places have
 *   two numbers: fts(3) takes an equal number on the way down for a loop.
 * - the share's root: 1.
 *
 * The high half of all but the root is neither 0 nor all ones: no number is 0, is the root's, looks
 * like a special one, or fits the 32 bits that other file systems count up in.
 */
import { hashRange, readWord, scramble, secondHashRange } from "./byte-range.ts";
import type { Child } from "./child.ts";
import { DIRECTORY, EXECUTABLE, FILE, SYMLINK } from "./inode-kind.ts";

export const ROOT_INO_LOW = 1;
export const ROOT_INO_HIGH = 0;

const FILE_SALT = 0x1b56c4e9;
const EXECUTABLE_SALT = 0x7d3f2a85;
const DIRECTORY_SALT = 0x2c9e17d3;
const ALL_ONES = 0xffffffff;

/** Sets `inoLow` and `inoHigh` of a child of the directory with the number `parentLow/High`. */
export function numberChild(child: Child, parentLow: number, parentHigh: number): void {
  switch (child.kind) {
    case FILE:
      numberFile(child, FILE_SALT);
      break;
    case EXECUTABLE:
      numberFile(child, EXECUTABLE_SALT);
      break;
    case DIRECTORY:
      numberDirectory(child, parentLow, parentHigh);
      break;
    case SYMLINK:
      numberText(child, child.targetBytes, child.targetStart, child.targetEnd);
      break;
    default:
      numberText(child, child.nameBytes, child.nameStart, child.nameEnd);
  }
}

/** A digest is as random as can be: one salt, xored in, keeps different digests different. */
function numberFile(child: Child, salt: number): void {
  const low = readWord(child.digestBytes, child.digestStart);
  const high = readWord(child.digestBytes, child.digestStart + 4);
  setNumber(child, low, high ^ salt);
}

function numberDirectory(child: Child, parentLow: number, parentHigh: number): void {
  const { nameBytes, nameStart, nameEnd, digestBytes, digestStart } = child;
  const nameLow = hashRange(nameBytes, nameStart, nameEnd);
  const nameHigh = secondHashRange(nameBytes, nameStart, nameEnd);
  const low = scramble(scramble(parentLow ^ nameLow) + readWord(digestBytes, digestStart));
  const high = scramble(scramble(parentHigh + DIRECTORY_SALT) ^ nameHigh);
  setNumber(child, low, scramble(high + readWord(digestBytes, digestStart + 4)));
}

function numberText(child: Child, bytes: Uint8Array, start: number, end: number): void {
  const low = scramble(hashRange(bytes, start, end));
  setNumber(child, low, scramble(secondHashRange(bytes, start, end)));
}

function setNumber(child: Child, low: number, high: number): void {
  const unsigned = high >>> 0;
  child.inoLow = low | 0;
  child.inoHigh = (unsigned === 0 || unsigned === ALL_ONES ? DIRECTORY_SALT : unsigned) | 0;
}

/**
 * Rules for names and symlink targets. Both are bytes: Linux does not say that they are UTF-8, and
 * what was imported comes back exactly.
 */
import type { NodeFault } from "./errors.ts";
import { InvalidNode } from "./errors.ts";

/** Linux's NAME_MAX. */
export const NAME_BYTES_MAX = 255;
/** Linux's PATH_MAX without the NUL. */
export const TARGET_BYTES_MAX = 4095;

const DOT = 0x2e;
const SLASH = 0x2f;

/** What is wrong with the name `bytes[start, end)`, or undefined. */
export function nameFault(bytes: Uint8Array, start: number, end: number): NodeFault | undefined {
  const length = end - start;
  if (length === 0) return "name is empty";
  if (length > NAME_BYTES_MAX) return "name is longer than 255 bytes";
  if (length <= 2 && bytes[start] === DOT && bytes[end - 1] === DOT) return "name is . or ..";
  for (let i = start; i < end; i += 1) {
    const byte = bytes[i];
    if (byte === SLASH || byte === 0) return "name has a slash or a NUL";
  }
  return undefined;
}

/** What is wrong with the symlink target `bytes[start, end)`, or undefined. */
export function targetFault(bytes: Uint8Array, start: number, end: number): NodeFault | undefined {
  const length = end - start;
  if (length === 0) return "symlink target is empty";
  if (length > TARGET_BYTES_MAX) return "symlink target is longer than 4095 bytes";
  for (let i = start; i < end; i += 1) {
    if (bytes[i] === 0) return "symlink target has a NUL";
  }
  return undefined;
}

/** Bytes that may stand in a directory as a name. The only way to get one is `parseName`. */
declare const nameBrand: unique symbol;
export type Name = Uint8Array & { readonly [nameBrand]: true };

/**
 * A copy of `bytes`, checked. Text is taken as UTF-8.
 * @throws InvalidNode
 */
export function parseName(bytes: Uint8Array | string): Name {
  const copy = Uint8Array.from(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
  const fault = nameFault(copy, 0, copy.length);
  if (fault !== undefined) throw new InvalidNode(fault);
  return copy as Uint8Array as Name;
}

/**
 * The names on a path, from the top down. Empty parts and `.` are passed over.
 * @throws InvalidNode for a part that is no name, `..` among them.
 */
export function parsePath(bytes: Uint8Array): Name[] {
  const names: Name[] = [];
  for (let start = 0; start <= bytes.length; ) {
    const slash = bytes.indexOf(SLASH, start);
    const end = slash < 0 ? bytes.length : slash;
    const part = bytes.subarray(start, end);
    start = end + 1;
    if (part.length === 0 || (part.length === 1 && part[0] === DOT)) continue;
    names.push(parseName(part));
  }
  return names;
}

/**
 * Compares `a[aStart, aEnd)` with `b[bStart, bEnd)` byte by byte, a prefix before what it begins:
 * negative, 0 or positive. The order of names in a directory.
 */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aLength = aEnd - aStart;
  const bLength = bEnd - bStart;
  const length = aLength < bLength ? aLength : bLength;
  for (let i = 0; i < length; i += 1) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

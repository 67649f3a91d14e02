/**
 * The extended attributes that tell a guest what digest it is looking at, under our name and the
 * two that other implementations of castore use.
 */
import { DIGEST_BYTES } from "../castore/digest.ts";
import { equalRanges } from "./byte-range.ts";
import { DIRECTORY, isFile } from "./inode-kind.ts";

const PREFIXES = ["user.castore", "user.snix.castore", "user.tvix.castore"];
const BLOB_NAMES = PREFIXES.map((prefix) => Buffer.from(`${prefix}.blob.digest\0`));
const DIRECTORY_NAMES = PREFIXES.map((prefix) => Buffer.from(`${prefix}.directory.digest\0`));
const NO_NAMES: Buffer[] = [];

const TEXT_PREFIX = Buffer.from("blake3-");
const DIGITS = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const PADDING = "=".charCodeAt(0);

/** Bytes of a digest as text: `blake3-` and 44 characters of base64. */
export const DIGEST_TEXT_BYTES = 51;

/** The attribute names of an inode of this kind, each with its NUL. */
export function xattrNamesOf(kind: number): readonly Uint8Array[] {
  if (isFile(kind)) return BLOB_NAMES;
  return kind === DIRECTORY ? DIRECTORY_NAMES : NO_NAMES;
}

/** Whether an inode of this kind has the attribute `bytes[start, end)`. */
export function hasXattr(kind: number, bytes: Uint8Array, start: number, end: number): boolean {
  const names = xattrNamesOf(kind);
  for (let at = 0; at < names.length; at++) {
    const name = names[at] as Uint8Array;
    const length = name.length - 1;
    if (length === end - start && equalRanges(name, 0, bytes, start, length)) return true;
  }
  return false;
}

/** Writes `digest[start, start + 32)` as text to the first DIGEST_TEXT_BYTES of `target`. */
export function writeDigestText(target: Uint8Array, digest: Uint8Array, start: number): void {
  let to = 0;
  for (; to < TEXT_PREFIX.length; to++) target[to] = TEXT_PREFIX[to] as number;
  for (let from = 0; from < DIGEST_BYTES; from += 3) {
    const first = digest[start + from] as number;
    const second = digest[start + from + 1] as number;
    const third = from + 2 < DIGEST_BYTES ? (digest[start + from + 2] as number) : 0;
    target[to++] = DIGITS[first >>> 2] as number;
    target[to++] = DIGITS[((first & 3) << 4) | (second >>> 4)] as number;
    target[to++] = DIGITS[((second & 15) << 2) | (third >>> 6)] as number;
    target[to++] = DIGITS[third & 63] as number;
  }
  // 32 = 10 × 3 + 2: the last digit stands for nothing.
  target[to - 1] = PADDING;
}

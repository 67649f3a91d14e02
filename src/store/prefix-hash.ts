/** Hash tables keyed by digests take a slot from the first 8 bytes. */

/** Other slots in each process, so that nobody can choose digests that all want the same one. */
const seed = (Math.random() * 2 ** 32) | 0;

/** The 32 bits at `start`, little-endian. */
export function wordAt(bytes: Uint8Array, start: number): number {
  return (
    (bytes[start]! |
      (bytes[start + 1]! << 8) |
      (bytes[start + 2]! << 16) |
      (bytes[start + 3]! << 24)) >>>
    0
  );
}

/** 32 bits, signed, of the first two words of a digest. */
export function hashWords(first: number, second: number): number {
  let hash = Math.imul(seed ^ first, 0x9e3779b1);
  hash ^= hash >>> 15;
  hash = Math.imul(hash ^ second, 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

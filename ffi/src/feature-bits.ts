/** Sets of 64 feature bits, as two u32: no BigInt, nothing beyond 2^53 to round. */

export interface FeatureBits {
  /** Bits 0 to 31. */
  readonly low: number;
  /** Bits 32 to 63. */
  readonly high: number;
}

export function featureBits(bits: Iterable<number>): FeatureBits {
  let low = 0;
  let high = 0;
  for (const bit of bits) {
    if (bit < 32) low |= 1 << bit;
    else high |= 1 << (bit - 32);
  }
  return { low: low >>> 0, high: high >>> 0 };
}

export function readFeatures(view: DataView, offset: number): FeatureBits {
  return { low: view.getUint32(offset, true), high: view.getUint32(offset + 4, true) };
}

export function hasFeature(features: FeatureBits, bit: number): boolean {
  return ((bit < 32 ? features.low >>> bit : features.high >>> (bit - 32)) & 1) === 1;
}

export function isSame(a: FeatureBits, b: FeatureBits): boolean {
  return a.low === b.low && a.high === b.high;
}

/** The bits of `part` that `whole` lacks: "28, 29". */
export function missingBits(part: FeatureBits, whole: FeatureBits): string {
  const bits = Array.from({ length: 64 }, (_, bit) => bit);
  return bits.filter((bit) => hasFeature(part, bit) && !hasFeature(whole, bit)).join(", ");
}

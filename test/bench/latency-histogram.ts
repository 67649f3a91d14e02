/**
 * Latencies, counted in buckets that are 1/32 of their power of two wide: quantiles within 3 %, no
 * allocation when recording.
 */
const BUCKETS_PER_OCTAVE = 32;
/** 2^36 ns is more than a minute. */
const OCTAVES = 36;

export class LatencyHistogram {
  readonly #counts = new Uint32Array(BUCKETS_PER_OCTAVE * OCTAVES);
  #total = 0;

  /** Adds one latency, in milliseconds as performance.now() counts. */
  record(milliseconds: number): void {
    const nanoseconds = milliseconds * 1e6;
    const whole = nanoseconds < 1 ? 1 : nanoseconds > 0x7fff_ffff ? 0x7fff_ffff : nanoseconds | 0;
    const octave = 31 - Math.clz32(whole);
    const scaled = octave >= 5 ? whole >>> (octave - 5) : whole << (5 - octave);
    const bucket = octave * BUCKETS_PER_OCTAVE + (scaled & (BUCKETS_PER_OCTAVE - 1));
    this.#counts[bucket] = this.#counts[bucket]! + 1;
    this.#total++;
  }

  get total(): number {
    return this.#total;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }

  /** The latency, in microseconds, that a share `quantile` of all lies at or below; NaN of none. */
  microseconds(quantile: number): number {
    if (this.#total === 0) return Number.NaN;
    let left = Math.max(1, Math.ceil(quantile * this.#total));
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      left -= this.#counts[bucket]!;
      if (left <= 0) return middleOf(bucket) / 1000;
    }
    return Number.NaN;
  }
}

/** The middle of a bucket, in nanoseconds. */
function middleOf(bucket: number): number {
  const octave = Math.floor(bucket / BUCKETS_PER_OCTAVE);
  const step = bucket % BUCKETS_PER_OCTAVE;
  return 2 ** octave * (1 + (step + 0.5) / BUCKETS_PER_OCTAVE);
}

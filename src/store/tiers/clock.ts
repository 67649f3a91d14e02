/** Time and chance as the fetcher sees them, so that tests can run hours in no time. */
export interface Clock {
  /** Milliseconds since some point. */
  now(): number;
  /** Calls `ring` in so many milliseconds, unless the answer is disposed before. */
  timer(milliseconds: number, ring: () => void): Disposable;
  /** From 0 up to 1, evenly. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  timer: (milliseconds, ring) => {
    const timer = setTimeout(ring, milliseconds);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** @throws the signal's reason */
export async function sleep(
  clock: Clock,
  milliseconds: number,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  using _timer = clock.timer(milliseconds, resolve);
  const aborted = () => reject(signal?.reason);
  signal?.addEventListener("abort", aborted, { once: true });
  try {
    await promise;
  } finally {
    signal?.removeEventListener("abort", aborted);
  }
}

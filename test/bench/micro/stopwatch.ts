/** Nanoseconds per step of a piece of code: the median over batches, after a warm-up. */
import { median } from "../statistics.ts";

const WARM_MILLISECONDS = 200;
const BATCHES = 21;
const BATCH_MILLISECONDS = 10;

export interface MicroResult {
  readonly name: string;
  readonly nanoseconds: number;
}

/** `run` performs `steps` steps. */
export function stopwatch(name: string, run: (steps: number) => void): MicroResult {
  const steps = warmUp(run);
  const batches = Array.from({ length: BATCHES }, () => {
    const begin = performance.now();
    run(steps);
    return ((performance.now() - begin) * 1e6) / steps;
  });
  return { name, nanoseconds: median(batches) };
}

/** Runs until the code is hot; returns how many steps make a batch. */
function warmUp(run: (steps: number) => void): number {
  let steps = 100;
  for (const begin = performance.now(); ; ) {
    const from = performance.now();
    run(steps);
    const took = performance.now() - from;
    if (performance.now() - begin > WARM_MILLISECONDS) {
      return Math.max(1, Math.round((steps * BATCH_MILLISECONDS) / Math.max(took, 0.001)));
    }
    if (took < BATCH_MILLISECONDS) steps *= 2;
  }
}

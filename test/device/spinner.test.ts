import { describe, expect, test } from "vitest";
import { SPIN_MISSES_MAX, Spinner } from "../../src/device/spinner.ts";

const never = () => false;

describe("Spinner", () => {
  test("never spins with a budget of zero", () => {
    expect(new Spinner(0).pays).toBe(false);
  });

  test("returns as soon as there is work", () => {
    let looks = 0;
    const found = new Spinner(1000).spin(() => ++looks === 3);
    expect(found).toBe(true);
    expect(looks).toBe(3);
  });

  test("gives up after a run of misses, so that an idle device sleeps", () => {
    const spinner = new Spinner(1);
    for (let i = 0; i < SPIN_MISSES_MAX; i++) {
      expect(spinner.pays).toBe(true);
      expect(spinner.spin(never)).toBe(false);
    }
    expect(spinner.pays).toBe(false);
  });

  test("starts again once a wake-up came so soon that a spin had met it", () => {
    const spinner = new Spinner(100);
    for (let i = 0; i < SPIN_MISSES_MAX; i++) spinner.spin(never);
    spinner.woken(5);
    expect(spinner.pays).toBe(false);
    spinner.woken(0.05);
    expect(spinner.pays).toBe(true);
  });
});

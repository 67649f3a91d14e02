import { describe, expect, it } from "vitest";
import {
  type BreakerState,
  CircuitBreaker,
  FAILURES_TO_OPEN,
  PAUSE_MILLISECONDS,
  PAUSE_MILLISECONDS_MAX,
} from "../../../src/store/tiers/circuit-breaker.ts";
import { FakeClock } from "./fake-clock.ts";

function setUp(): { clock: FakeClock; breaker: CircuitBreaker; states: BreakerState[] } {
  const clock = new FakeClock();
  const states: BreakerState[] = [];
  return { clock, states, breaker: new CircuitBreaker(clock, (state) => states.push(state)) };
}

function fail(breaker: CircuitBreaker, times: number): void {
  for (let i = 0; i < times; i += 1) {
    expect(breaker.begin()).toBe(true);
    breaker.failed();
  }
}

describe("CircuitBreaker", () => {
  it("opens after several failures in a row, and not when one succeeds between them", () => {
    const { breaker, states } = setUp();
    fail(breaker, FAILURES_TO_OPEN - 1);
    breaker.begin();
    breaker.succeeded();
    fail(breaker, FAILURES_TO_OPEN - 1);
    expect(breaker.ready).toBe(true);
    fail(breaker, 1);
    expect(breaker.ready).toBe(false);
    expect(breaker.begin()).toBe(false);
    expect(states).toEqual(["open"]);
  });

  it("lets one request try after a pause, and closes when that succeeds", async () => {
    const { clock, breaker, states } = setUp();
    fail(breaker, FAILURES_TO_OPEN);
    await clock.advance(PAUSE_MILLISECONDS - 1);
    expect(breaker.begin()).toBe(false);
    await clock.advance(1);
    expect(breaker.begin()).toBe(true);
    expect(breaker.begin()).toBe(false);
    breaker.succeeded();
    expect(breaker.ready).toBe(true);
    expect(states).toEqual(["open", "half-open", "closed"]);
    fail(breaker, FAILURES_TO_OPEN - 1);
    expect(breaker.ready).toBe(true);
  });

  it("makes the pause longer with each trial that fails, up to a bound", async () => {
    const { clock, breaker } = setUp();
    fail(breaker, FAILURES_TO_OPEN);
    for (let pause = PAUSE_MILLISECONDS; pause < 10 * PAUSE_MILLISECONDS_MAX; pause *= 2) {
      const bounded = Math.min(pause, PAUSE_MILLISECONDS_MAX);
      await clock.advance(bounded - 1);
      expect(breaker.ready).toBe(false);
      await clock.advance(1);
      fail(breaker, 1);
    }
    await clock.advance(PAUSE_MILLISECONDS_MAX);
    breaker.begin();
    breaker.succeeded();
    fail(breaker, FAILURES_TO_OPEN);
    await clock.advance(PAUSE_MILLISECONDS);
    expect(breaker.ready).toBe(true);
  });

  it("lets another try when a trial was given up for a reason of ours", async () => {
    const { clock, breaker } = setUp();
    fail(breaker, FAILURES_TO_OPEN);
    await clock.advance(PAUSE_MILLISECONDS);
    breaker.begin();
    breaker.abandoned();
    expect(breaker.begin()).toBe(true);
  });

  it("learns nothing new from requests that began before it opened", async () => {
    const { clock, breaker } = setUp();
    for (let i = 0; i < 3 * FAILURES_TO_OPEN; i += 1) breaker.begin();
    for (let i = 0; i < 3 * FAILURES_TO_OPEN; i += 1) breaker.failed();
    await clock.advance(PAUSE_MILLISECONDS);
    expect(breaker.ready).toBe(true);
  });

  it("comes back at uneven times, a fifth of the pause around it", () => {
    for (const [random, pause] of [
      [0, 0.8],
      [1, 1.2],
    ] as const) {
      const clock = new FakeClock(() => random);
      const breaker = new CircuitBreaker(clock, () => {});
      fail(breaker, FAILURES_TO_OPEN);
      void clock.advance(pause * PAUSE_MILLISECONDS - 1);
      expect(breaker.ready).toBe(false);
    }
  });
});

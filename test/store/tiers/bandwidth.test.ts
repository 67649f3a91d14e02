import { describe, expect, it } from "vitest";
import { Bandwidth, BURST_MILLISECONDS } from "../../../src/store/tiers/bandwidth.ts";
import { Urgency } from "../../../src/store/tiers/urgency.ts";
import { FakeClock } from "./fake-clock.ts";

const NEVER = new AbortController().signal;
const KILOBYTE = 1000;
const MEGABYTE = 1000 * KILOBYTE;

describe("Bandwidth", () => {
  it("holds its rate on average, whatever the pieces", async () => {
    for (const piece of [100 * KILOBYTE, 7 * KILOBYTE, MEGABYTE]) {
      const clock = new FakeClock();
      const bandwidth = new Bandwidth(clock, MEGABYTE);
      const urgency = new Urgency("background");
      const pay = async () => {
        for (let paid = 0; paid < 5 * MEGABYTE; paid += piece) {
          await bandwidth.pay(piece, urgency, NEVER);
        }
      };
      await clock.run(Promise.all([pay(), pay()]));
      // 10 MB, less what may come at once, and what is rounded up to whole pieces.
      expect(clock.now()).toBeGreaterThan(10_000 - BURST_MILLISECONDS - 1);
      expect(clock.now()).toBeLessThan(10_000 + (2 * piece) / KILOBYTE);
    }
  });

  it("saves no more than a burst in a time of silence", async () => {
    const clock = new FakeClock();
    const bandwidth = new Bandwidth(clock, MEGABYTE);
    await clock.advance(60_000);
    await clock.run(bandwidth.pay(2 * MEGABYTE, new Urgency("background"), NEVER));
    expect(clock.now() - 60_000).toBeCloseTo(2000 - BURST_MILLISECONDS, -1);
  });

  it("serves the foreground before a background that has come earlier", async () => {
    const clock = new FakeClock();
    const bandwidth = new Bandwidth(clock, MEGABYTE);
    const order: string[] = [];
    const pay = (name: string, priority: "foreground" | "background") =>
      bandwidth
        .pay(MEGABYTE, new Urgency(priority), NEVER)
        .then(() => order.push(`${name} ${Math.round(clock.now() / 1000)} s`));
    const all = [pay("b1", "background"), pay("b2", "background"), pay("f", "foreground")];
    await clock.run(Promise.all(all));
    expect(order[0]).toBe("f 1 s");
  });

  it("lets everything through at once when there is no limit, and ends with the signal", async () => {
    const clock = new FakeClock();
    const urgency = new Urgency("background");
    await new Bandwidth(clock, 0).pay(1e12, urgency, NEVER);
    const abort = new AbortController();
    const paying = new Bandwidth(clock, 1).pay(1e6, urgency, abort.signal);
    abort.abort(new Error("enough"));
    await expect(paying).rejects.toThrow("enough");
  });
});

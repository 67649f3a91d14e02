import { describe, expect, it } from "vitest";
import { SourceUnavailable } from "../../../src/store/errors.ts";
import { type FlightControl, Flights } from "../../../src/store/tiers/flights.ts";
import { Urgency } from "../../../src/store/tiers/urgency.ts";
import { idle } from "./fake-clock.ts";

function control(priority: "foreground" | "background" = "background"): FlightControl {
  return { urgency: new Urgency(priority), progressed: () => {} };
}

describe("Flights", () => {
  it("gives all who join a flight its result, and begins anew when it has ended", async () => {
    const flights = new Flights();
    let begun = 0;
    const begin = async () => {
      begun += 1;
      await idle();
      if (begun === 2) throw new Error("the second fails");
      return begun;
    };
    const first = Array.from({ length: 10 }, () => flights.run("key", control(), begin));
    expect(new Set(await Promise.all(first))).toEqual(new Set([1]));
    const second = [flights.run("key", control(), begin), flights.run("key", control(), begin)];
    for (const { status } of await Promise.allSettled(second)) expect(status).toBe("rejected");
    expect(await flights.run("key", control(), begin)).toBe(3);
  });

  it("is as urgent as the most urgent of those who wait just now", async () => {
    const flights = new Flights();
    const end = Promise.withResolvers<void>();
    let flight: FlightControl | undefined;
    const begin = (own: FlightControl) => {
      flight = own;
      return end.promise;
    };
    const waiting = [flights.run("key", control(), begin)];
    await idle();
    expect(flight!.urgency.foreground).toBe(false);
    const late = new Urgency("background");
    waiting.push(flights.run("key", { urgency: late, progressed: () => {} }, begin));
    const lift = new Urgency("foreground").lift(late);
    expect(flight!.urgency.foreground).toBe(true);
    lift[Symbol.dispose]();
    expect(flight!.urgency.foreground).toBe(false);
    waiting.push(flights.run("key", control("foreground"), begin));
    expect(flight!.urgency.foreground).toBe(true);
    end.resolve();
    await Promise.all(waiting);
    expect(flight!.urgency.foreground).toBe(false);
  });

  it("has a bound, beyond which it says so", async () => {
    const flights = new Flights(10);
    const end = Promise.withResolvers<void>();
    const begin = () => end.promise;
    const all = Array.from({ length: 10 }, (_, i) => flights.run(`${i}`, control(), begin));
    await expect(flights.run("one more", control(), begin)).rejects.toBeInstanceOf(
      SourceUnavailable,
    );
    const joined = flights.run("0", control(), begin);
    end.resolve();
    await Promise.all([...all, joined]);
    await flights.run("one more", control(), begin);
  });
});

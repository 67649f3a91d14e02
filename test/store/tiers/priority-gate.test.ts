import { describe, expect, it } from "vitest";
import { PriorityGate } from "../../../src/store/tiers/priority-gate.ts";
import { Urgency } from "../../../src/store/tiers/urgency.ts";
import { idle } from "./fake-clock.ts";

const LIMITS = { max: 4, backgroundMax: 3, backgroundBesideMax: 1 };
const NEVER = new AbortController().signal;

/** Visitors of a gate; who is inside, in order. */
class Visitors {
  readonly gate = new PriorityGate(LIMITS);
  readonly entered: string[] = [];
  readonly #exits = new Map<string, Disposable>();

  async come(name: string, urgency: Urgency, weight = 1, signal = NEVER): Promise<void> {
    const exit = await this.gate.enter(weight, urgency, signal);
    this.entered.push(name);
    this.#exits.set(name, exit);
  }

  leave(name: string): void {
    this.#exits.get(name)![Symbol.dispose]();
  }
}

const foreground = () => new Urgency("foreground");
const background = () => new Urgency("background");

describe("PriorityGate", () => {
  it("lets in as many as there is room for, in order, and the next when one leaves", async () => {
    const visitors = new Visitors();
    for (const name of "abcdef") void visitors.come(name, foreground());
    await idle();
    expect(visitors.entered.join("")).toBe("abcd");
    visitors.leave("c");
    visitors.leave("c");
    await idle();
    expect(visitors.entered.join("")).toBe("abcde");
  });

  it("lets the foreground in before a background that came earlier, which gets a part of the room", async () => {
    const visitors = new Visitors();
    for (const name of "abcd") void visitors.come(name, background());
    await idle();
    expect(visitors.entered.join("")).toBe("abc");
    for (const name of "XYZ") void visitors.come(name, foreground());
    await idle();
    expect(visitors.entered.join("")).toBe("abcX");
    visitors.leave("a");
    visitors.leave("b");
    await idle();
    expect(visitors.entered.join("")).toBe("abcXYZ");
    visitors.leave("X");
    await idle();
    // "c" is inside beside the foreground: there is room, but not for a second of its kind.
    expect(visitors.entered.join("")).toBe("abcXYZ");
    visitors.leave("Y");
    visitors.leave("Z");
    await idle();
    expect(visitors.entered.join("")).toBe("abcXYZd");
  });

  it("lets one in at once that becomes urgent while it waits, and counts those inside anew", async () => {
    const visitors = new Visitors();
    for (const name of "abc") void visitors.come(name, background());
    const late = background();
    void visitors.come("d", late);
    await idle();
    expect(visitors.entered.join("")).toBe("abc");
    const lift = foreground().lift(late);
    await idle();
    expect(visitors.entered.join("")).toBe("abcd");
    visitors.leave("a");
    visitors.leave("b");
    visitors.leave("c");
    void visitors.come("e", background());
    void visitors.come("f", background());
    await idle();
    // Beside "d", which is urgent, only one.
    expect(visitors.entered.join("")).toBe("abcde");
    lift[Symbol.dispose]();
    await idle();
    expect(visitors.entered.join("")).toBe("abcdef");
  });

  it("lets something heavier than all the room in alone", async () => {
    const visitors = new Visitors();
    void visitors.come("a", foreground());
    void visitors.come("heavy", background(), 100);
    void visitors.come("b", foreground());
    await idle();
    expect(visitors.entered).toEqual(["a", "b"]);
    visitors.leave("a");
    visitors.leave("b");
    await idle();
    expect(visitors.entered).toEqual(["a", "b", "heavy"]);
    void visitors.come("c", foreground());
    await idle();
    expect(visitors.entered.length).toBe(3);
    visitors.leave("heavy");
    await idle();
    expect(visitors.entered.length).toBe(4);
  });

  it("turns away who gives up waiting, and keeps no room for them", async () => {
    const visitors = new Visitors();
    for (const name of "abcd") void visitors.come(name, foreground());
    const abort = new AbortController();
    const given = visitors.come("e", foreground(), 1, abort.signal);
    void visitors.come("f", foreground());
    abort.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    await expect(visitors.come("g", foreground(), 1, abort.signal)).rejects.toThrow("enough");
    visitors.leave("a");
    await idle();
    expect(visitors.entered.join("")).toBe("abcdf");
  });
});

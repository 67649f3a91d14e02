import { EpollSet, EventFd, SystemError } from "node-vhost-user";
import { describe, expect, it } from "vitest";

describe("EpollSet", () => {
  it("says which places are ready, as long as there is something to read", () => {
    using first = new EventFd();
    using second = new EventFd();
    using set = new EpollSet(4);
    set.set(1, first.fd);
    set.set(3, second.fd);
    expect(set.wait(0)).toBe(0);
    second.signal();
    expect(set.wait(-1)).toBe(1);
    expect([0, 1, 2, 3].map((place) => set.isReady(place))).toEqual([false, false, false, true]);
    first.signal();
    expect(set.wait(0)).toBe(2);
    expect([set.isReady(1), set.isReady(3)]).toEqual([true, true]);
    second.drain();
    expect(set.wait(0)).toBe(1);
    expect(set.isReady(3)).toBe(false);
  });

  it("reports each signal of an eventfd that is never emptied", () => {
    using event = new EventFd();
    using set = new EpollSet(1);
    event.signal();
    set.set(0, event.fd, true);
    expect(set.wait(0)).toBe(1);
    for (let round = 0; round < 100; round++) {
      expect(set.wait(0)).toBe(0);
      expect(set.isReady(0)).toBe(false);
      event.signal();
      if (round % 2 === 0) event.signal();
      expect(set.wait(0)).toBe(1);
      expect(set.isReady(0)).toBe(true);
    }
  });

  it("forgets what is taken out or replaced, also when somebody else holds it", () => {
    using first = new EventFd();
    using second = new EventFd();
    using set = new EpollSet(2);
    set.set(0, first.fd);
    first.signal();
    second.signal();
    expect(set.wait(0)).toBe(1);
    set.set(0, -1);
    expect(set.isReady(0)).toBe(false);
    expect(set.wait(0)).toBe(0);
    set.set(0, -1);
    set.set(0, second.fd);
    set.set(0, first.fd);
    second.drain();
    expect(set.wait(0)).toBe(1);
    set.set(1, second.fd);
    expect(set.wait(0)).toBe(1);
  });

  it("throws a SystemError for what cannot be watched, and RangeError once disposed", () => {
    const set = new EpollSet(1);
    expect(() => set.set(0, 100_000)).toThrow(SystemError);
    set.set(0, -1);
    set[Symbol.dispose]();
    set[Symbol.dispose]();
    expect(() => set.wait(0)).toThrow(RangeError);
  });
});

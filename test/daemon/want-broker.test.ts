import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import {
  FETCHES_PER_DEVICE_MAX,
  PROGRESS_MILLISECONDS,
  RETRY_MILLISECONDS,
  WantBroker,
} from "../../src/daemon/want-broker.ts";
import type { Want } from "../../src/device/messages.ts";
import { MissingObject, SourceUnavailable, StoreError } from "../../src/store/errors.ts";
import type { ObjectFetcher, WantedObject } from "../../src/store/object-fetcher.ts";

interface Pending {
  readonly object: WantedObject;
  readonly priority: string;
  readonly progressed: () => void;
  resolve(): void;
  reject(error: Error): void;
}

/** Answers when it is told to. */
class ManualFetcher implements ObjectFetcher {
  readonly pending: Pending[] = [];

  fetch(object: WantedObject, priority: string, progressed: () => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.pending.push({ object, priority, progressed, resolve, reject });
    return promise;
  }
}

function want(id: number, more: Partial<Want> = {}): Want {
  const digest = blake3(Uint8Array.of(id)).bytes;
  return { id, kind: "chunk", digest, heal: false, within: undefined, size: undefined, ...more };
}

function setUp() {
  const fetcher = new ManualFetcher();
  const lines: string[] = [];
  const heard: string[] = [];
  const broker = new WantBroker(fetcher, {
    log: (_, message, fields) => lines.push(`${message}: ${fields?.["reason"]}`),
  });
  const listener = (name: string) => ({
    settled: (id: number, stored: boolean) =>
      heard.push(`${name}${id} ${stored ? "stored" : "lost"}`),
    progressed: (id: number) => heard.push(`${name}${id} gets on`),
  });
  const device = broker.connect(listener(""));
  return { fetcher, lines, heard, broker, listener, device };
}

const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("WantBroker", () => {
  test("has what is wanted fetched in the foreground, and tells when it is there", async () => {
    const { fetcher, heard, device } = setUp();
    const within = blake3(Uint8Array.of(99));
    device.want([want(1), want(2, { kind: "blob", heal: true, within: within.bytes, size: 77 })]);
    expect(fetcher.pending.map(({ object, priority }) => [object.kind, priority])).toEqual([
      ["chunk", "foreground"],
      ["blob", "foreground"],
    ]);
    expect(fetcher.pending[1]!.object).toMatchObject({ heal: true, size: 77 });
    expect(fetcher.pending[1]!.object.within?.equals(within)).toBe(true);
    fetcher.pending[1]!.resolve();
    await settle();
    expect(heard).toEqual(["2 stored"]);
    fetcher.pending[0]!.resolve();
    await settle();
    expect(heard).toEqual(["2 stored", "1 stored"]);
    expect(device.size).toBe(0);
  });

  test("tells that what no source has, or what cannot be stored, is lost; says so once each", async () => {
    const { fetcher, heard, lines, device } = setUp();
    const missing = new MissingObject("chunk", blake3(Uint8Array.of(1)));
    for (let id = 1; id <= 3; id++) {
      device.want([want(id, { digest: want(1).digest })]);
      fetcher.pending.at(-1)!.reject(id < 3 ? missing : new StoreError("the disk is full"));
      await settle();
    }
    expect(heard).toEqual(["1 lost", "2 lost", "3 lost"]);
    expect(lines).toEqual([
      `object cannot be fetched: ${missing.message}`,
      "object cannot be fetched: the disk is full",
    ]);
  });

  test("asks sources that cannot be reached again, as long as somebody waits", async () => {
    const { fetcher, heard, lines, device } = setUp();
    device.want([want(1), want(2)]);
    for (let round = 0; round < 4; round++) {
      for (const one of fetcher.pending.splice(0)) one.reject(new SourceUnavailable("down"));
      await settle();
      expect(fetcher.pending).toEqual([]);
      if (round === 1) device.takeBack([2]);
      await vi.advanceTimersByTimeAsync(RETRY_MILLISECONDS);
      expect(fetcher.pending).toHaveLength(round === 0 ? 2 : 1);
    }
    fetcher.pending[0]!.resolve();
    await settle();
    expect(heard).toEqual(["1 stored"]);
    expect(lines).toHaveLength(2);
  });

  test("fetches a bounded number at a time, in the order in which they were wanted", async () => {
    const { fetcher, heard, device } = setUp();
    const count = 3 * FETCHES_PER_DEVICE_MAX;
    device.want(Array.from({ length: count }, (_, id) => want(id % 256, { id })));
    expect(fetcher.pending).toHaveLength(FETCHES_PER_DEVICE_MAX);
    device.takeBack([FETCHES_PER_DEVICE_MAX]);
    fetcher.pending[5]!.resolve();
    await settle();
    expect(heard).toEqual(["5 stored"]);
    expect(fetcher.pending).toHaveLength(FETCHES_PER_DEVICE_MAX + 1);
    const next = want((FETCHES_PER_DEVICE_MAX + 1) % 256).digest;
    expect(fetcher.pending.at(-1)!.object.digest.equalsAt(next, 0)).toBe(true);
    for (let at = 0; at < fetcher.pending.length; at++) {
      fetcher.pending[at]!.resolve();
      await settle();
    }
    expect(heard).toHaveLength(count - 1);
    expect(device.size).toBe(0);
  });

  test("a device that floods it does not hold up another", async () => {
    const { fetcher, heard, broker, listener, device } = setUp();
    device.want(Array.from({ length: 1000 }, (_, id) => want(id % 256, { id })));
    const before = fetcher.pending.length;
    broker.connect(listener("other ")).want([want(7)]);
    expect(fetcher.pending).toHaveLength(before + 1);
    fetcher.pending.at(-1)!.resolve();
    await settle();
    expect(heard).toEqual(["other 7 stored"]);
  });

  test("passes progress on, now and then, while it is wanted", async () => {
    const { fetcher, heard, device } = setUp();
    device.want([want(1)]);
    const { progressed } = fetcher.pending[0]!;
    for (let piece = 0; piece < 10; piece++) {
      progressed();
      await vi.advanceTimersByTimeAsync(PROGRESS_MILLISECONDS / 2);
    }
    expect(heard.length).toBeGreaterThan(2);
    expect(heard.length).toBeLessThan(6);
    device.takeBack([1]);
    const before = heard.length;
    await vi.advanceTimersByTimeAsync(10 * PROGRESS_MILLISECONDS);
    progressed();
    expect(heard).toHaveLength(before);
  });

  test("says nothing to a device that has gone", async () => {
    const { fetcher, heard, device } = setUp();
    device.want([want(1), want(2)]);
    device[Symbol.dispose]();
    fetcher.pending[0]!.resolve();
    fetcher.pending[1]!.reject(new SourceUnavailable("down"));
    await vi.advanceTimersByTimeAsync(10 * RETRY_MILLISECONDS);
    expect(heard).toEqual([]);
    expect(fetcher.pending).toHaveLength(2);
  });
});

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RECORD_SAVE_MILLISECONDS, Recording } from "../../src/daemon/recording.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { StoreError } from "../../src/store/errors.ts";
import { readTrace } from "../../src/store/tiers/trace.ts";
import { noise, temporaryFolder } from "../store/temporary.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function setUp() {
  const storeDirectory = join(temporaryFolder(), "store");
  using store = openDiskStore(storeDirectory, { create: true });
  const blobs = [await store.blobs.put([noise(100, 1)]), await store.blobs.put([noise(200, 2)])];
  const lines: string[] = [];
  const logger = { log: (_: string, message: string) => lines.push(message) };
  return { storeDirectory, path: join(storeDirectory, "trace"), blobs, lines, logger };
}

test("a recording is in its file now and then, and at the end", async () => {
  const { blobs, path, ...options } = await setUp();
  {
    using recording = new Recording({ ...options, path, root: blobs[1]!.digest });
    expect(readTrace(path).objects).toEqual([]);
    recording.recorder.touched("blob", blobs[0]!.digest);
    vi.advanceTimersByTime(RECORD_SAVE_MILLISECONDS);
    expect(readTrace(path).objects).toHaveLength(1);
    recording.recorder.touched("blob", blobs[1]!.digest);
    expect(readTrace(path).objects).toHaveLength(1);
  }
  const { root, objects } = readTrace(path);
  expect(root?.equals(blobs[1]!.digest)).toBe(true);
  expect(objects.map(({ size }) => size)).toEqual([100, 200]);
});

test("a file that is there stays until there is something new to write", async () => {
  const { blobs, path, ...options } = await setUp();
  {
    using first = new Recording({ ...options, path, root: undefined });
    first.recorder.touched("blob", blobs[0]!.digest);
  }
  using _ = new Recording({ ...options, path, root: undefined });
  vi.advanceTimersByTime(3 * RECORD_SAVE_MILLISECONDS);
  expect(readTrace(path).objects).toHaveLength(1);
});

test("a file that cannot be written is said at the start", async () => {
  const { path, ...options } = await setUp();
  const nowhere = join(path, "no", "such", "folder");
  expect(() => new Recording({ ...options, path: nowhere, root: undefined })).toThrow(StoreError);
  expect(existsSync(nowhere)).toBe(false);
});

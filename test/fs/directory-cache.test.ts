import { describe, expect, it } from "vitest";
import { EIO } from "../../src/base/errno.ts";
import { type Logger, silentLogger } from "../../src/base/logger.ts";
import { MISSING } from "../../src/base/missing.ts";
import { DirectoryCache } from "../../src/fs/directory-cache.ts";
import type { DirectoryContents } from "../../src/fs/directory-contents.ts";
import { FakeStore } from "./fake-store.ts";

function get(cache: DirectoryCache, digest: Uint8Array): DirectoryContents {
  const contents = cache.get(digest, 0);
  if (typeof contents === "number") throw new Error(`status ${contents}`);
  return contents;
}

describe("DirectoryCache", () => {
  it("reads a directory once, and shows what is in its cell", () => {
    const store = new FakeStore();
    const { digest } = store.tree([["a", store.file("x")]]);
    const cache = new DirectoryCache(store, silentLogger, 1e6, 5);
    const first = get(cache, digest.bytes);
    expect(first.count).toBe(1);
    expect(cache.get(new Uint8Array([0, 0, 0, ...digest.bytes]), 3)).toBe(first);
    expect(cache.peek(first.cell)).toBe(first);
    for (const cell of [0, 99, 0xffffffff]) expect(cache.peek(cell)).toBeUndefined();
    expect(store.directoryReads).toBe(1);
  });

  it("gives the cell of a directory that was dropped to another", () => {
    const store = new FakeStore();
    const nodes = ["a", "b", "c"].map((name) => store.tree([[name, store.file("x")]]));
    const cache = new DirectoryCache(store, silentLogger, 1, 5);
    const cells = nodes.map(({ digest }) => get(cache, digest.bytes).cell);
    expect(cells[2]).toBe(cells[0]);
    expect(cache.peek(cells[0]!)?.digest.hex).toBe(nodes[2]?.digest.hex);
    expect(cache.peek(cells[1]!)).toBeUndefined();
  });

  it("stays inside its bound, drops what was used longest ago, and reads it again", () => {
    const store = new FakeStore();
    const digests = Array.from(
      { length: 100 },
      (_, at) => store.tree([[`${at}`, store.file("x")]]).digest.bytes,
    );
    const probe = new DirectoryCache(store, silentLogger, 1e6, 5);
    probe.get(digests[0] as Uint8Array, 0);
    const bound = probe.byteLength * 10 + 50;
    const cache = new DirectoryCache(store, silentLogger, bound, 5);
    store.directoryReads = 0;
    for (let round = 0; round < 3; round++) {
      for (const digest of digests) {
        expect(get(cache, digest).count).toBe(1);
        cache.get(digests[0] as Uint8Array, 0);
        expect(cache.byteLength).toBeLessThanOrEqual(bound);
      }
    }
    expect(cache.count).toBe(10);
    expect(store.directoryReads).toBe(1 + 3 * 99);
  });

  it("keeps one directory that is larger than the bound", () => {
    const store = new FakeStore();
    const { digest } = store.tree([["a", store.file("x")]]);
    const cache = new DirectoryCache(store, silentLogger, 1, 5);
    cache.get(digest.bytes, 0);
    cache.get(digest.bytes, 0);
    expect(store.directoryReads).toBe(1);
    expect(cache.count).toBe(1);
  });

  it("gives -EIO for a missing, rotten or malformed directory, and logs its digest", () => {
    const store = new FakeStore();
    const lines: string[] = [];
    const logger: Logger = {
      log: (_, message, fields) => lines.push(`${message} ${fields?.["digest"]}`),
    };
    const cache = new DirectoryCache(store, logger, 1e6, 5);
    const rotten = store.tree([["a", store.file("x")]]).digest;
    const malformed = store.tree([["b", store.file("x")]]).digest;
    store.rotten.add(rotten.hex);
    store.directories.set(malformed.hex, Buffer.from("no directory"));
    const missing = store.file("no directory at all").digest;
    for (const digest of [rotten, malformed, missing]) {
      expect(cache.get(digest.bytes, 0)).toBe(-EIO);
    }
    expect(lines).toEqual([
      `directory is unreadable ${rotten}`,
      `directory is unreadable ${malformed}`,
      `directory is missing ${missing}`,
    ]);
    expect([cache.count, cache.byteLength]).toEqual([0, 0]);
    store.rotten.clear();
    expect(get(cache, rotten.bytes).count).toBe(1);
  });

  it("gives MISSING while a directory is being fetched, and then the directory", () => {
    const store = new FakeStore();
    const { digest } = store.tree([["a", store.file("x")]]);
    const cache = new DirectoryCache(store, silentLogger, 1e6, 5);
    store.takeAway(digest);
    expect(cache.get(digest.bytes, 0)).toBe(MISSING);
    expect([cache.count, cache.byteLength]).toEqual([0, 0]);
    store.bringBack();
    expect(get(cache, digest.bytes).count).toBe(1);
  });
});

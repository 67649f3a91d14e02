/** A store on disk that has nothing, and many who read from it at a time. */
import { appendFileSync, closeSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Logger } from "../../../src/base/logger.ts";
import { blake3 } from "../../../src/castore/blake3.ts";
import type { Digest } from "../../../src/castore/digest.ts";
import { fileNode } from "../../../src/castore/node.ts";
import { MissingObject, SourceUnavailable, StoreError } from "../../../src/store/errors.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { BlobService } from "../../../src/store/services.ts";
import { systemClock } from "../../../src/store/tiers/clock.ts";
import { directoryOf, LARGE, readAll, SMALL } from "../conformance-services.ts";
import { mayMount, smallDisk } from "../small-disk.ts";
import { checkStore } from "../store-check.ts";
import { noise } from "../temporary.ts";
import { compose, sourceOver } from "./composition.ts";
import { FaultySource } from "./faulty-source.ts";

const DEVICES = 100;
const READERS_PER_DEVICE = 10;

/** Blobs with chunks in common, and small ones. */
async function putBlobs(store: MemoryStore): Promise<Map<Digest, Uint8Array>> {
  const blobs = new Map<Digest, Uint8Array>();
  for (const bytes of [
    LARGE,
    Uint8Array.from([...SMALL, ...LARGE]),
    noise(1_200_000, 9),
    SMALL,
    noise(200_000, 11),
    new Uint8Array(0),
  ]) {
    const { digest } = await store.blobs.put([bytes]);
    blobs.set(digest, bytes);
  }
  return blobs;
}

test("a hundred devices with ten readers each fetch every chunk of a cold store once", async () => {
  const remote = new MemoryStore();
  const blobs = [...(await putBlobs(remote))];
  const source = new FaultySource("remote", remote, systemClock);
  source.latency = 20;
  const { folder, store } = compose([source]);
  const reads = Array.from({ length: DEVICES * READERS_PER_DEVICE }, async (_, i) => {
    const [digest, bytes] = blobs[i % blobs.length]!;
    const offset = (i * 7_919) % (bytes.length + 1);
    const part = await readAll(store.blobs.read(digest, { offset, length: 10_000 }));
    expect(part.equals(bytes.subarray(offset, offset + 10_000))).toBe(true);
  });
  await Promise.all(reads);
  const counts = source.counts("read");
  const chunks = new Set<string>();
  for (const [digest] of blobs) {
    for (const chunk of (await remote.blobs.stat(digest))!.chunks) chunks.add(chunk.digest.key);
  }
  expect(counts.size).toBe(chunks.size);
  expect(new Set(counts.values())).toEqual(new Set([1]));
  expect(new Set(source.counts("stat").values())).toEqual(new Set([1]));
  expect(checkStore(folder).chunks.size).toBe(chunks.size);
});

test("what was fetched is served without any source, and what was not is an error", async () => {
  const remote = new MemoryStore();
  const [first, second] = [...(await putBlobs(remote)).keys()] as [Digest, Digest];
  const source = new FaultySource("remote", remote, systemClock);
  const { folder, store } = compose([source]);
  await readAll(store.blobs.read(first));
  source.fault = "down";
  expect((await readAll(store.blobs.read(first))).equals(LARGE)).toBe(true);
  await expect(readAll(store.blobs.read(second))).rejects.toBeInstanceOf(SourceUnavailable);
  const offline = compose([], { folder }).store;
  expect((await readAll(offline.blobs.read(first))).equals(LARGE)).toBe(true);
  await expect(readAll(offline.blobs.read(second))).rejects.toBeInstanceOf(MissingObject);
});

test("what rots in the local store is fetched anew while it is read", async () => {
  const remote = new MemoryStore();
  const { digest } = await remote.blobs.put([LARGE]);
  const file = fileNode(digest, LARGE.length, false);
  const directory = directoryOf({ file });
  const node = await remote.directories.put(directory);
  const source = new FaultySource("remote", remote, systemClock);
  const first = compose([source]);
  await readAll(first.store.blobs.read(digest));
  await first.store.directories.get(node.digest);
  const asked = source.asked.length;
  flipEvery(first.folder, 300_000);
  // Another process, as it were: it has nothing in memory.
  const { store } = compose([source], { folder: first.folder });
  expect((await readAll(store.blobs.read(digest))).equals(LARGE)).toBe(true);
  expect(await store.directories.get(node.digest)).toEqual(directory);
  expect(source.asked.length).toBeGreaterThan(asked);
  checkStore(first.folder);
});

/** Flips a bit in every so many bytes of all segments. */
function flipEvery(folder: string, step: number): void {
  for (const name of readdirSync(join(folder, "segments"))) {
    const path = join(folder, "segments", name);
    const bytes = readFileSync(path);
    const fd = openSync(path, "r+");
    for (let at = step / 2; at < bytes.length; at += step) {
      writeSync(fd, Uint8Array.of(bytes[at]! ^ 1), 0, 1, at);
    }
    // The last object is the directory.
    writeSync(fd, Uint8Array.of(bytes.at(-1)! ^ 1), 0, 1, bytes.length - 1);
    closeSync(fd);
  }
}

test("two processes, as it were, fill one store, and each has what the other fetched", async () => {
  const remote = new MemoryStore();
  const blobs = await putBlobs(remote);
  const sources = ["a", "b"].map((name) => new FaultySource(name, remote, systemClock));
  const one = compose([sources[0]!]);
  const other = compose([sources[1]!], { folder: one.folder });
  const readFrom = async (service: BlobService) => {
    for (const [digest, bytes] of blobs) {
      expect((await readAll(service.read(digest))).equals(bytes)).toBe(true);
    }
  };
  await Promise.all([readFrom(one.store.blobs), readFrom(other.store.blobs)]);
  checkStore(one.folder);
  const asked = sources.map((source) => source.asked.length);
  await Promise.all([readFrom(one.store.blobs), readFrom(other.store.blobs)]);
  expect(sources.map((source) => source.asked.length)).toEqual(asked);
});

test("a trusted list on disk is used, proven when all of it is there, dropped when it was a lie", async () => {
  const remote = new MemoryStore();
  const { digest, chunks } = await remote.blobs.put([LARGE]);
  const honest = new FaultySource("honest", remote, systemClock);
  const liar = new FaultySource("liar", remote, systemClock);
  liar.fault = "wrong list";
  for (const source of [honest, liar]) {
    const lied = Promise.withResolvers<void>();
    const logger: Logger = {
      log: (_, message) => message.includes("wrong data was served") && lied.resolve(),
    };
    const { folder, fetcher, local } = compose([source], { trustChunkLists: true, logger });
    await fetcher.fetch({ kind: "blob", digest, heal: false }, "foreground");
    expect(checkStore(folder).blobs).toEqual(new Map([[digest.hex, undefined]]));
    for (const chunk of chunks) {
      const wanted = { kind: "chunk", digest: chunk.digest, within: digest, heal: false } as const;
      await fetcher.fetch(wanted, "foreground");
    }
    if (source === liar) await lied.promise;
    const expected = source === honest ? [[digest.hex, LARGE.length]] : [];
    await expect.poll(() => [...checkStore(folder).blobs], { timeout: 5000 }).toEqual(expected);
    if (source === honest) {
      expect((await readAll(local.blobs.read(digest))).equals(LARGE)).toBe(true);
    }
  }
});

test.skipIf(!mayMount)("a full disk is a clear error, and what was stored stays", async () => {
  const remote = new MemoryStore();
  const small = await remote.blobs.put([SMALL]);
  const large = await remote.blobs.put([noise(12_000_000, 3)]);
  const folder = smallDisk(8);
  const { store } = compose([sourceOver("remote", remote)], { folder: join(folder, "store") });
  await readAll(store.blobs.read(small.digest));
  appendFileSync(join(folder, "ballast"), new Uint8Array(3_000_000));
  const failure = await readAll(store.blobs.read(large.digest)).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(StoreError);
  expect(failure).not.toBeInstanceOf(SourceUnavailable);
  expect(String(failure)).toMatch(/no space|full/i);
  expect((await readAll(store.blobs.read(small.digest))).equals(SMALL)).toBe(true);
  expect(checkStore(join(folder, "store")).chunks.has(blake3(SMALL).hex)).toBe(true);
});

/** What is fetched from elsewhere gets into a store on disk, verified, while others work with it. */
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import type { Digest } from "../../src/castore/digest.ts";
import { Directory } from "../../src/castore/directory.ts";
import { parseName } from "../../src/castore/name.ts";
import { directoryNode, fileNode } from "../../src/castore/node.ts";
import { encodeDirectory } from "../../src/castore/proto.ts";
import { chunkWhole } from "../../src/store/chunker.ts";
import type { DiskFillerOptions } from "../../src/store/disk-filler.ts";
import { openStoreFiller } from "../../src/store/disk-filler.ts";
import { OBJECT_CHUNK, WRITERS_MAX } from "../../src/store/disk-layout.ts";
import type { DiskStore } from "../../src/store/disk-store.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { CorruptObject, MissingObject, StoreBusy, StoreError } from "../../src/store/errors.ts";
import { CHUNK_BYTES_MAX } from "../../src/store/fastcdc.ts";
import { FillCommits } from "../../src/store/fill-commit.ts";
import type { BlobStat, Chunk } from "../../src/store/services.ts";
import type { StoreFiller } from "../../src/store/store-filler.ts";
import { verifyStore } from "../../src/store/upkeep/verify.ts";
import { WriterSlot, WriterSlots } from "../../src/store/writer-slots.ts";
import { mayMount, smallDisk } from "./small-disk.ts";
import { noise, temporaryFolder } from "./temporary.ts";

const SMALL = noise(5000, 1);
const LARGE = noise(1_500_000, 2);

interface Piece {
  readonly chunk: Chunk;
  readonly bytes: Uint8Array;
}

interface Opened {
  readonly folder: string;
  readonly store: DiskStore;
  readonly filler: StoreFiller;
}

function open(options: DiskFillerOptions = {}, folder = temporaryFolder()): Opened {
  const store = openDiskStore(folder, { create: true });
  const filler = openStoreFiller(folder, options);
  onTestFinished(() => {
    filler[Symbol.dispose]();
    store[Symbol.dispose]();
  });
  return { folder, store, filler };
}

function pieceOf(bytes: Uint8Array): Piece {
  return { chunk: { digest: blake3(bytes), size: bytes.length }, bytes };
}

/** A blob cut as an import cuts it. */
function cut(bytes: Uint8Array): { blob: BlobStat & Chunk; pieces: Piece[] } {
  const pieces: Piece[] = [];
  const blob = chunkWhole(bytes, (chunk, piece) => pieces.push({ chunk, bytes: piece.slice() }));
  return { blob, pieces };
}

/** A directory with one file in it, encoded. */
function directoryOf(name: string, blob: Chunk): { directory: Directory; encoded: Uint8Array } {
  const node = fileNode(blob.digest, blob.size, false);
  const directory = Directory.of([{ name: parseName(name), node }]);
  return { directory, encoded: encodeDirectory(directory) };
}

async function read(store: DiskStore, digest: Digest): Promise<Buffer> {
  const copies: Uint8Array[] = [];
  for await (const piece of store.blobs.read(digest)) copies.push(piece.slice());
  return Buffer.concat(copies);
}

function flipFirstByte(folder: string, needle: Uint8Array): void {
  for (const name of readdirSync(join(folder, "segments"))) {
    const path = join(folder, "segments", name);
    const at = readFileSync(path).indexOf(needle.subarray(0, 64));
    if (at < 0) continue;
    const fd = openSync(path, "r+");
    writeSync(fd, Uint8Array.of(needle[0]! ^ 4), 0, 1, at);
    closeSync(fd);
  }
}

test("chunks, blobs and directories are there once their promises settle", async () => {
  const { folder, store, filler } = open();
  const { blob, pieces } = cut(LARGE);
  expect(pieces.length).toBeGreaterThan(3);
  await Promise.all(pieces.map(({ chunk, bytes }) => filler.putChunk(chunk, bytes)));
  for (const { chunk, bytes } of pieces) {
    expect((await read(store, chunk.digest)).equals(bytes)).toBe(true);
  }
  expect(await store.blobs.stat(blob.digest)).toBeUndefined();
  await filler.putBlob(blob.digest, blob, true);
  expect((await read(store, blob.digest)).equals(LARGE)).toBe(true);
  const { directory, encoded } = directoryOf("large", blob);
  await filler.putDirectory(blake3(encoded), encoded);
  expect(await store.directories.get(blake3(encoded))).toEqual(directory);
  const empty = pieceOf(new Uint8Array(0));
  await filler.putChunk(empty.chunk, empty.bytes);
  expect((await read(store, empty.chunk.digest)).length).toBe(0);
  expect((await verifyStore(folder)).faults).toBe(0);
});

test("what does not have its digest or is no directory is refused, and nothing of it is stored", async () => {
  const { folder, store, filler } = open();
  const { chunk, bytes } = pieceOf(SMALL);
  const digest = blake3(LARGE);
  const refused = [
    filler.putChunk({ digest, size: bytes.length }, bytes),
    filler.putChunk({ digest: chunk.digest, size: 4999 }, bytes),
    filler.putChunk(pieceOf(LARGE).chunk, LARGE),
    filler.putDirectory(digest, bytes),
    filler.putDirectory(chunk.digest, bytes),
    filler.putBlob(digest, { size: 6000, chunks: [chunk, chunk] }, false),
    filler.putBlob(digest, { size: 5000, chunks: [] }, false),
    filler.putBlob(digest, { size: 5000, chunks: [chunk] }, false),
    filler.putBlob(digest, { size: 0, chunks: [{ digest, size: 0 }, chunk] }, false),
    filler.putBlob(digest, { size: 2 * LARGE.length, chunks: [cut(LARGE).blob, chunk] }, false),
  ];
  for (const outcome of await Promise.allSettled(refused)) {
    expect(outcome).toMatchObject({ status: "rejected", reason: expect.any(CorruptObject) });
  }
  expect(await store.blobs.stat(chunk.digest)).toBeUndefined();
  expect(await store.blobs.stat(digest)).toBeUndefined();
  const { chunks, directories, blobs } = await verifyStore(folder);
  expect({ chunks, directories, blobs }).toEqual({ chunks: 0, directories: 0, blobs: 0 });
});

test("bytes under any but their own digest are refused, whatever they are", async () => {
  const { filler } = open();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.uint8Array(), async (a, b) => {
      const [first, second] = [pieceOf(a), pieceOf(b)];
      const same = first.chunk.digest.equals(second.chunk.digest);
      const put = filler.putChunk({ digest: second.chunk.digest, size: a.length }, a);
      if (same) await put;
      else await expect(put).rejects.toBeInstanceOf(CorruptObject);
    }),
    { numRuns: 50 },
  );
});

test("a directory from elsewhere is partial until an import has put all below it", async () => {
  const { store, filler } = open();
  const { blob, pieces } = cut(LARGE);
  const { directory, encoded } = directoryOf("large", blob);
  const node = directoryNode(blake3(encoded), directory.size);
  await filler.putDirectory(node.digest, encoded);
  await expect(store.roots.put(parseName("root"), node)).rejects.toBeInstanceOf(MissingObject);
  for (const { chunk, bytes } of pieces) await filler.putChunk(chunk, bytes);
  await filler.putBlob(blob.digest, blob, true);
  await expect(store.roots.put(parseName("root"), node)).rejects.toBeInstanceOf(MissingObject);
  {
    using writer = await store.openWriter();
    expect(writer.putBlob(LARGE)).toEqual(blob);
    expect(writer.putDirectory(directory)).toEqual(node);
    expect(writer.newBytes).toBe(0);
    writer.putRoot(parseName("root"), node);
  }
  await filler.putDirectory(node.digest, encoded, { replace: true });
  await store.roots.put(parseName("again"), node);
  expect((await store.roots.list()).length).toBe(2);
});

test("a directory that was imported while a filler put it is whole", async () => {
  const { store, filler } = open();
  const { chunk, bytes } = pieceOf(SMALL);
  const { directory, encoded } = directoryOf("small", chunk);
  using writer = await store.openWriter();
  writer.putBlob(bytes);
  const node = writer.putDirectory(directory);
  await filler.putDirectory(node.digest, encoded);
  writer.putRoot(parseName("root"), node);
  expect(await store.roots.get(parseName("root"))).toEqual(node);
});

test("a list that is hearsay is no blob until it is proven, and a lie makes way for the truth", async () => {
  const { folder, store, filler } = open();
  const { blob, pieces } = cut(LARGE);
  const backwards = { size: blob.size, chunks: blob.chunks.toReversed() };
  await filler.putBlob(blob.digest, backwards, false);
  expect(await store.blobs.stat(blob.digest)).toBeUndefined();
  await expect(read(store, blob.digest)).rejects.toBeInstanceOf(MissingObject);
  const { encoded, directory } = directoryOf("large", blob);
  await expect(store.directories.put(directory)).rejects.toBeInstanceOf(MissingObject);
  await expect(filler.putBlob(blob.digest, blob, true)).rejects.toBeInstanceOf(MissingObject);
  const puts = pieces.map(({ chunk, bytes }) => filler.putChunk(chunk, bytes));
  await Promise.all([...puts, filler.putBlob(blob.digest, blob, true)]);
  expect((await read(store, blob.digest)).equals(LARGE)).toBe(true);
  await filler.putBlob(blob.digest, backwards, false);
  expect((await read(store, blob.digest)).equals(LARGE)).toBe(true);
  expect((await store.directories.put(directory)).digest.equals(blake3(encoded))).toBe(true);
  expect((await verifyStore(folder)).faults).toBe(0);
});

test("rotten objects are replaced, and what was there is not put twice", async () => {
  const { folder, store, filler } = open();
  const { chunk, bytes } = pieceOf(SMALL);
  const { directory, encoded } = directoryOf("small", chunk);
  const digest = blake3(encoded);
  await filler.putChunk(chunk, bytes);
  await filler.putDirectory(digest, encoded);
  const length = segmentBytes(folder);
  await filler.putChunk(chunk, bytes);
  expect(segmentBytes(folder)).toBe(length);
  for (const rotten of [bytes, encoded]) flipFirstByte(folder, rotten);
  await expect(read(openAnew(folder), chunk.digest)).rejects.toBeInstanceOf(CorruptObject);
  await expect(store.directories.get(digest)).rejects.toBeInstanceOf(CorruptObject);
  // Together with somebody who does not know that it is rotten.
  await Promise.all([
    filler.putChunk(chunk, bytes),
    filler.putChunk(chunk, bytes, { replace: true }),
    filler.putDirectory(digest, encoded, { replace: true }),
  ]);
  expect((await read(openAnew(folder), chunk.digest)).equals(bytes)).toBe(true);
  expect(await store.directories.get(digest)).toEqual(directory);
  expect((await verifyStore(folder)).faults).toBe(0);
});

test("many small objects share commits, and segments are left when they are full", async () => {
  const { folder, store, filler } = open({ segmentBytesMax: 1_000_000 });
  const pieces = Array.from({ length: 600 }, (_, i) => pieceOf(noise(4000, 2 * i + 1)));
  await Promise.all(pieces.map(({ chunk, bytes }) => filler.putChunk(chunk, bytes)));
  const later = Array.from({ length: 5 }, (_, i) => pieceOf(noise(400_000, 2 * i + 1)));
  for (const { chunk, bytes } of later) await filler.putChunk(chunk, bytes);
  for (const { chunk, bytes } of [...pieces, ...later]) {
    expect((await read(store, chunk.digest)).equals(bytes)).toBe(true);
  }
  expect(readdirSync(join(folder, "segments")).length).toBe(4);
});

test("putters wait when more is pending than there is room for, and none is forgotten", async () => {
  const { store, filler } = open({ pendingBytesMax: 200_000 });
  const pieces = Array.from({ length: 40 }, (_, i) => pieceOf(noise(i * 9000, 2 * i + 1)));
  let settled = 0;
  const all = pieces.map(async ({ chunk, bytes }) => {
    await filler.putChunk(chunk, bytes);
    settled += 1;
  });
  await all[0];
  expect(settled).toBeLessThan(30);
  await Promise.all(all);
  for (const { chunk } of pieces) {
    expect((await store.blobs.stat(chunk.digest))?.size).toBe(chunk.size);
  }
});

test("a filler holds no slot between commits, and waits while somebody holds all", async () => {
  const { folder, filler, store } = open();
  const { chunk, bytes } = pieceOf(SMALL);
  await filler.putChunk(chunk, bytes);
  const slots = await WriterSlots.takeAll(folder, 0);
  let settled = false;
  const other = pieceOf(LARGE.subarray(0, CHUNK_BYTES_MAX));
  const put = filler.putChunk(other.chunk, other.bytes).then(() => {
    settled = true;
  });
  await sleep(150);
  expect(settled).toBe(false);
  slots[Symbol.dispose]();
  await put;
  expect(await store.blobs.stat(other.chunk.digest)).toBeDefined();
});

test("who wants all slots waits for writers, and keeps later ones out", async () => {
  const { folder, store } = open();
  const writers = [await store.openWriter(), await store.openWriter()];
  await expect(WriterSlots.takeAll(folder, 50)).rejects.toBeInstanceOf(StoreBusy);
  const all = WriterSlots.takeAll(folder, 5000);
  const rival = WriterSlots.takeAll(folder, 5000);
  const late = store.openWriter({ waitMilliseconds: 50 });
  await expect(late).rejects.toBeInstanceOf(StoreBusy);
  for (const writer of writers) writer[Symbol.dispose]();
  (await Promise.race([all, rival]))[Symbol.dispose]();
  for (const slots of await Promise.all([all, rival])) slots[Symbol.dispose]();
  using slot = await WriterSlot.take(folder, { waitMilliseconds: 0, preferred: WRITERS_MAX - 1 });
  expect(slot.slot).toBe(WRITERS_MAX - 1);
});

test("a filler heals what lay in a segment that was cut short or removed", async () => {
  const { folder, store, filler } = open();
  const { chunk, bytes } = pieceOf(SMALL);
  await filler.putChunk(chunk, bytes);
  for (const harm of [(path: string) => truncateSync(path, 1), (path: string) => rmSync(path)]) {
    const segments = readdirSync(join(folder, "segments"));
    harm(join(folder, "segments", segments.sort().at(-1)!));
    await filler.putChunk(chunk, bytes, { replace: true });
    const read: Uint8Array[] = [];
    for await (const piece of store.blobs.read(chunk.digest)) read.push(piece.slice());
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
  }
});

test("a filler gets on while somebody who wants all slots waits for an import", async () => {
  const { folder, store, filler } = open();
  const { chunk, bytes } = pieceOf(SMALL);
  const importer = await store.openWriter();
  const all = WriterSlots.takeAll(folder, 5000);
  await sleep(50);
  await filler.putChunk(chunk, bytes);
  expect(await store.blobs.stat(chunk.digest)).toBeDefined();
  importer[Symbol.dispose]();
  (await all)[Symbol.dispose]();
});

test("a filler that is closed gives up what waits, with an error, and lets go of everything", async () => {
  const { folder, filler } = open({ pendingBytesMax: 10_000 });
  const { chunk, bytes } = pieceOf(SMALL);
  const slots = await WriterSlots.takeAll(folder, 0);
  const puts = Promise.allSettled([1, 2, 3, 4].map(() => filler.putChunk(chunk, bytes)));
  await sleep(30);
  filler[Symbol.dispose]();
  for (const outcome of await puts) {
    const reason = { message: "the store is being closed" };
    expect(outcome).toMatchObject({ status: "rejected", reason });
  }
  await expect(filler.putChunk(chunk, bytes)).rejects.toBeInstanceOf(StoreError);
  filler[Symbol.dispose]();
  slots[Symbol.dispose]();
  (await WriterSlots.takeAll(folder, 0))[Symbol.dispose]();
  expect((await verifyStore(folder)).chunks).toBe(0);
});

test("a commit that begins where another writer has written meanwhile goes on after that", async () => {
  const { folder, filler, store } = open();
  const pieces = Array.from({ length: 12 }, (_, i) => pieceOf(noise(7000, 2 * i + 1)));
  for (const [i, { chunk, bytes }] of pieces.entries()) {
    if (i % 2 === 0) await filler.putChunk(chunk, bytes);
    else await store.blobs.put([bytes]);
  }
  for (const { chunk, bytes } of pieces) {
    expect((await read(store, chunk.digest)).equals(bytes)).toBe(true);
  }
  expect(segmentBytes(folder)).toBe(12 * 7000);
  expect(readdirSync(join(folder, "segments")).length).toBe(1);
});

test("what was written and not named is written over", async () => {
  const { folder, store } = open();
  using commits = new FillCommits(folder);
  const { signal } = new AbortController();
  const [first, second] = [pieceOf(SMALL), pieceOf(noise(3000, 9))];
  const item = ({ chunk, bytes }: Piece) =>
    ({ kind: OBJECT_CHUNK, digest: chunk.digest, bytes, replace: false }) as const;
  await commits.run([item(first)], signal);
  const path = join(folder, "segments", readdirSync(join(folder, "segments"))[0]!);
  const fd = openSync(path, "a");
  writeSync(fd, noise(100_000, 77));
  closeSync(fd);
  await commits.run([item(second)], signal);
  expect(segmentBytes(folder)).toBe(8000);
  expect((await read(store, second.chunk.digest)).equals(second.bytes)).toBe(true);
});

test.skipIf(!mayMount)(
  "a full disk is an error that says so; later, with room, all goes on",
  async () => {
    const { folder, store, filler } = open({}, join(smallDisk(6), "store"));
    const stored: Piece[] = [];
    let failure: unknown;
    for (let i = 1; failure === undefined; i += 1) {
      const piece = pieceOf(noise(300_000, 2 * i + 1));
      try {
        await filler.putChunk(piece.chunk, piece.bytes);
        stored.push(piece);
      } catch (error) {
        failure = error;
      }
    }
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure).toMatchObject({
      message: "the disk is full",
      remedy: expect.stringContaining("castorefs gc"),
    });
    expect(stored.length).toBeGreaterThan(5);
    const small = pieceOf(noise(2000, 99));
    await filler.putChunk(small.chunk, small.bytes);
    await expect(store.blobs.put([noise(3_000_000, 5)])).rejects.toMatchObject({
      message: "the disk is full",
    });
    expect((await verifyStore(folder)).faults).toBe(0);
    for (const { chunk, bytes } of [...stored, small]) {
      expect((await read(store, chunk.digest)).equals(bytes)).toBe(true);
    }
  },
);

/** A store that has cached nothing. */
function openAnew(folder: string): DiskStore {
  const store = openDiskStore(folder);
  onTestFinished(() => store[Symbol.dispose]());
  return store;
}

function segmentBytes(folder: string): number {
  const segments = join(folder, "segments");
  return readdirSync(segments)
    .map((name) => readFileSync(join(segments, name)).length)
    .reduce((sum, length) => sum + length, 0);
}

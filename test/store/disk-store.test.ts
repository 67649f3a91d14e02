import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../src/base/logger.ts";
import { blake3 } from "../../src/castore/blake3.ts";
import { Directory } from "../../src/castore/directory.ts";
import { parseName } from "../../src/castore/name.ts";
import { fileNode, symlinkNode } from "../../src/castore/node.ts";
import { decodeEntry } from "../../src/castore/proto.ts";
import { openDiskReader } from "../../src/store/disk-reader.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { StoreError } from "../../src/store/errors.ts";
import { CHUNK_BYTES_MAX } from "../../src/store/fastcdc.ts";
import { RemovedRoots } from "../../src/store/root-table.ts";
import type { StoreWriter } from "../../src/store/store-writer.ts";
import { conformance } from "./conformance.ts";
import { TestFileMapper, TestSink } from "./file-mapper.ts";
import { checkStore } from "./store-check.ts";
import { noise, temporaryFolder } from "./temporary.ts";

for (const segmentBytesMax of [undefined, 1_000_000]) {
  const kind = segmentBytesMax === undefined ? "disk" : "disk with small segments";
  conformance(kind, () => {
    const folder = temporaryFolder();
    const options = segmentBytesMax === undefined ? {} : { segmentBytesMax };
    const store = openDiskStore(folder, { create: true, ...options });
    const mapper = new TestFileMapper();
    const reader = openDiskReader(folder, { mapper, logger: silentLogger });
    onTestFinished(() => {
      reader[Symbol.dispose]();
      store[Symbol.dispose]();
    });
    return { store, reader, sink: () => new TestSink(mapper) };
  });
}

test("disk: what loses its name is remembered, with the time", async () => {
  const folder = temporaryFolder();
  using store = openDiskStore(folder, { create: true });
  const [a, b] = [symlinkNode("a"), symlinkNode("b")];
  const name = parseName("name");
  const begin = Date.now();
  await store.roots.put(name, a);
  await store.roots.put(name, a);
  expect(removedFrom(folder).roots).toEqual([]);
  await store.roots.put(name, b);
  expect(removedFrom(folder).roots.map(({ entry }) => decodeEntry(entry).node)).toEqual([a]);
  await store.roots.put(name, a);
  await store.roots.delete(name);
  await store.roots.delete(name);
  const { roots, damaged } = removedFrom(folder);
  expect(roots.map(({ entry }) => decodeEntry(entry).node)).toEqual([a, b]);
  for (const { time } of roots) {
    expect(time).toBeGreaterThanOrEqual(begin);
    expect(time).toBeLessThanOrEqual(Date.now());
  }
  expect(damaged).toEqual([]);
  const database = new DatabaseSync(join(folder, "index.sqlite"));
  database.exec("UPDATE removed SET time = time + 1");
  database.close();
  const after = removedFrom(folder);
  expect([after.roots.length, after.damaged.length]).toEqual([0, 2]);
});

test("disk: several writers put at a time, each in segments of its own, and share what is the same", async () => {
  const folder = temporaryFolder();
  using store = openDiskStore(folder, { create: true });
  const writers: StoreWriter[] = [];
  for (let i = 0; i < 5; i += 1) writers.push(await store.openWriter());
  const same = noise(900_000, 1);
  for (const [i, writer] of writers.entries()) {
    const own = writer.putBlob(noise(300_000, 2 * i + 11));
    const blob = writer.putBlob(same);
    const entries = [own, blob].map(({ digest, size }, j) => ({
      name: parseName(`${j}`),
      node: fileNode(digest, size, false),
    }));
    const node = writer.putDirectory(Directory.of(entries));
    if (i % 2 === 0) writer.putRoot(parseName(`${i}`), node);
    else writer.commit();
  }
  for (const writer of writers) writer[Symbol.dispose]();
  const stored = checkStore(folder);
  expect(stored.directories.size).toBe(5);
  expect(readdirSync(join(folder, "segments")).length).toBe(5);
  expect((await store.roots.list()).length).toBe(3);
});

test("disk: a writer that closes without a commit gives its room back", async () => {
  const folder = temporaryFolder();
  using store = openDiskStore(folder, { create: true });
  await store.blobs.put([noise(1000, 1)]);
  {
    using writer = await store.openWriter();
    writer.putBlob(noise(9_000_000, 3));
  }
  const { size } = statSync(join(folder, "segments", "00000001.seg"));
  expect(size).toBe(1000);
});

test("disk: a chunk that no reader would take is refused, and the writer takes nothing more", async () => {
  using store = openDiskStore(temporaryFolder(), { create: true });
  using writer = await store.openWriter();
  const large = noise(CHUNK_BYTES_MAX + 1, 1);
  const chunk = { digest: blake3(large), size: large.length };
  expect(() => writer.putChunk(chunk, large)).toThrow(StoreError);
  expect(() => writer.putBlob(noise(10, 1))).toThrow(StoreError);
  expect(() => writer.commit()).toThrow(StoreError);
});

function removedFrom(folder: string) {
  const database = new DatabaseSync(join(folder, "index.sqlite"), { readOnly: true });
  try {
    return new RemovedRoots(database).list();
  } finally {
    database.close();
  }
}

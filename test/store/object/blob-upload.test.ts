/** Blobs on their way into object storage, looked at from the other side. */
import { expect, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { SourceUnavailable } from "../../../src/store/errors.ts";
import { UPLOADS_MAX } from "../../../src/store/object/object-blobs.ts";
import { TREE_UPLOAD_BYTES_MAX, TreeUpload } from "../../../src/store/object/tree-upload.ts";
import { pieces, readAll } from "../conformance-services.ts";
import { noise } from "../temporary.ts";
import { MemoryObjects } from "./memory-objects.ts";
import { key } from "./reference-format.ts";

const LARGE = noise(30_000_000, 1);

test("the list of a blob comes last, after all its chunks", async () => {
  const objects = new MemoryObjects();
  const { digest, chunks } = await objects.source().blobs.put(pieces(LARGE, 1_234_567));
  const puts = objects.requests.filter((request) => request.startsWith("put"));
  expect(puts.length).toBe(chunks.length + 1);
  expect(puts.at(-1)).toBe(`put ${key("blobs", digest.hex)}`);
});

test("what is stored already is asked for, and not stored again", async () => {
  const objects = new MemoryObjects();
  const { blobs } = objects.source();
  await blobs.put([LARGE]);
  objects.requests.length = 0;
  await blobs.put([LARGE]);
  expect(objects.requests.filter((request) => !request.startsWith("has"))).toEqual([]);
  // A change in the middle changes what is there, and the list.
  const changed = LARGE.slice();
  changed[15_000_000]! ^= 1;
  const { chunks } = await blobs.put([changed]);
  const puts = objects.requests.filter((request) => request.startsWith("put"));
  expect(puts.length).toBeLessThanOrEqual(4);
  expect(chunks.length).toBeGreaterThan(50);
});

test("a chunk that is in a blob many times is stored once", async () => {
  const objects = new MemoryObjects();
  const zeros = Buffer.alloc(20_000_000);
  const { digest, chunks } = await objects.source().blobs.put([zeros]);
  expect(chunks.length).toBeGreaterThan(30);
  expect(objects.requests.filter((request) => request.startsWith("put")).length).toBe(3);
  expect((await readAll(objects.source().blobs.read(digest))).equals(zeros)).toBe(true);
});

test("so many chunks are under way at a time, of however many blobs, and no more is read ahead", async () => {
  const objects = new MemoryObjects();
  const { blobs } = objects.source();
  const gate = Promise.withResolvers<void>();
  objects.during = () => gate.promise;
  let read = 0;
  function* counted() {
    for (const piece of pieces(LARGE, 100_000)) {
      read += piece.length;
      yield piece;
    }
  }
  const puts = [blobs.put(counted()), blobs.put([noise(9_000_000, 3)])];
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(objects.concurrency).toBe(UPLOADS_MAX);
  // What may wait for its upload, and what the chunker holds.
  expect(read).toBeLessThan(13_000_000);
  gate.resolve();
  await Promise.all(puts);
  expect(objects.concurrency).toBe(UPLOADS_MAX);
});

test("when a chunk cannot be stored the blob is not, and no more of it is read", async () => {
  const objects = new MemoryObjects();
  const { blobs } = objects.source();
  let stopped = false;
  objects.during = (request) => {
    const puts = objects.requests.filter((one) => one.startsWith("put")).length;
    if (request.startsWith("put") && puts > 5) throw new SourceUnavailable("gone");
  };
  function* stream() {
    try {
      for (let i = 0; ; i += 1) yield noise(1_000_000, 2 * i);
    } finally {
      stopped = true;
    }
  }
  await expect(blobs.put(stream())).rejects.toThrow("gone");
  expect(stopped).toBe(true);
  expect([...objects.objects.keys()].filter((name) => name.startsWith("blobs"))).toEqual([]);
  const asked = objects.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(objects.requests.length).toBe(asked);
});

test("when the bytes stop coming the blob is not stored", async () => {
  const objects = new MemoryObjects();
  function* stream() {
    yield LARGE;
    throw new Error("the file went away");
  }
  await expect(objects.source().blobs.put(stream())).rejects.toThrow("the file went away");
  expect([...objects.objects.keys()].filter((name) => name.startsWith("blobs"))).toEqual([]);
});

test("a tree that would not fit into memory is refused", () => {
  const upload = new TreeUpload();
  const encoded = new Uint8Array(TREE_UPLOAD_BYTES_MAX / 2);
  const digests = [1, 2, 3].map((i) => blake3(Uint8Array.from([i])));
  upload.add(digests[0]!, encoded);
  upload.add(digests[0]!, encoded);
  upload.add(digests[1]!, encoded);
  expect(() => upload.add(digests[2]!, encoded)).toThrow(/too many for one object/);
});

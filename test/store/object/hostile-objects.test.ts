/** Objects that are not what their keys say: always an error, never wrong bytes, and little memory. */
import { zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { Digest } from "../../../src/castore/digest.ts";
import type { Directory } from "../../../src/castore/directory.ts";
import { directoryNode, fileNode, symlinkNode } from "../../../src/castore/node.ts";
import { encodeDirectory } from "../../../src/castore/proto.ts";
import { CorruptObject, MissingObject } from "../../../src/store/errors.ts";
import { directoryOf, readAll } from "../conformance-services.ts";
import { noise } from "../temporary.ts";
import { httpSource } from "./buckets.ts";
import { MemoryObjects } from "./memory-objects.ts";
import {
  bomb,
  field,
  frame,
  HUGE_WINDOW,
  key,
  type ListedChunk,
  list,
  NOTHING,
  tree,
} from "./reference-format.ts";
import { WebServer } from "./web-server.ts";

const BYTES = noise(100_000, 3);
const DIGEST = blake3(BYTES);
const MIB = 1024 * 1024;

const LEAF = directoryOf({ link: symlinkNode("leaf") });
const MIDDLE = directoryOf({ leaf: nodeOf(LEAF) });
const ROOT = directoryOf({ leaf: nodeOf(LEAF), middle: nodeOf(MIDDLE) });
const STRAY = directoryOf({ link: symlinkNode("stray") });
const [ROOT_ENCODED, MIDDLE_ENCODED, LEAF_ENCODED, STRAY_ENCODED] = [
  encodeDirectory(ROOT),
  encodeDirectory(MIDDLE),
  encodeDirectory(LEAF),
  encodeDirectory(STRAY),
] as const;

function nodeOf(directory: Directory) {
  return directoryNode(blake3(encodeDirectory(directory)), directory.size);
}

/** A source with one object, and what else is given. */
function withObject(name: string, object: Uint8Array, others: Record<string, Uint8Array> = {}) {
  const objects = new MemoryObjects();
  for (const [other, bytes] of Object.entries(others)) objects.objects.set(other, bytes);
  objects.objects.set(name, object);
  return objects.source();
}

async function collect(directories: AsyncIterable<Directory>): Promise<Directory[]> {
  const all: Directory[] = [];
  for await (const directory of directories) all.push(directory);
  return all;
}

test.each([
  ["nothing", NOTHING],
  ["no frame", Buffer.from("not compressed")],
  ["half a frame", frame(BYTES).subarray(0, 50_000)],
  ["all of a frame but a byte", frame(BYTES).subarray(0, -1)],
  ["another chunk", frame(noise(100_000, 4))],
  ["more than the chunk", frame(Buffer.concat([BYTES, Buffer.alloc(1)]))],
  ["less than the chunk", frame(BYTES.subarray(1))],
  ["64 MiB in 2 KiB", bomb(512)],
  ["a window of 2 TiB", HUGE_WINDOW],
  ["8 MiB that cannot be compressed", frame(noise(8 * MIB, 6))],
])("a chunk that is %s is corrupt", async (_, object) => {
  const { blobs } = withObject(key("chunks", DIGEST.hex), object);
  await expect(readAll(blobs.read(DIGEST))).rejects.toBeInstanceOf(CorruptObject);
  await expect(blobs.stat(DIGEST)).rejects.toBeInstanceOf(CorruptObject);
});

test("what is corrupt is said with its address, and why", async () => {
  const { blobs } = withObject(key("chunks", DIGEST.hex), Buffer.from("not compressed"));
  const error: CorruptObject = await readAll(blobs.read(DIGEST)).then(
    () => expect.fail("was read"),
    (failure) => failure,
  );
  expect(error.message).toBe(`chunk ${DIGEST} is rotten or unreadable`);
  expect(error.path).toBe(`memory:/${key("chunks", DIGEST.hex)}`);
  expect(String(error.cause)).toContain("no whole zstd frame");
});

test("a frame of many gigabytes costs no more memory than a chunk may have", async () => {
  const { blobs } = withObject(key("chunks", DIGEST.hex), zstdCompressSync(bomb(1)));
  const huge = withObject(key("chunks", DIGEST.hex), bomb(400_000));
  await expect(readAll(blobs.read(DIGEST))).rejects.toBeInstanceOf(CorruptObject);
  const before = process.memoryUsage().rss;
  await Promise.all(
    Array.from({ length: 8 }, () =>
      expect(readAll(huge.blobs.read(DIGEST))).rejects.toBeInstanceOf(CorruptObject),
    ),
  );
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * MIB);
});

/** A blob of three chunks, as it would be right. */
const PIECES = [BYTES.subarray(0, 40_000), BYTES.subarray(40_000, 70_000), BYTES.subarray(70_000)];
const LISTED: ListedChunk[] = PIECES.map((bytes) => ({
  hex: blake3(bytes).hex,
  size: bytes.length,
}));
const CHUNKS = Object.fromEntries(
  PIECES.map((bytes, i) => [key("chunks", LISTED[i]!.hex), frame(bytes)]),
);
const [FIRST, SECOND, THIRD] = LISTED as [ListedChunk, ListedChunk, ListedChunk];

test("a right list of chunks gives the blob", async () => {
  const { blobs } = withObject(key("blobs", DIGEST.hex), list(LISTED), CHUNKS);
  expect((await readAll(blobs.read(DIGEST))).equals(BYTES)).toBe(true);
});

test.each([
  ["is no message", Buffer.from([0x12, 0xff])],
  ["has a digest of 31 bytes", field(2, field(1, Buffer.alloc(31)))],
  ["names one chunk, which is another", list([FIRST])],
  ["lacks a chunk", list([FIRST, THIRD])],
  ["has its chunks in another order", list([FIRST, THIRD, SECOND])],
  ["has a wrong size", list([FIRST, { ...SECOND, size: 29_999 }, THIRD])],
  ["has a chunk of 5 MiB", list([FIRST, { ...SECOND, size: 5 * MIB }, THIRD])],
  ["has a chunk of 2^53", list([FIRST, { ...SECOND, size: 2 ** 53 }, THIRD])],
])("a list of chunks that %s does not give the blob", async (_, object) => {
  const { blobs } = withObject(key("blobs", DIGEST.hex), object, CHUNKS);
  let given = 0;
  const read = async () => {
    for await (const piece of blobs.read(DIGEST)) given += piece.length;
  };
  await expect(read()).rejects.toBeInstanceOf(CorruptObject);
  expect(given).toBeLessThan(BYTES.length);
});

test("a blob whose chunk is gone is said to lack that chunk", async () => {
  const gone = { ...CHUNKS };
  delete gone[key("chunks", SECOND.hex)];
  const { blobs } = withObject(key("blobs", DIGEST.hex), list(LISTED), gone);
  await expect(readAll(blobs.read(DIGEST))).rejects.toMatchObject({
    name: "MissingObject",
    digest: Digest.parse(SECOND.hex),
  });
  // Empty: the blob is one chunk. There is none.
  const lone = withObject(key("blobs", DIGEST.hex), NOTHING);
  await expect(readAll(lone.blobs.read(DIGEST))).rejects.toBeInstanceOf(MissingObject);
  expect(await lone.blobs.stat(DIGEST)).toBeUndefined();
});

const UNSORTED = Buffer.concat(
  ["b", "a"].map((name) =>
    field(3, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from("target"))])),
  ),
);

test.each<[string, Digest, Uint8Array]>([
  ["is nothing", blake3(ROOT_ENCODED), NOTHING],
  ["has nothing in it", blake3(ROOT_ENCODED), frame(NOTHING)],
  ["is not compressed", blake3(ROOT_ENCODED), Buffer.from("not compressed")],
  ["begins with another root", blake3(ROOT_ENCODED), tree([MIDDLE_ENCODED, LEAF_ENCODED])],
  ["lacks a directory", blake3(ROOT_ENCODED), tree([ROOT_ENCODED, MIDDLE_ENCODED])],
  [
    "has a directory that nothing names",
    blake3(ROOT_ENCODED),
    tree([ROOT_ENCODED, STRAY_ENCODED, MIDDLE_ENCODED, LEAF_ENCODED]),
  ],
  ["comes leaves first", blake3(ROOT_ENCODED), tree([LEAF_ENCODED, MIDDLE_ENCODED, ROOT_ENCODED])],
  [
    "comes round to its root again and again",
    blake3(ROOT_ENCODED),
    tree([ROOT_ENCODED, MIDDLE_ENCODED, LEAF_ENCODED, ...Array(20).fill(ROOT_ENCODED)]),
  ],
  ["has a directory that is not sorted", blake3(UNSORTED), tree([UNSORTED])],
  [
    "has a directory of 4 GiB",
    blake3(ROOT_ENCODED),
    frame(Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff]), Buffer.alloc(100)])),
  ],
  [
    "ends inside a directory of 200 MiB",
    blake3(ROOT_ENCODED),
    frame(Buffer.concat([Buffer.from([0x0c, 0x80, 0x00, 0x00]), Buffer.alloc(100)])),
  ],
  ["ends inside a length", blake3(ROOT_ENCODED), frame(Buffer.from([0, 0]))],
  ["is zeros without an end, nearly", blake3(ROOT_ENCODED), bomb(100_000)],
])("a tree that %s is corrupt", async (_, digest, object) => {
  const { directories } = withObject(key("dirs", digest.hex), object);
  await expect(collect(directories.getRecursive(digest))).rejects.toBeInstanceOf(CorruptObject);
});

test("a tree may hold a directory as often as it is named", async () => {
  const object = tree([ROOT_ENCODED, LEAF_ENCODED, MIDDLE_ENCODED, LEAF_ENCODED]);
  const { directories } = withObject(key("dirs", blake3(ROOT_ENCODED).hex), object);
  const all = await collect(directories.getRecursive(blake3(ROOT_ENCODED)));
  expect(all).toEqual([ROOT, LEAF, MIDDLE]);
});

/** Something like `object`, cut, changed or with something put in. */
function damaged(object: Uint8Array): fc.Arbitrary<Uint8Array> {
  const bytes = Buffer.from(object);
  return fc
    .tuple(fc.nat(bytes.length), fc.nat(8), fc.uint8Array({ maxLength: 8 }))
    .map(([at, removed, inserted]) =>
      Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]),
    );
}

test("whatever happens to objects, a blob is read right or not at all", async () => {
  const names = [key("blobs", DIGEST.hex), key("chunks", SECOND.hex)];
  const right = new Map([...Object.entries(CHUNKS), [names[0]!, list(LISTED)]]);
  const change = fc
    .constantFrom(...names)
    .chain((name) => fc.tuple(fc.constant(name), damaged(right.get(name)!)));
  await fc.assert(
    fc.asyncProperty(change, async ([name, object]) => {
      const { blobs } = withObject(name, object, Object.fromEntries(right));
      try {
        const read = await readAll(blobs.read(DIGEST));
        expect(read.equals(BYTES)).toBe(true);
      } catch (error) {
        if (!(error instanceof CorruptObject)) expect(error).toBeInstanceOf(MissingObject);
      }
    }),
    { numRuns: 300 },
  );
});

test("whatever happens to an object, a tree is read right or not to its end", async () => {
  const object = tree([ROOT_ENCODED, MIDDLE_ENCODED, LEAF_ENCODED]);
  const digest = blake3(ROOT_ENCODED);
  await fc.assert(
    fc.asyncProperty(damaged(object), async (changed) => {
      const { directories } = withObject(key("dirs", digest.hex), changed);
      try {
        const all = await collect(directories.getRecursive(digest));
        expect(all).toEqual([ROOT, MIDDLE, LEAF]);
      } catch (error) {
        expect(error).toBeInstanceOf(CorruptObject);
      }
    }),
    { numRuns: 300 },
  );
});

test("an object without an end is given up when it has more bytes than a chunk", async () => {
  let sent = 0;
  const hungUp = Promise.withResolvers<void>();
  const web = await WebServer.start((_, response) => {
    response.on("close", hungUp.resolve);
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(MIB))) sent += MIB;
    };
    response.on("drain", more);
    more();
  });
  const { blobs, directories } = await httpSource(web.address);
  await expect(readAll(blobs.read(DIGEST))).rejects.toBeInstanceOf(CorruptObject);
  await hungUp.promise;
  expect(sent).toBeLessThan(64 * MIB);
  await expect(directories.get(DIGEST)).rejects.toBeInstanceOf(CorruptObject);
});

test("an object that is announced as too large is not even begun", async () => {
  const web = await WebServer.start((_, response) => {
    response.writeHead(200, { "content-length": 10 ** 12 });
    response.write("x");
  });
  const { blobs } = await httpSource(web.address);
  await expect(readAll(blobs.read(DIGEST))).rejects.toMatchObject({
    name: "CorruptObject",
    cause: expect.objectContaining({ message: expect.stringContaining("larger than") }),
  });
});

test("a directory that names a file is no more than a claim about the file", async () => {
  const directory = directoryOf({ file: fileNode(DIGEST, 1, false) });
  const { directories } = new MemoryObjects().source();
  const { digest } = await directories.put(directory);
  expect(await directories.get(digest)).toEqual(directory);
});

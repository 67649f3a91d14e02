/** A bucket as snix fills it is read right, and what is written here is what snix expects. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { Digest } from "../../../src/castore/digest.ts";
import type { Directory } from "../../../src/castore/directory.ts";
import { directoryNode, fileNode, symlinkNode } from "../../../src/castore/node.ts";
import { encodeDirectory } from "../../../src/castore/proto.ts";
import { directoryOf, readAll } from "../conformance-services.ts";
import { noise, temporaryFolder } from "../temporary.ts";
import { filesIn, folderSource } from "./buckets.ts";
import { MemoryObjects } from "./memory-objects.ts";
import {
  field,
  frame,
  key,
  list,
  NOTHING,
  readList,
  readTree,
  tree,
  unframe,
} from "./reference-format.ts";

const HELLO = "5ca7815adcb484e9a136c11efe69c1d530176d549b5d18d038eb5280b4b3470c";
const EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
/** The blob 00 01, and its two bytes as chunks. */
const PAIR = "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63";
const ZERO = "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213";
const ONE = "48fc721fbbc172e0925fa27af1671de225ba927134802998b10a1568a188652b";
/** Bytes 0 to 254, 4096 times: 1,044,480 bytes, which no chunk of ours has. */
const LONG = "a82c5154a7a0c262c6fdb929a317585646f8fbcf80326d0a7b8747edaf2d99d2";
const LONG_BYTES = Buffer.concat(Array.from({ length: 4096 }, () => Buffer.from(count(255))));
/** The directory { `.keep`: the empty blob }. */
const WITH_KEEP = "8b5b5d642b646bb8ed504b0862c39413e87e57491497de7bd075953f7b83810e";
/** { `keep`: that directory, `.keep`: the empty blob, `aa` → /nix/store/somewhereelse }. */
const COMPLICATED = "3f951a15afd586fb3121ef4d13d582e811ce0e5a7f21c0497fd87490e9e2355a";

const KEEP_FILE = Buffer.concat([field(1, Buffer.from(".keep")), field(2, hex(EMPTY))]);
const WITH_KEEP_ENCODED = field(2, KEEP_FILE);
const COMPLICATED_ENCODED = Buffer.concat([
  field(
    1,
    Buffer.concat([
      field(1, Buffer.from("keep")),
      field(2, hex(WITH_KEEP)),
      Buffer.from([0x18, 0x01]),
    ]),
  ),
  field(2, KEEP_FILE),
  field(
    3,
    Buffer.concat([field(1, Buffer.from("aa")), field(2, Buffer.from("/nix/store/somewhereelse"))]),
  ),
]);

function hex(text: string): Buffer {
  return Buffer.from(text, "hex");
}

function count(values: number): number[] {
  return Array.from({ length: values }, (_, i) => i);
}

/** What somebody else's writer leaves in a folder. */
function foreignFolder(objects: Readonly<Record<string, Uint8Array>>): string {
  const folder = temporaryFolder();
  for (const [name, bytes] of Object.entries(objects)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return folder;
}

const SNIX_BUCKET = {
  [key("blobs", HELLO)]: NOTHING,
  [key("chunks", HELLO)]: frame(Buffer.from("Hello World!")),
  [key("blobs", EMPTY)]: NOTHING,
  [key("blobs", PAIR)]: list([
    { hex: ZERO, size: 1 },
    { hex: ONE, size: 1 },
  ]),
  [key("chunks", ZERO)]: frame(Buffer.from([0])),
  [key("chunks", ONE)]: frame(Buffer.from([1])),
  [key("blobs", LONG)]: NOTHING,
  [key("chunks", LONG)]: frame(LONG_BYTES),
  [key("dirs", COMPLICATED)]: tree([COMPLICATED_ENCODED, WITH_KEEP_ENCODED]),
};

const COMPLICATED_DIRECTORY = directoryOf({
  keep: directoryNode(Digest.parse(WITH_KEEP), 1),
  ".keep": fileNode(Digest.parse(EMPTY), 0, false),
  aa: symlinkNode("/nix/store/somewhereelse"),
});
const KEEP_DIRECTORY = directoryOf({ ".keep": fileNode(Digest.parse(EMPTY), 0, false) });

test("blobs that snix stored are found, with their chunks, and read", async () => {
  const { blobs } = await folderSource(foreignFolder(SNIX_BUCKET));
  for (const [name, bytes, chunks] of [
    [HELLO, Buffer.from("Hello World!"), [HELLO]],
    [EMPTY, NOTHING, [EMPTY]],
    [PAIR, Buffer.from([0, 1]), [ZERO, ONE]],
    [LONG, LONG_BYTES, [LONG]],
    [ONE, Buffer.from([1]), [ONE]],
  ] as const) {
    const digest = Digest.parse(name);
    const stat = await blobs.stat(digest);
    expect(stat!.size, name).toBe(bytes.length);
    expect(stat!.chunks.map((chunk) => chunk.digest.hex)).toEqual(chunks);
    expect((await readAll(blobs.read(digest))).equals(bytes)).toBe(true);
    expect((await readAll(blobs.read(digest))).equals(bytes)).toBe(true);
    const range = await readAll(blobs.read(digest, { offset: 1, length: 3 }));
    expect(range.equals(bytes.subarray(1, 4))).toBe(true);
  }
});

test("a tree that snix stored is read, root first, and what is below has no object of its own", async () => {
  const { directories } = await folderSource(foreignFolder(SNIX_BUCKET));
  const root = Digest.parse(COMPLICATED);
  expect(await collect(directories.getRecursive(root))).toEqual([
    COMPLICATED_DIRECTORY,
    KEEP_DIRECTORY,
  ]);
  expect(await directories.get(root)).toEqual(COMPLICATED_DIRECTORY);
  expect(await directories.get(Digest.parse(WITH_KEEP))).toBeUndefined();
});

test("a list may say more than chunks, and name an empty one", async () => {
  const objects = {
    ...SNIX_BUCKET,
    [key("blobs", PAIR)]: Buffer.concat([
      list([{ hex: ZERO, size: 1 }]),
      list([{ hex: EMPTY, size: 0 }]),
      list([{ hex: ONE, size: 1 }]),
      field(3, Buffer.from("an outboard hash tree")),
      field(9, Buffer.from("of later times")),
    ]),
  };
  const { blobs } = await folderSource(foreignFolder(objects));
  const digest = Digest.parse(PAIR);
  expect((await blobs.stat(digest))!.chunks.length).toBe(2);
  expect([...(await readAll(blobs.read(digest)))]).toEqual([0, 1]);
});

test("newer writers list a single chunk, and have a folder of another name for chunks", async () => {
  const objects = new MemoryObjects();
  for (const [name, bytes] of Object.entries({
    [key("blobs", HELLO)]: list([{ hex: HELLO, size: 12 }]),
    [key("chunk", HELLO)]: frame(Buffer.from("Hello World!")),
    [key("blobs", PAIR)]: SNIX_BUCKET[key("blobs", PAIR)]!,
    [key("chunk", ZERO)]: frame(Buffer.from([0])),
    [key("chunk", ONE)]: frame(Buffer.from([1])),
  })) {
    objects.objects.set(name, bytes);
  }
  const { blobs } = objects.source();
  expect((await blobs.stat(Digest.parse(HELLO)))!.size).toBe(12);
  expect((await readAll(blobs.read(Digest.parse(HELLO)))).toString()).toBe("Hello World!");
  expect([...(await readAll(blobs.read(Digest.parse(PAIR))))]).toEqual([0, 1]);
  // Where chunks are is asked for once.
  objects.requests.length = 0;
  await readAll(blobs.read(Digest.parse(ONE)));
  expect(objects.requests).toEqual([`get ${key("chunk", ONE)}`]);
});

test("one request reads a small blob, one more tells that it is there and how large", async () => {
  const objects = new MemoryObjects();
  const { blobs } = objects.source();
  const { digest } = await blobs.put([Buffer.from("Hello World!")]);
  objects.requests.length = 0;
  await readAll(blobs.read(digest));
  await blobs.stat(digest);
  await readAll(blobs.read(digest));
  expect(objects.requests).toEqual([`get ${key("chunks", HELLO)}`, `get ${key("chunks", HELLO)}`]);
});

test("blobs are written as snix reads them", async () => {
  const folder = temporaryFolder();
  const { blobs } = await folderSource(folder);
  const large = noise(3_000_001, 5);
  const put = await blobs.put([large]);
  const expected = new Map<string, (object: Buffer) => void>();
  for (const bytes of [NOTHING, Buffer.from("Hello World!"), LONG_BYTES.subarray(0, 100_000)]) {
    const { digest } = await blobs.put([bytes]);
    expected.set(key("blobs", digest.hex), (object) => expect(object.length).toBe(0));
    if (bytes.length === 0) continue;
    expected.set(key("chunks", digest.hex), (object) => {
      expect(unframe(object).equals(bytes)).toBe(true);
    });
  }
  expected.set(key("blobs", put.digest.hex), (object) => {
    const chunks = readList(object);
    expect(chunks).toEqual(put.chunks.map(({ digest, size }) => ({ hex: digest.hex, size })));
  });
  let at = 0;
  for (const { digest, size } of put.chunks) {
    const bytes = large.subarray(at, at + size);
    at += size;
    expected.set(key("chunks", digest.hex), (object) => {
      expect(unframe(object).equals(bytes)).toBe(true);
    });
  }
  expect(at).toBe(large.length);
  const files = filesIn(folder);
  expect([...files.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, check] of expected) check(files.get(name)!);
});

test("a tree is written as one object: every directory once, none before one that names it", async () => {
  const folder = temporaryFolder();
  const { directories } = await folderSource(folder);
  await directories.putRecursive([KEEP_DIRECTORY, COMPLICATED_DIRECTORY]);
  let files = filesIn(folder);
  expect([...files.keys()]).toEqual([key("dirs", COMPLICATED)]);
  expect(readTree(files.get(key("dirs", COMPLICATED))!)).toEqual([
    COMPLICATED_ENCODED,
    WITH_KEEP_ENCODED,
  ]);

  const trees = wideTree(300);
  const root = await directories.putRecursive(trees);
  files = filesIn(folder);
  const encodings = readTree(files.get(key("dirs", root.digest.hex))!);
  const named = new Set([root.digest.hex]);
  for (const encoded of encodings) {
    const { hex } = blake3(encoded);
    expect(named.has(hex)).toBe(true);
    const directory = trees.find((one) => Buffer.compare(encodeDirectory(one), encoded) === 0)!;
    for (const { node } of directory.entries) {
      if (node.kind === "directory") named.add(node.digest.hex);
    }
  }
  expect(encodings.length).toBe(new Set(trees.map((one) => blake3(encodeDirectory(one)).hex)).size);
  expect(named.size).toBe(encodings.length);
});

/** Leaves first: folders of folders, some of them named several times. */
function wideTree(folders: number): Directory[] {
  const file = (i: number) => fileNode(blake3(Buffer.from(`${i}`)), 1, false);
  const node = (one: Directory) => directoryNode(blake3(encodeDirectory(one)), one.size);
  const leaves = count(folders).map((i) => directoryOf({ [`leaf-${i}`]: file(i) }));
  const middle = count(folders).map((i) =>
    directoryOf({ a: node(leaves[i]!), b: node(leaves[(i * 7) % folders]!) }),
  );
  const root = directoryOf(Object.fromEntries(middle.map((one, i) => [`m${i}`, node(one)])));
  return [...leaves, ...middle, root];
}

async function collect(directories: AsyncIterable<Directory>): Promise<Directory[]> {
  const all: Directory[] = [];
  for await (const directory of directories) all.push(directory);
  return all;
}

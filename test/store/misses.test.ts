/** What a reader over a disk store does when somebody is there to fetch what it lacks. */
import { closeSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { EIO } from "../../src/base/errno.ts";
import type { Logger } from "../../src/base/logger.ts";
import { MISSING } from "../../src/base/missing.ts";
import { blake3 } from "../../src/castore/blake3.ts";
import type { Digest } from "../../src/castore/digest.ts";
import { Directory } from "../../src/castore/directory.ts";
import { parseName } from "../../src/castore/name.ts";
import { fileNode } from "../../src/castore/node.ts";
import type { VerifyMode } from "../../src/store/chunk-finder.ts";
import { openDiskReader } from "../../src/store/disk-reader.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { CorruptObject } from "../../src/store/errors.ts";
import type { FileMapper } from "../../src/store/file-mapper.ts";
import type { BlobReader } from "../../src/store/local-reader.ts";
import { MISSES_MAX, Misses } from "../../src/store/misses.ts";
import { TestFileMapper, TestSink } from "./file-mapper.ts";
import { noise, temporaryFolder } from "./temporary.ts";

const SMALL = noise(5000, 1);
const LARGE = noise(3_000_000, 2);

async function makeStore() {
  const folder = join(temporaryFolder(), "store");
  using store = openDiskStore(folder, { create: true });
  using writer = await store.openWriter();
  const small = writer.putBlob(SMALL);
  const large = writer.putBlob(LARGE);
  const directory = writer.putDirectory(
    Directory.of([{ name: parseName("small"), node: fileNode(small.digest, small.size, false) }]),
  );
  writer.commit();
  return { folder, small: small.digest, large, directory: directory.digest };
}

function open(folder: string, options: { verify?: VerifyMode; trustChunkLists?: boolean } = {}) {
  const lines: string[] = [];
  const logger: Logger = {
    log: (_, message, fields) => lines.push(`${message} ${fields?.["digest"]}`),
  };
  const mapper = new TestFileMapper();
  const misses = new Misses();
  const reader = openDiskReader(folder, { mapper, logger, misses, ...options });
  onTestFinished(() => reader[Symbol.dispose]());
  const blob = (digest: Digest): BlobReader => {
    const found = reader.blob(digest.bytes, 0);
    if (found === undefined || typeof found === "number") throw new Error(`no blob: ${found}`);
    return found;
  };
  /** What was missed since the last time, as text. */
  const missed = () => {
    const texts = misses.wanted.map(
      ({ kind, digest, heal, within }) =>
        `${kind} ${digest}${heal ? " heal" : ""}${within === undefined ? "" : ` of ${within}`}`,
    );
    misses.clear();
    return texts;
  };
  return { reader, blob, missed, lines, mapper, sink: new TestSink(mapper) };
}

function change(folder: string, sql: string, ...values: (Uint8Array | number)[]): void {
  using database = new DatabaseSync(join(folder, "index.sqlite"));
  database.prepare(sql).run(...values);
}

const segment = (folder: string) => join(folder, "segments", "00000001.seg");

/** Flips a bit of what lies in the segment. Returns what puts it right again. */
function flip(folder: string, needle: Uint8Array): () => void {
  const at = readFileSync(segment(folder)).indexOf(needle.subarray(0, 64));
  const write = (byte: number) => {
    const fd = openSync(segment(folder), "r+");
    writeSync(fd, Uint8Array.of(byte), 0, 1, at);
    closeSync(fd);
  };
  write(needle[0]! ^ 4);
  return () => write(needle[0]!);
}

test("what is absent is MISSING, and on the list", async () => {
  const { folder } = await makeStore();
  const { reader, missed, lines } = open(folder);
  const digest = blake3(Buffer.from("never put"));
  expect(reader.blob(digest.bytes, 0)).toBe(MISSING);
  expect(reader.directory(digest.bytes, 0)).toBe(MISSING);
  expect(missed()).toEqual([`blob ${digest}`, `directory ${digest}`]);
  expect(lines).toEqual([]);
});

test("a read over several absent chunks misses all of them at once, and none twice", async () => {
  const { folder, large } = await makeStore();
  const [first, second, third] = large.chunks;
  change(folder, "DELETE FROM objects WHERE digest = ?", second!.digest.bytes);
  change(folder, "DELETE FROM objects WHERE digest = ?", third!.digest.bytes);
  for (const verify of ["first-read", "entry", "always"] as const) {
    const { blob, missed, sink } = open(folder, { verify });
    const reader = blob(large.digest);
    expect(reader.read(0, first!.size, sink)).toBe(0);
    sink.take();
    for (let round = 0; round < 2; round++) {
      expect(reader.read(0, LARGE.length, sink)).toBe(MISSING);
      expect(missed()).toEqual([
        `chunk ${second!.digest} of ${large.digest}`,
        `chunk ${third!.digest} of ${large.digest}`,
      ]);
    }
    expect(reader.read(first!.size + second!.size, 1, sink)).toBe(MISSING);
    expect(missed()).toEqual([`chunk ${third!.digest} of ${large.digest}`]);
  }
});

test("what is rotten is to be healed, is said once, and is read when it is right again", async () => {
  const { folder, small, large, directory } = await makeStore();
  const { reader, blob, missed, lines, sink } = open(folder);
  const encoded = open(folder).reader.directory(directory.bytes, 0) as Uint8Array;
  const [first] = large.chunks;
  const undo = [flip(folder, SMALL), flip(folder, LARGE), flip(folder, encoded)];
  const smallBlob = blob(small);
  const largeBlob = blob(large.digest);
  for (let round = 0; round < 2; round++) {
    expect(smallBlob.read(0, 10, sink)).toBe(MISSING);
    expect(largeBlob.read(0, 10, sink)).toBe(MISSING);
    expect(reader.directory(directory.bytes, 0)).toBe(MISSING);
    expect(missed()).toEqual([
      `blob ${small} heal`,
      `chunk ${first!.digest} heal of ${large.digest}`,
      `directory ${directory} heal`,
    ]);
  }
  expect(lines).toEqual([
    `chunk is rotten ${small}`,
    `chunk is rotten ${first!.digest}`,
    `directory is rotten ${directory}`,
  ]);
  for (const right of undo) right();
  expect(smallBlob.read(0, 10, sink)).toBe(0);
  expect(largeBlob.read(0, 10, sink)).toBe(0);
  expect(
    Buffer.from(sink.take()).equals(Buffer.concat([SMALL.subarray(0, 10), LARGE.subarray(0, 10)])),
  ).toBe(true);
  expect(reader.directory(directory.bytes, 0)).toEqual(encoded);
});

test("damaged rows of the index are healed like damaged bytes", async () => {
  const { folder, small, large, directory } = await makeStore();
  change(folder, "UPDATE objects SET length = -1");
  change(folder, "UPDATE blobs SET chunks = substr(chunks, 2)");
  const { reader, missed } = open(folder);
  expect(reader.blob(small.bytes, 0)).toBe(MISSING);
  expect(reader.blob(large.digest.bytes, 0)).toBe(MISSING);
  expect(reader.directory(directory.bytes, 0)).toBe(MISSING);
  expect(missed()).toEqual([
    `blob ${small} heal`,
    `blob ${large.digest} heal`,
    `directory ${directory} heal`,
  ]);
});

test("a list of chunks that nobody has proven counts as absent, unless it is trusted", async () => {
  const { folder, large } = await makeStore();
  change(folder, "UPDATE blobs SET whole = 0");
  const careful = open(folder);
  expect(careful.reader.blob(large.digest.bytes, 0)).toBe(MISSING);
  expect(careful.missed()).toEqual([`blob ${large.digest}`]);
  const trusting = open(folder, { trustChunkLists: true });
  expect(trusting.blob(large.digest).read(0, LARGE.length, trusting.sink)).toBe(0);
  const reader = openDiskReader(folder, { mapper: new TestFileMapper(), logger: { log() {} } });
  expect(reader.blob(large.digest.bytes, 0)).toBeUndefined();
  reader[Symbol.dispose]();
});

test("an object that was moved to another segment is looked up once more", async () => {
  const { folder, small, large, directory } = await makeStore();
  const { reader, blob, missed, sink } = open(folder);
  const smallBlob = blob(small);
  const largeBlob = blob(large.digest);
  renameSync(segment(folder), join(folder, "segments", "00000007.seg"));
  change(folder, "UPDATE objects SET segment = 7");
  expect(smallBlob.read(0, SMALL.length, sink)).toBe(0);
  expect(largeBlob.read(0, LARGE.length, sink)).toBe(0);
  expect(reader.directory(directory.bytes, 0)).toBeInstanceOf(Uint8Array);
  expect(missed()).toEqual([]);
  expect(Buffer.from(sink.take()).equals(Buffer.concat([SMALL, LARGE]))).toBe(true);
});

test("trim() lets go of segments that are gone, after whoever reads from them has", async () => {
  const { folder, small, large } = await makeStore();
  const { reader, blob, missed, sink, mapper } = open(folder);
  for (const digest of [small, large.digest]) expect(blob(digest).read(0, 10, sink)).toBe(0);
  const calls: number[] = [];
  reader.trim(() => calls.push(mapper.mapped));
  expect(calls).toEqual([]);
  renameSync(segment(folder), join(folder, "segments", "00000007.seg"));
  change(folder, "UPDATE objects SET segment = 7");
  reader.trim(() => calls.push(mapper.mapped));
  expect(calls).toEqual([1]);
  expect(mapper.mapped).toBe(0);
  for (const digest of [small, large.digest]) expect(blob(digest).read(0, 10, sink)).toBe(0);
  expect(mapper.mapped).toBe(1);
  expect(missed()).toEqual([]);
});

test("a segment that is gone makes misses of what was in it", async () => {
  const { folder, small, large } = await makeStore();
  renameSync(segment(folder), join(folder, "elsewhere"));
  const { blob, missed, sink } = open(folder);
  expect(blob(small).read(0, 1, sink)).toBe(MISSING);
  expect(blob(large.digest).read(0, 1, sink)).toBe(MISSING);
  expect(missed().map((text) => text.split(" ")[0])).toEqual(["blob", "chunk"]);
});

test("a segment that is there and cannot be mapped is an EIO: fetching would not help", async () => {
  const { folder, small, large, directory } = await makeStore();
  const lines: string[] = [];
  const mapper: FileMapper = {
    map: () => {
      throw new Error("out of memory");
    },
  };
  const misses = new Misses();
  const logger: Logger = { log: (_, text, fields) => lines.push(`${text}: ${fields?.["error"]}`) };
  for (const verify of ["first-read", "always"] as const) {
    using reader = openDiskReader(folder, { mapper, logger, misses, verify });
    for (const digest of [small, large.digest]) {
      const blob = reader.blob(digest.bytes, 0) as BlobReader;
      expect(blob.read(0, 1, new TestSink(new TestFileMapper()))).toBe(-EIO);
    }
    expect(() => reader.directory(directory.bytes, 0)).toThrow(CorruptObject);
  }
  expect(misses.wanted).toEqual([]);
  expect(new Set(lines)).toEqual(new Set(["segment cannot be mapped: out of memory"]));
});

test("with always, bytes that rot after they were read are not served", async () => {
  const { folder, small, large } = await makeStore();
  const { blob, missed, sink } = open(folder, { verify: "always" });
  const blobs = [blob(small), blob(large.digest)];
  for (const reader of blobs) expect(reader.read(0, reader.size, sink)).toBe(0);
  expect(Buffer.from(sink.take()).equals(Buffer.concat([SMALL, LARGE]))).toBe(true);
  expect(blobs[1]!.read(1_000_003, 777_777, sink)).toBe(0);
  expect(Buffer.from(sink.take()).equals(LARGE.subarray(1_000_003, 1_777_780))).toBe(true);
  expect(sink.mappedCopies).toBe(0);
  flip(folder, SMALL);
  flip(folder, LARGE);
  for (const reader of blobs) expect(reader.read(100, 1, sink)).toBe(MISSING);
  expect(missed()).toHaveLength(2);
  expect(sink.take().length).toBe(0);
});

test("with entry, what was stored is believed", async () => {
  const { folder, small } = await makeStore();
  flip(folder, SMALL);
  const { blob, sink } = open(folder, { verify: "entry" });
  expect(blob(small).read(0, SMALL.length, sink)).toBe(0);
});

test("without anybody who fetches, always and entry answer -EIO as first-read does", async () => {
  const { folder, large } = await makeStore();
  change(folder, "DELETE FROM objects WHERE digest = ?", large.chunks[1]!.digest.bytes);
  for (const verify of ["first-read", "entry", "always"] as const) {
    const lines: string[] = [];
    const mapper = new TestFileMapper();
    using reader = openDiskReader(folder, {
      mapper,
      logger: { log: (_, text) => lines.push(text) },
      verify,
    });
    const blob = reader.blob(large.digest.bytes, 0)!;
    for (let round = 0; round < 2; round++) {
      expect(blob.read(0, LARGE.length, new TestSink(mapper))).toBe(-EIO);
    }
    expect(lines).toEqual(["chunk is not in the store"]);
  }
});

test("the list of misses is bounded", () => {
  const misses = new Misses();
  for (let i = 0; i < 2 * MISSES_MAX; i++)
    misses.add("chunk", blake3(Uint8Array.of(i)).bytes, 0, false);
  expect(misses.wanted).toHaveLength(MISSES_MAX);
  misses.clear();
  expect(misses.wanted).toHaveLength(0);
});

/** What a store on disk does when its files are not what they were. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { EIO } from "../../src/base/errno.ts";
import type { LogFields, Logger } from "../../src/base/logger.ts";
import type { Digest } from "../../src/castore/digest.ts";
import { Directory } from "../../src/castore/directory.ts";
import { parseName } from "../../src/castore/name.ts";
import type { DirectoryNode } from "../../src/castore/node.ts";
import { fileNode } from "../../src/castore/node.ts";
import { WRITERS_MAX } from "../../src/store/disk-layout.ts";
import { openDiskReader } from "../../src/store/disk-reader.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import {
  CorruptObject,
  StoreAbsent,
  StoreBusy,
  StoreError,
  UnsupportedFormat,
} from "../../src/store/errors.ts";
import type { StoreWriter } from "../../src/store/store-writer.ts";
import { verifyStore } from "../../src/store/upkeep/verify.ts";
import { TestFileMapper, TestSink } from "./file-mapper.ts";
import { noise, temporaryFolder } from "./temporary.ts";

const SMALL = noise(5000, 1);
const LARGE = noise(2_000_000, 2);

interface Contents {
  readonly folder: string;
  readonly small: Digest;
  readonly large: Digest;
  readonly directory: DirectoryNode;
}

/** A store with a small and a large blob, a directory of both, and a root. */
async function makeStore(): Promise<Contents> {
  const folder = join(temporaryFolder(), "store");
  using store = openDiskStore(folder, { create: true });
  using writer = await store.openWriter();
  const small = writer.putBlob(SMALL);
  const large = writer.putBlob(LARGE);
  const directory = writer.putDirectory(
    Directory.of([
      { name: parseName("large"), node: fileNode(large.digest, large.size, false) },
      { name: parseName("small"), node: fileNode(small.digest, small.size, true) },
    ]),
  );
  writer.putRoot(parseName("root"), directory);
  return { folder, small: small.digest, large: large.digest, directory };
}

class Lines implements Logger {
  readonly lines: { message: string; fields: LogFields | undefined }[] = [];

  log(_level: string, message: string, fields?: LogFields): void {
    this.lines.push({ message, fields });
  }
}

function openReader(folder: string) {
  const mapper = new TestFileMapper();
  const logger = new Lines();
  const reader = openDiskReader(folder, { mapper, logger });
  onTestFinished(() => reader[Symbol.dispose]());
  return { reader, logger, mapper, sink: new TestSink(mapper) };
}

const segment = (folder: string) => join(folder, "segments", "00000001.seg");

/** Flips a bit in the segment, where `needle` lies. */
function flip(folder: string, needle: Uint8Array, offset: number): void {
  const at = readFileSync(segment(folder)).indexOf(needle.subarray(0, 64));
  const fd = openSync(segment(folder), "r+");
  writeSync(fd, Uint8Array.of(needle[offset]! ^ 4), 0, 1, at + offset);
  closeSync(fd);
}

function changeIndex(folder: string, sql: string, ...values: (Uint8Array | number)[]): void {
  const database = new DatabaseSync(join(folder, "index.sqlite"));
  database.prepare(sql).run(...values);
  database.close();
}

test("a flipped bit in a small blob is an EIO with the digest in the log", async () => {
  const { folder, small, large } = await makeStore();
  flip(folder, SMALL, 4999);
  const { reader, logger, sink } = openReader(folder);
  const blob = reader.blob(small.bytes, 0)!;
  expect(blob.read(0, 10, sink)).toBe(-EIO);
  expect(sink.take().length).toBe(0);
  expect(logger.lines).toEqual([
    { message: "chunk is rotten", fields: { digest: small.toString() } },
  ]);
  expect(reader.blob(large.bytes, 0)!.read(0, LARGE.length, sink)).toBe(0);
  const report = await verifyStore(folder);
  expect(report.faults).toBe(1);
  expect(report.listed[0]).toMatchObject({ what: "chunk", which: small.toString() });
});

test("a flipped bit in a chunk of a large blob spares the ranges beside it", async () => {
  const { folder, large } = await makeStore();
  flip(folder, LARGE, 1_000_000);
  const { reader, logger, sink } = openReader(folder);
  const blob = reader.blob(large.bytes, 0)!;
  expect(blob.read(0, 100_000, sink)).toBe(0);
  expect(blob.read(1_900_000, 100_000, sink)).toBe(0);
  expect(blob.read(0, LARGE.length, sink)).toBe(-EIO);
  expect(blob.read(1_000_000, 1, sink)).toBe(-EIO);
  expect(logger.lines.every(({ message }) => message === "chunk is rotten")).toBe(true);
  using store = openDiskStore(folder);
  await expect(drain(store.blobs.read(large))).rejects.toBeInstanceOf(CorruptObject);
  const report = await verifyStore(folder);
  expect(report.listed.map(({ what }) => what)).toEqual(["chunk", "blob"]);
});

test("a chunk is checked once: later rot is for the disk to notice", async () => {
  const { folder, small } = await makeStore();
  const { reader, sink } = openReader(folder);
  expect(reader.blob(small.bytes, 0)!.read(0, 10, sink)).toBe(0);
  flip(folder, SMALL, 4999);
  expect(reader.blob(small.bytes, 0)!.read(0, 10, sink)).toBe(0);
});

test("a rotten directory is refused as such", async () => {
  const { folder, directory } = await makeStore();
  const bytes = openReader(folder).reader.directory(directory.digest.bytes, 0)!;
  flip(folder, bytes, 12);
  const { reader } = openReader(folder);
  expect(() => reader.directory(directory.digest.bytes, 0)).toThrow(CorruptObject);
  using store = openDiskStore(folder);
  await expect(store.directories.get(directory.digest)).rejects.toBeInstanceOf(CorruptObject);
  const report = await verifyStore(folder);
  expect(report.listed.map(({ what }) => what)).toEqual(["directory", "root"]);
});

test("a truncated or missing segment is an EIO, and verify names what is lost", async () => {
  const { folder, small, large, directory } = await makeStore();
  const open = openReader(folder);
  const opened = open.reader.blob(large.bytes, 0)!;
  expect(opened.read(0, LARGE.length, open.sink)).toBe(0);
  truncateSync(segment(folder), 300_000);
  expect(opened.read(1_000_000, 500_000, open.sink)).toBe(-EIO);
  expect(opened.read(1_000_000, 500_000, open.sink)).toBe(-EIO);
  expect(open.logger.lines.length).toBe(1);
  expect((await verifyStore(folder)).faults).toBeGreaterThan(2);
  rmSync(segment(folder));
  const { reader, sink, logger } = openReader(folder);
  expect(reader.blob(small.bytes, 0)!.read(0, 1, sink)).toBe(-EIO);
  expect(logger.lines[0]).toMatchObject({ message: "segment cannot be mapped" });
  expect(() => reader.directory(directory.digest.bytes, 0)).toThrow(CorruptObject);
  await expect(openDiskStore(folder).directories.get(directory.digest)).rejects.toBeInstanceOf(
    CorruptObject,
  );
});

test("locations that make no sense are caught, whatever they are", async () => {
  const { folder, small, large, directory } = await makeStore();
  const number = fc.oneof(
    fc.constantFrom(-1, 0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 40, 2 ** 53 - 1, 16_385),
    fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  );
  const { reader, sink } = openReader(folder);
  using store = openDiskStore(folder);
  await fc.assert(
    fc.asyncProperty(number, number, number, async (inSegment, offset, length) => {
      changeIndex(
        folder,
        "UPDATE objects SET segment = ?, offset = ?, length = ?",
        inSegment,
        offset,
        length,
      );
      for (const digest of [small, large]) {
        expect(attempt(() => reader.blob(digest.bytes, 0)!.read(0, 1, sink))).toBe(-EIO);
      }
      expect(() => reader.directory(directory.digest.bytes, 0)).toThrow(CorruptObject);
      await expect(store.directories.get(directory.digest)).rejects.toBeInstanceOf(CorruptObject);
      await expect(drain(store.blobs.read(large))).rejects.toBeInstanceOf(StoreError);
      expect((await verifyStore(folder)).faults).toBeGreaterThan(0);
    }),
    { numRuns: 40 },
  );
});

test("a chunk list that was tampered with is refused", async () => {
  const { folder, large, small } = await makeStore();
  const swapped =
    "UPDATE blobs SET chunks = CAST(substr(chunks, 37) || substr(chunks, 1, 36) AS BLOB)";
  changeIndex(folder, swapped);
  expect(() => openReader(folder).reader.blob(large.bytes, 0)).toThrow(CorruptObject);
  changeIndex(folder, "UPDATE blobs SET chunks = substr(chunks, 2)");
  expect(() => openReader(folder).reader.blob(large.bytes, 0)).toThrow(CorruptObject);
  changeIndex(folder, "UPDATE blobs SET size = -1");
  expect(() => openReader(folder).reader.blob(large.bytes, 0)).toThrow(CorruptObject);
  expect(openReader(folder).reader.blob(small.bytes, 0)).toBeDefined();
  expect((await verifyStore(folder)).listed.some(({ what }) => what === "blob")).toBe(true);
});

test("an index that places one chunk where another lies serves neither's bytes as the other's", async () => {
  const { folder, small } = await makeStore();
  using store = openDiskStore(folder);
  const other = await store.blobs.put([noise(5000, 77)]);
  const { reader, sink } = openReader(folder);
  expect(reader.blob(small.bytes, 0)!.read(0, 5000, sink)).toBe(0);
  changeIndex(
    folder,
    `UPDATE objects SET (segment, offset) =
       (SELECT segment, offset FROM objects WHERE digest = ?) WHERE digest = ?`,
    small.bytes,
    other.digest.bytes,
  );
  expect(reader.blob(other.digest.bytes, 0)!.read(0, 5000, sink)).toBe(-EIO);
  expect(reader.blob(small.bytes, 0)!.read(0, 5000, sink)).toBe(0);
});

test("a damaged root is an error, not another root", async () => {
  const { folder } = await makeStore();
  changeIndex(
    folder,
    "UPDATE roots SET entry = CAST(substr(entry, 1, 20) || x'ff' || substr(entry, 22) AS BLOB)",
  );
  using store = openDiskStore(folder);
  await expect(store.roots.get(parseName("root"))).rejects.toBeInstanceOf(StoreError);
  expect(() => openReader(folder).reader.roots().get(Buffer.from("root"))).toThrow(StoreError);
  expect((await verifyStore(folder)).listed[0]).toMatchObject({ what: "root", which: "root" });
});

test("beside a damaged root the others are listed", async () => {
  const { folder, directory } = await makeStore();
  using store = openDiskStore(folder);
  for (const name of ["a", "z"]) await store.roots.put(parseName(name), directory);
  changeIndex(folder, "UPDATE roots SET checksum = zeroblob(32) WHERE name = ?", Buffer.from("a"));
  changeIndex(folder, "INSERT INTO roots VALUES (x'2f', x'', x'')");
  const named = (await store.roots.list()).map(({ name }) => Buffer.from(name).toString());
  expect(named).toEqual(["root", "z"]);
  await expect(store.roots.get(parseName("a"))).rejects.toBeInstanceOf(StoreError);
  expect((await verifyStore(folder)).faults).toBe(2);
  await store.roots.put(parseName("a"), directory);
  expect(await store.roots.get(parseName("a"))).toEqual(directory);
});

test("a writer mends what is damaged in the index, if it puts it again", async () => {
  const { folder, large } = await makeStore();
  changeIndex(folder, "UPDATE blobs SET chunks = zeroblob(length(chunks))");
  using store = openDiskStore(folder);
  await expect(store.blobs.stat(large)).rejects.toBeInstanceOf(CorruptObject);
  await store.blobs.put([LARGE]);
  expect((await store.blobs.stat(large))?.size).toBe(LARGE.length);
  expect((await verifyStore(folder)).faults).toBe(0);
});

test("which segment a slot goes on with is checked, and writing refused when it is wrong", async () => {
  const { folder } = await makeStore();
  using store = openDiskStore(folder);
  changeIndex(folder, "INSERT INTO segments VALUES (9, 0, x'')");
  changeIndex(folder, "UPDATE slots SET segment = 9");
  await expect(store.openWriter()).rejects.toThrow(/does not know how much is stored/);
  changeIndex(folder, "UPDATE slots SET segment = 1");
  changeIndex(folder, "DELETE FROM segments");
  await store.blobs.put([noise(10, 3)]);
  expect(readdirSync(join(folder, "segments"))).toEqual(["00000001.seg", "00000010.seg"]);
});

test("an index of random bytes, or with random bytes in it, is an error and nothing worse", async () => {
  const { folder, small, large, directory } = await makeStore();
  const path = join(folder, "index.sqlite");
  const sound = readFileSync(path);
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(fc.nat(sound.length - 64), fc.uint8Array({ minLength: 1, maxLength: 64 })),
        {
          minLength: 1,
          maxLength: 6,
        },
      ),
      async (patches) => {
        const damaged = Buffer.from(sound);
        for (const [at, bytes] of patches) damaged.set(bytes, at);
        rmSync(`${path}-wal`, { force: true });
        rmSync(`${path}-shm`, { force: true });
        writeFileSync(path, damaged);
        await survives(async () => {
          using reader = openDiskReader(folder, {
            mapper: new TestFileMapper(),
            logger: new Lines(),
          });
          reader.roots().list();
          reader.directory(directory.digest.bytes, 0);
          for (const digest of [small, large]) reader.blob(digest.bytes, 0);
        });
        await survives(async () => {
          await verifyStore(folder);
        });
      },
    ),
    { numRuns: Number(process.env["STORE_DAMAGE_RUNS"] ?? 60) },
  );
  writeFileSync(path, noise(10_000, 4));
  expect(() => openDiskStore(folder)).toThrow(/damaged/);
});

test("an absent store is said to be absent, and made when wanted", () => {
  const folder = join(temporaryFolder(), "a", "b");
  expect(() => openDiskStore(folder)).toThrow(StoreAbsent);
  expect(() => openReader(folder)).toThrow(StoreAbsent);
  openDiskStore(folder, { create: true })[Symbol.dispose]();
  openDiskStore(folder)[Symbol.dispose]();
  openDiskStore(folder, { create: true })[Symbol.dispose]();
});

test("a store whose making was interrupted is absent, and made when wanted", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "index.sqlite"), "");
  expect(() => openDiskStore(folder)).toThrow(StoreAbsent);
  openDiskStore(folder, { create: true })[Symbol.dispose]();
});

test("a newer format and somebody else's database are refused", async () => {
  const { folder } = await makeStore();
  changeIndex(folder, "PRAGMA user_version = 3");
  expect(() => openDiskStore(folder)).toThrow(UnsupportedFormat);
  changeIndex(folder, "PRAGMA user_version = 2");
  changeIndex(folder, "PRAGMA application_id = 7");
  expect(() => openDiskStore(folder, { create: true })).toThrow(StoreError);
});

test("a path that is no folder is an error with that path", () => {
  const file = join(temporaryFolder(), "file");
  writeFileSync(file, "");
  expect(() => openDiskStore(file, { create: true })).toThrow(StoreError);
  expect(() => openDiskStore(join(file, "x"), { create: true })).toThrow(StoreError);
});

test("as many write at a time as there are slots; one more waits a little, then says so", async () => {
  const { folder } = await makeStore();
  using store = openDiskStore(folder);
  const writers: StoreWriter[] = [];
  for (let i = 0; i < WRITERS_MAX; i += 1) writers.push(await store.openWriter());
  const begun = performance.now();
  await expect(store.openWriter({ waitMilliseconds: 300 })).rejects.toBeInstanceOf(StoreBusy);
  expect(performance.now() - begun).toBeGreaterThan(250);
  const waiting = store.openWriter({ waitMilliseconds: 5000 });
  setTimeout(() => writers.pop()![Symbol.dispose](), 100);
  writers.push(await waiting);
  for (const writer of writers) writer[Symbol.dispose]();
});

test("a reader sees what another connection commits after it was opened, and only then", async () => {
  const { folder } = await makeStore();
  const { reader, sink } = openReader(folder);
  using store = openDiskStore(folder);
  using writer = await store.openWriter();
  const blob = writer.putBlob(noise(1_000_000, 11));
  expect(reader.blob(blob.digest.bytes, 0)).toBeUndefined();
  writer.commit();
  expect(reader.blob(blob.digest.bytes, 0)!.read(0, 1_000_000, sink)).toBe(0);
});

test("what a writer did not commit is gone, and the next one writes over it", async () => {
  const { folder } = await makeStore();
  using store = openDiskStore(folder);
  {
    using writer = await store.openWriter();
    writer.putBlob(noise(6_000_000, 12));
  }
  const { digest } = await store.blobs.put([noise(1000, 13)]);
  expect((await verifyStore(folder)).faults).toBe(0);
  const { reader, sink } = openReader(folder);
  expect(reader.blob(digest.bytes, 0)!.read(0, 1000, sink)).toBe(0);
  expect(readFileSync(segment(folder)).length).toBe(reportedLength(folder));
});

test("nothing is written over when the index is wrong about the end of a segment", async () => {
  const { folder } = await makeStore();
  using store = openDiskStore(folder);
  changeIndex(folder, "UPDATE segments SET length = length - 1000");
  await expect(store.openWriter()).rejects.toBeInstanceOf(StoreError);
  changeIndex(folder, "UPDATE segments SET length = length + 1000");
  expect((await verifyStore(folder)).faults).toBe(0);
  truncateSync(segment(folder), 1000);
  await expect(store.blobs.put([noise(10, 10)])).rejects.toMatchObject({ path: segment(folder) });
});

test("a full disk is an error that says so, and what was stored before stays", async () => {
  const { folder, large } = await makeStore();
  const script = `
    import { openDiskStore } from ${JSON.stringify(source("disk-store"))};
    using store = openDiskStore(${JSON.stringify(folder)});
    const bytes = new Uint8Array(30_000_000).map((_, i) => (i * 2654435761) >>> 13);
    try { await store.blobs.put([bytes]); } catch (error) {
      console.log(error.name + "|" + error.message + "|" + error.remedy);
    }`;
  // A limit of the file size stands in for a full disk: EFBIG instead of ENOSPC.
  const out = execFileSync(
    "bash",
    [
      "-c",
      `trap '' XFSZ; ulimit -f 8000; exec "$0" --input-type=module-typescript -e "$1"`,
      process.execPath,
      script,
    ],
    { encoding: "utf8" },
  );
  expect(out).toMatch(/^StoreError\|/);
  expect((await verifyStore(folder)).faults).toBe(0);
  const { reader, sink } = openReader(folder);
  expect(reader.blob(large.bytes, 0)!.read(0, LARGE.length, sink)).toBe(0);
});

test("disposing of a reader gives back every mapping", async () => {
  const { folder, large } = await makeStore();
  const mapper = new TestFileMapper();
  {
    using reader = openDiskReader(folder, { mapper, logger: new Lines() });
    expect(reader.blob(large.bytes, 0)!.read(0, 10, new TestSink(mapper))).toBe(0);
    expect(mapper.mapped).toBe(1);
  }
  expect(mapper.mapped).toBe(0);
});

test("chunks that lie together are read with one copy", async () => {
  const { folder, large } = await makeStore();
  const { reader, sink } = openReader(folder);
  expect(reader.blob(large.bytes, 0)!.read(1, LARGE.length - 2, sink)).toBe(0);
  expect(sink.mappedCopies).toBe(1);
});

test("a store in a folder that may only be read can be read, and not written", async () => {
  const { folder, small } = await makeStore();
  for (const name of readdirSync(folder)) {
    if (/-(wal|shm)$/.test(name)) rmSync(join(folder, name));
  }
  execFileSync("chmod", ["-R", "a+rX,a-w", dirname(folder)]);
  onTestFinished(() => {
    execFileSync("chmod", ["-R", "u+w", dirname(folder)]);
  });
  // Root may write anywhere: ask as nobody then.
  const script = `
    import { openDiskStore } from ${JSON.stringify(source("disk-store"))};
    import { Digest } from ${JSON.stringify(source("../castore/digest"))};
    if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
    using store = openDiskStore(${JSON.stringify(folder)});
    const stat = await store.blobs.stat(Digest.parse("${small}"));
    const refusal = await store.openWriter().catch((error) => error);
    console.log(stat.size + "|" + refusal.name + "|" + refusal.remedy);`;
  const out = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", script]);
  expect(out.toString()).toBe("5000|StoreError|check the permissions of the store\n");
});

function source(name: string): string {
  return new URL(`../../src/store/${name}.ts`, import.meta.url).pathname;
}

function reportedLength(folder: string): number {
  const database = new DatabaseSync(join(folder, "index.sqlite"), { readOnly: true });
  const row = database.prepare("SELECT length FROM segments").get();
  database.close();
  return Number(row!["length"]);
}

async function drain(pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of pieces);
}

/** The result of `run`, or -EIO when it throws what a file system answers with EIO. */
function attempt(run: () => number): number {
  try {
    return run();
  } catch (error) {
    if (error instanceof StoreError) return -EIO;
    throw error;
  }
}

async function survives(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
  }
}

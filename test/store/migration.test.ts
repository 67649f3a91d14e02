/** Stores of format 1, as the first version made them, become what this version works with. */
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { Directory } from "../../src/castore/directory.ts";
import { parseName } from "../../src/castore/name.ts";
import type { DirectoryNode } from "../../src/castore/node.ts";
import { fileNode } from "../../src/castore/node.ts";
import { BlobTable } from "../../src/store/blob-table.ts";
import { ObjectTable } from "../../src/store/disk-index.ts";
import { APPLICATION_ID, OBJECT_DIRECTORY } from "../../src/store/disk-layout.ts";
import { readOlderSchema } from "../../src/store/disk-schema.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { verifyStore } from "../../src/store/upkeep/verify.ts";
import { checkStore } from "./store-check.ts";
import { noise, temporaryFolder } from "./temporary.ts";

const LARGE = noise(1_000_000, 5);
const SMALL = noise(3000, 7);

/** Word for word what the first version made. */
const FORMAT_1 = `
  CREATE TABLE objects (
    kind INTEGER NOT NULL, digest BLOB NOT NULL,
    segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (kind, digest)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE blobs (
    digest BLOB PRIMARY KEY, size INTEGER NOT NULL, chunks BLOB NOT NULL, checksum BLOB NOT NULL
  ) STRICT;
  CREATE TABLE roots (
    name BLOB PRIMARY KEY, entry BLOB NOT NULL, checksum BLOB NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE segments (
    id INTEGER PRIMARY KEY, length INTEGER NOT NULL, checksum BLOB NOT NULL
  ) STRICT;
`;

interface Old {
  readonly folder: string;
  readonly node: DirectoryNode;
}

/** A store of format 1 with a tree under the name "old": segments are the same in both formats. */
async function makeOld(): Promise<Old> {
  const folder = join(temporaryFolder(), "store");
  const node = await fill(folder);
  const path = join(folder, "index.sqlite");
  const newer = join(folder, "newer.sqlite");
  const database = new DatabaseSync(path);
  database.exec(`VACUUM INTO '${newer}'`);
  database.close();
  rmSync(path);
  const old = new DatabaseSync(path);
  old.exec(`PRAGMA journal_mode = WAL; ${FORMAT_1} ATTACH '${newer}' AS newer;
    INSERT INTO objects SELECT kind, digest, segment, offset, length FROM newer.objects;
    INSERT INTO blobs SELECT digest, size, chunks, checksum FROM newer.blobs;
    INSERT INTO roots SELECT * FROM newer.roots;
    INSERT INTO segments SELECT * FROM newer.segments;
    PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1`);
  old.close();
  rmSync(newer);
  rmSync(join(folder, "writers"), { recursive: true });
  writeFileSync(join(folder, "writer.lock"), "");
  return { folder, node };
}

async function fill(folder: string): Promise<DirectoryNode> {
  using store = openDiskStore(folder, { create: true, segmentBytesMax: 700_000 });
  using writer = await store.openWriter();
  const large = writer.putBlob(LARGE);
  const small = writer.putBlob(SMALL);
  const node = writer.putDirectory(
    Directory.of([
      { name: parseName("large"), node: fileNode(large.digest, large.size, false) },
      { name: parseName("small"), node: fileNode(small.digest, small.size, true) },
    ]),
  );
  writer.putRoot(parseName("old"), node);
  return node;
}

function version(folder: string): number {
  const database = new DatabaseSync(join(folder, "index.sqlite"), { readOnly: true });
  const row = database.prepare("PRAGMA user_version").get();
  database.close();
  return Number(row?.["user_version"]);
}

test("a store of format 1 keeps everything, and takes more", async () => {
  const { folder, node } = await makeOld();
  using store = openDiskStore(folder, { create: true });
  expect(version(folder)).toBe(2);
  expect(await store.roots.get(parseName("old"))).toEqual(node);
  expect((await store.directories.get(node.digest))?.entries.length).toBe(2);
  const before = checkStore(folder);
  expect([before.directories.size, before.blobs.size]).toEqual([1, 1]);
  {
    using writer = await store.openWriter();
    writer.putBlob(LARGE);
    expect(writer.newBytes).toBe(0);
    writer.putBlob(noise(50_000, 9));
    writer.putRoot(parseName("new"), node);
  }
  expect((await store.roots.list()).length).toBe(2);
  expect((await verifyStore(folder)).faults).toBe(0);
  expect(checkStore(folder).size).toBe(before.size + 1);
});

test("a writer never goes on in a segment that an importer of format 1 may still write to", async () => {
  const { folder } = await makeOld();
  const before = readdirSync(join(folder, "segments"));
  using store = openDiskStore(folder);
  await store.blobs.put([noise(10, 3)]);
  const after = readdirSync(join(folder, "segments"));
  expect(after.length).toBe(before.length + 1);
});

test("who may not write reads a store of format 1 as it is", async () => {
  const { folder, node } = await makeOld();
  for (const suffix of ["-wal", "-shm"]) {
    rmSync(join(folder, `index.sqlite${suffix}`), { force: true });
  }
  const source = (name: string) =>
    JSON.stringify(new URL(`../../src/store/${name}.ts`, import.meta.url).pathname);
  const script = `
    import { openDiskStore } from ${source("disk-store")};
    import { verifyStore } from ${source("upkeep/verify")};
    import { parseName } from ${source("../castore/name")};
    if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
    using store = openDiskStore(${JSON.stringify(folder)});
    const { digest } = await store.roots.get(parseName("old"));
    const directory = await store.directories.get(digest);
    const stat = await store.blobs.stat(directory.entries[0].node.digest);
    const { faults, roots } = await verifyStore(${JSON.stringify(folder)});
    console.log(digest.hex, stat.size, roots, faults);`;
  execFileSync("chmod", ["-R", "a+rX,a-w", dirname(folder)]);
  onTestFinished(() => {
    execFileSync("chmod", ["-R", "u+w", dirname(folder)]);
  });
  const args = ["--input-type=module-typescript", "-e", script];
  const out = execFileSync(process.execPath, args, { encoding: "utf8" });
  expect(out).toBe(`${node.digest.hex} ${LARGE.length} 1 0\n`);
  expect(version(folder)).toBe(1);
});

test("of many that open a store of format 1 at once one migrates it, and all can read", async () => {
  const { folder, node } = await makeOld();
  const source = new URL("../../src/store/disk-store.ts", import.meta.url).pathname;
  const script = `
    import { openDiskStore } from ${JSON.stringify(source)};
    using store = openDiskStore(${JSON.stringify(folder)});
    console.log((await store.roots.list())[0].node.digest.hex);`;
  const shell = `for i in 1 2 3 4; do "$0" --input-type=module-typescript -e "$1" & done; wait`;
  const out = execFileSync("bash", ["-c", shell, process.execPath, script], { encoding: "utf8" });
  expect(out).toBe(`${node.digest.hex}\n`.repeat(4));
  expect(version(folder)).toBe(2);
});

test("who reads format 1 as it is notices when another migrates the store", async () => {
  const { folder, node } = await makeOld();
  const path = join(folder, "index.sqlite");
  const reader = new DatabaseSync(path, { readOnly: true });
  readOlderSchema(reader);
  const objects = new ObjectTable(reader);
  const blobs = new BlobTable(reader);
  const [digest] = blobDigests(reader);
  expect(objects.isWhole(OBJECT_DIRECTORY, node.digest.bytes)).toBe(true);
  expect(blobs.find(digest!)).toMatchObject({ size: LARGE.length, whole: true });
  openDiskStore(folder, { create: true })[Symbol.dispose]();
  const writer = new DatabaseSync(path);
  writer.exec("UPDATE objects SET whole = 0; UPDATE blobs SET whole = 0");
  expect(objects.isWhole(OBJECT_DIRECTORY, node.digest.bytes)).toBe(false);
  expect(blobs.find(digest!)).toMatchObject({ size: LARGE.length, whole: false });
  writer.close();
  reader.close();
});

function blobDigests(database: DatabaseSync): Uint8Array[] {
  const rows = database.prepare("SELECT digest FROM blobs").all();
  return rows.map((row) => row["digest"] as Uint8Array);
}

/** Object storage in a folder of this host. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { openFolderSource } from "../../../src/store/object/folder-source.ts";
import { readAll } from "../conformance-services.ts";
import { noise, temporaryFolder } from "../temporary.ts";
import { filesIn, folderSource } from "./buckets.ts";
import { key } from "./reference-format.ts";

const HELLO = Buffer.from("Hello World!");
const DIGEST = blake3(HELLO);

test("a folder that is not there is unavailable, not empty, and is never made", async () => {
  const folder = join(temporaryFolder(), "mount");
  const { blobs, directories } = await folderSource(folder);
  const gone = {
    name: "SourceUnavailable",
    message: expect.stringContaining("the folder is not there"),
    remedy: expect.stringContaining("mount"),
  };
  await expect(blobs.stat(DIGEST)).rejects.toMatchObject(gone);
  await expect(directories.get(DIGEST)).rejects.toMatchObject(gone);
  await expect(blobs.put([HELLO])).rejects.toMatchObject(gone);
  mkdirSync(folder);
  expect(await blobs.stat(DIGEST)).toBeUndefined();
  await blobs.put([HELLO]);
  expect((await blobs.stat(DIGEST))!.size).toBe(12);
  rmSync(folder, { recursive: true });
  await expect(blobs.stat(DIGEST)).rejects.toMatchObject(gone);
});

test("what is in the way of an object is an error that names it", async () => {
  const folder = temporaryFolder();
  const { blobs } = await folderSource(folder);
  const path = join(folder, key("chunks", DIGEST.hex));
  mkdirSync(path, { recursive: true });
  await expect(blobs.stat(DIGEST)).rejects.toMatchObject({ name: "SourceUnavailable", path });
  rmSync(join(folder, "chunks"), { recursive: true });
  writeFileSync(join(folder, "chunks"), "a file");
  await expect(blobs.stat(DIGEST)).rejects.toMatchObject({ name: "SourceUnavailable", path });
});

test("only whole objects have the name of one, and nothing else is left", async () => {
  const folder = temporaryFolder();
  const { blobs } = await folderSource(folder);
  const many = Array.from({ length: 20 }, (_, i) => noise(300_000 + i, 2 * i));
  const digests = await Promise.all(many.map(async (bytes) => (await blobs.put([bytes])).digest));
  expect(
    [...filesIn(folder).keys()].filter((name) => !/^\w+\/b3\/\w{4}\/\w{64}$/.test(name)),
  ).toEqual([]);
  for (const [i, digest] of digests.entries()) {
    expect((await readAll(blobs.read(digest))).equals(many[i]!)).toBe(true);
  }
});

test("a folder that may not be written to says so", async () => {
  // Nobody makes folders there, whoever he is.
  const { blobs } = await folderSource("/sys");
  await expect(blobs.put([HELLO])).rejects.toMatchObject({
    name: "StoreError",
    message: expect.stringMatching(/permission denied|read-only/),
  });
});

test("an address that is none of a folder is refused", async () => {
  const url = new URL("file://elsewhere/folder");
  await expect(openFolderSource(url, { timeoutMilliseconds: 1 })).rejects.toMatchObject({
    name: "StoreError",
    remedy: expect.stringContaining("three slashes"),
  });
});

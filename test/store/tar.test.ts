import { PassThrough, Readable } from "node:stream";
import { constants, createZstdCompress, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { pack } from "tar-stream";
import { expect, test } from "vitest";
import type { Directory } from "../../src/castore/directory.ts";
import type { Node } from "../../src/castore/node.ts";
import { ImportError } from "../../src/store/errors.ts";
import type { ImportOptions } from "../../src/store/import-session.ts";
import { importTar } from "../../src/store/import-tar.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { readTarHeader, tarPadding, writeTarHeader } from "../../src/store/tar-header.ts";
import { noise } from "./temporary.ts";

interface Part {
  readonly type?: string;
  readonly name: string | Uint8Array;
  readonly link?: string | Uint8Array;
  readonly mode?: number;
  readonly bytes?: Uint8Array;
  readonly size?: number;
}

/** An archive of these entries, without an end. */
function archive(...parts: Part[]): Buffer {
  const blocks: Uint8Array[] = [];
  for (const { type = "0", name, link = "", mode = 0o644, bytes, size } of parts) {
    const contents = bytes ?? new Uint8Array(0);
    const header = {
      type,
      name: Buffer.from(name),
      linkName: Buffer.from(link),
      mode,
      size: size ?? contents.length,
    };
    blocks.push(writeTarHeader(header), contents, new Uint8Array(tarPadding(contents.length)));
  }
  return Buffer.concat(blocks);
}

const END = new Uint8Array(1024);
const text = (value: string) => Buffer.from(value);

async function importBytes(bytes: Uint8Array, options: ImportOptions = {}) {
  const store = new MemoryStore();
  return { store, result: await importTar(store, Readable.from([bytes]), options) };
}

async function tree(bytes: Uint8Array): Promise<Record<string, string>> {
  const { store, result } = await importBytes(bytes);
  const paths: Record<string, string> = {};
  async function visit(node: Node, path: string): Promise<void> {
    if (node.kind === "symlink") {
      paths[path] = `-> ${Buffer.from(node.target).toString("latin1")}`;
    } else if (node.kind === "file") {
      const pieces: Uint8Array[] = [];
      for await (const piece of store.blobs.read(node.digest)) pieces.push(piece.slice());
      paths[path] = Buffer.concat(pieces).toString("latin1") + (node.executable ? " *" : "");
    } else {
      if (path !== "") paths[`${path}/`] = "";
      const directory: Directory | undefined = await store.directories.get(node.digest);
      for (const { name, node: child } of directory!.entries) {
        await visit(child, `${path}/${Buffer.from(name).toString("latin1")}`);
      }
    }
  }
  await visit(result.node, "");
  return paths;
}

async function refusal(bytes: Uint8Array): Promise<string> {
  try {
    await importBytes(bytes);
  } catch (error) {
    if (error instanceof ImportError) return error.message;
    throw error;
  }
  return "accepted";
}

test("files, folders, symlinks and hard links come out where they should", async () => {
  const bytes = archive(
    { type: "5", name: "./" },
    { name: "./a/file", bytes: text("one"), mode: 0o755 },
    { type: "5", name: "./a/" },
    { type: "2", name: "link", link: "a/file" },
    { type: "1", name: "b/hard", link: "./a/file" },
    { type: "1", name: "b/hard-link-to-symlink", link: "link" },
    { name: "old-style-folder/" },
  );
  expect(await tree(Buffer.concat([bytes, END]))).toEqual({
    "/a/": "",
    "/a/file": "one *",
    "/b/": "",
    "/b/hard": "one *",
    "/b/hard-link-to-symlink": "-> a/file",
    "/link": "-> a/file",
    "/old-style-folder/": "",
  });
});

test("later entries take the place of earlier ones, and folders keep what is in them", async () => {
  const bytes = archive(
    { name: "x", bytes: text("first") },
    { name: "d/keep", bytes: text("kept") },
    { name: "x", bytes: text("second") },
    { type: "5", name: "d" },
    { name: "was-file", bytes: text("a file") },
    { name: "was-file/inside", bytes: text("now a folder") },
    { name: "e/gone", bytes: text("gone") },
    { name: "e", bytes: text("now a file") },
  );
  expect(await tree(bytes)).toEqual({
    "/d/": "",
    "/d/keep": "kept",
    "/e": "now a file",
    "/was-file/": "",
    "/was-file/inside": "now a folder",
    "/x": "second",
  });
});

test("names that are not UTF-8 come through, in a header, a long name and a pax record", async () => {
  const raw = Buffer.from([0x66, 0xff, 0x80]);
  const long = Buffer.concat([Buffer.alloc(150, 0xfe), text("/"), Buffer.alloc(200, 0xfd)]);
  const record = (key: string, value: Uint8Array) => {
    const rest = Buffer.concat([text(` ${key}=`), value, text("\n")]);
    const length = rest.length + String(rest.length + 3).length;
    return Buffer.concat([text(String(length)), rest]);
  };
  const bytes = archive(
    { name: raw, bytes: text("1") },
    { type: "L", name: "././@LongLink", bytes: Buffer.concat([long, Uint8Array.of(0)]) },
    { name: "cut", bytes: text("2") },
    {
      type: "x",
      name: "pax",
      bytes: Buffer.concat([record("path", Buffer.from([0xfc])), record("linkpath", raw)]),
    },
    { type: "2", name: "cut", link: "cut" },
  );
  const paths = await tree(bytes);
  expect(paths[`/${raw.toString("latin1")}`]).toBe("1");
  expect(paths[`/${long.toString("latin1")}`]).toBe("2");
  expect(paths["/\xfc"]).toBe(`-> ${raw.toString("latin1")}`);
});

test("an archive made by another packer imports", async () => {
  const packer = pack();
  packer.entry({ name: "größe", mode: 0o755 }, "contents");
  packer.entry({ name: `${"d".repeat(90)}/${"e".repeat(120)}` }, "long");
  packer.entry({ name: "link", type: "symlink", linkname: "größe" });
  packer.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of packer) chunks.push(chunk as Buffer);
  const paths = await tree(Buffer.concat(chunks));
  expect(Object.values(paths).sort()).toEqual([
    "",
    `-> ${text("größe").toString("latin1")}`,
    "contents *",
    "long",
  ]);
});

test("what leads out of the archive or is no plain file is refused, saying so", async () => {
  const link: Part = { type: "2", name: "link", link: "/etc" };
  expect(await refusal(archive({ name: "/etc/passwd" }))).toMatch(/absolute/);
  expect(await refusal(archive({ name: "a/../../b" }))).toMatch(/\.\./);
  expect(await refusal(archive(link, { name: "link/passwd" }))).toMatch(/symlink/);
  expect(await refusal(archive({ type: "1", name: "x", link: "absent" }))).toMatch(/hard link/);
  expect(await refusal(archive({ type: "1", name: "x", link: "../x" }))).toMatch(/\.\./);
  expect(await refusal(archive({ type: "2", name: "x" }))).toMatch(/target is empty/);
  expect(await refusal(archive({ type: "2", name: "./", link: "x" }))).toMatch(/root/);
  expect(await refusal(archive({ type: "4", name: "sda" }))).toMatch(/block device/);
  expect(await refusal(archive({ type: "S", name: "sparse" }))).toMatch(/type "S"/);
  expect(await refusal(archive({ name: `a/${"n".repeat(90)}`, type: "M" }))).toMatch(/type "M"/);
});

test("special files can be left out", async () => {
  const bytes = archive({ type: "3", name: "dev/null" }, { name: "dev/file", bytes: text("x") });
  const { result } = await importBytes(bytes, { skipSpecial: true });
  expect(result).toMatchObject({
    files: 1,
    skipped: [{ path: "dev/null", kind: "character device" }],
  });
});

test("what is no archive, or a compressed or damaged one, is said to be so", async () => {
  const sound = archive({ name: "x", bytes: noise(3000, 1) });
  expect(await refusal(new Uint8Array(0))).toMatch(/too short/);
  expect(await refusal(noise(2000, 3))).toMatch(/not a tar archive/);
  expect(await refusal(Buffer.from("fd377a585a00".padEnd(1400, "0"), "hex"))).toMatch(/with xz$/);
  expect(await refusal(sound.subarray(0, 2000))).toMatch(/ends too early/);
  expect(await refusal(sound.subarray(0, sound.length - 1))).toMatch(/ends too early/);
  expect(await refusal(Buffer.concat([sound, noise(512, 4)]))).toMatch(/checksum/);
  expect(await refusal(sound)).toBe("accepted");
  expect(await refusal(END)).toBe("accepted");
});

/** As the zstd program does it. */
const CHECKED = { params: { [constants.ZSTD_c_checksumFlag]: 1 } };

const COMPRESSORS = [
  ["gzip", (bytes: Uint8Array) => gzipSync(bytes)],
  ["zstd", (bytes: Uint8Array) => zstdCompressSync(bytes, CHECKED)],
] as const;

test.each(COMPRESSORS)(
  "an archive compressed with %s imports as what it is",
  async (name, compress) => {
    const sound = archive(
      { name: "a/file", bytes: noise(700_000, 1) },
      { name: "zeros", bytes: new Uint8Array(3_000_000) },
    );
    const expected = await importBytes(sound);
    const compressed = compress(sound);
    expect((await importBytes(compressed)).result).toEqual(expected.result);
    // In two parts, each compressed by itself; and with what tape drives leave behind it.
    const parts = [sound.subarray(0, 100_000), sound.subarray(100_000)].map(compress);
    for (const padding of [new Uint8Array(0), new Uint8Array(10_240), Uint8Array.of(0)]) {
      const padded = Buffer.concat([...parts, padding]);
      expect((await importBytes(padded)).result).toEqual(expected.result);
    }
    const bytewise = async function* () {
      for (const byte of compressed.subarray(0, 700)) yield Uint8Array.of(byte);
      yield compressed.subarray(700);
    };
    expect((await importTar(new MemoryStore(), bytewise())).node).toEqual(expected.result.node);
    expect(await refusal(compressed.subarray(0, compressed.length / 2))).toMatch(
      new RegExp(`compressed with ${name}, and damaged`),
    );
    // In the middle of a file, where no header of the archive tells.
    const damaged = Buffer.from(compressed);
    damaged[300_000]! ^= 1;
    expect(await refusal(damaged)).toMatch(/damaged/);
    expect(await refusal(compress(noise(3000, 3)))).toBe("this is not a tar archive");
    expect(await refusal(compress(compressed))).toBe(`the archive is compressed with ${name}`);
  },
);

test("what zstd would need too much memory for is refused", async () => {
  const params = {
    [constants.ZSTD_c_windowLog]: 28,
    [constants.ZSTD_c_contentSizeFlag]: 0,
    [constants.ZSTD_c_enableLongDistanceMatching]: 1,
  };
  const compressor = createZstdCompress({ params });
  compressor.end(archive({ name: "x", bytes: noise(3000, 1) }));
  const pieces: Buffer[] = [];
  for await (const piece of compressor) pieces.push(piece as Buffer);
  expect(await refusal(Buffer.concat(pieces))).toMatch(/compressed with zstd, and damaged/);
});

test("an import ends when it is told to, though nothing comes", async () => {
  for (const start of [new Uint8Array(0), gzipSync(archive({ name: "x" })).subarray(0, 20)]) {
    const source = new PassThrough();
    source.write(start);
    const controller = new AbortController();
    const run = importTar(new MemoryStore(), source, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await expect(run).rejects.toThrow("enough");
    expect(source.destroyed).toBe(true);
  }
});

test("an archive cut into pieces of any size gives the same", async () => {
  const bytes = archive(
    { name: "a", bytes: noise(700_000, 5) },
    { type: "L", name: "././@LongLink", bytes: Buffer.alloc(300, "n") },
    { name: "n" },
    { name: "b", bytes: text("b") },
  );
  // The long name is longer than a name may be.
  expect(await refusal(bytes)).toBe("name is longer than 255 bytes");
  const sound = archive({ name: "a", bytes: noise(700_000, 5) }, { name: "b", bytes: text("b") });
  const expected = (await importBytes(sound)).result;
  for (const step of [7, 511, 513, 100_000]) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < sound.length; at += step) pieces.push(sound.subarray(at, at + step));
    const result = await importTar(new MemoryStore(), Readable.from(pieces));
    expect(result.node).toEqual(expected.node);
  }
});

test("archives with anything changed in them import or are refused, nothing else", async () => {
  const sound = archive(
    { type: "5", name: "d/" },
    { name: "d/x", bytes: noise(600, 1) },
    { type: "2", name: "l", link: "d/x" },
    { type: "x", name: "pax", bytes: text("12 path=ab\n\n".slice(0, 11)) },
    { name: "cut", bytes: text("contents") },
    { type: "1", name: "h", link: "d/x" },
  );
  const patch = fc.record({ at: fc.nat(sound.length - 1), byte: fc.nat(255), fix: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(patch, { minLength: 1, maxLength: 5 }), async (patches) => {
      const bytes = Buffer.from(sound);
      for (const { at, byte, fix } of patches) {
        bytes[at] = byte;
        if (fix) fixChecksum(bytes, at - (at % 512));
      }
      await refusal(bytes);
    }),
    { numRuns: 500 },
  );
});

test("a header comes back as it was written", () => {
  const field = (max: number) =>
    fc.uint8Array({ maxLength: max, min: 1 } as object).map((bytes) => bytes.map((b) => b || 1));
  fc.assert(
    fc.property(
      field(100),
      field(100),
      fc.nat(0o7777),
      fc.nat(2 ** 31),
      fc.nat(2 ** 20),
      (name, linkName, mode, low, high) => {
        const header = { type: "0", name, linkName, mode, size: high * 2 ** 31 + low };
        expect(readTarHeader(writeTarHeader(header))).toEqual({ ...header, uid: 0, gid: 0 });
      },
    ),
  );
});

/** Makes the header at `at` believable again. */
function fixChecksum(bytes: Buffer, at: number): void {
  let sum = 0;
  for (let i = 0; i < 512; i += 1) sum += i >= 148 && i < 156 ? 32 : bytes[at + i]!;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
}

import fc from "fast-check";
import { expect, test } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import { Digest } from "../../src/castore/digest.ts";
import { Directory } from "../../src/castore/directory.ts";
import type { DirectoryRecords } from "../../src/castore/directory-scan.ts";
import {
  KIND_DIRECTORY,
  KIND_FILE,
  KIND_SYMLINK,
  scanDirectory,
} from "../../src/castore/directory-scan.ts";
import { InvalidEncoding } from "../../src/castore/errors.ts";
import { parseName } from "../../src/castore/name.ts";
import type { DirectoryNode, Node } from "../../src/castore/node.ts";
import { directoryNode, fileNode, symlinkNode } from "../../src/castore/node.ts";
import {
  decodeDirectory,
  decodeEntry,
  encodeDirectory,
  encodeEntry,
} from "../../src/castore/proto.ts";
import { directories, nodes } from "./arbitraries.ts";

const EMPTY = Digest.parse("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");

function directory(entries: Record<string, Node>): Directory {
  return Directory.of(
    Object.entries(entries).map(([name, node]) => ({ name: parseName(name), node })),
  );
}

function nodeOf(contents: Directory): DirectoryNode {
  return directoryNode(blake3(encodeDirectory(contents)), contents.size);
}

function digestOf(contents: Directory): string {
  return blake3(encodeDirectory(contents)).hex;
}

const empty = nodeOf(directory({}));
const keepFile = fileNode(EMPTY, 0, false);

test("the digests of the known directories are the known ones", () => {
  expect(digestOf(directory({}))).toBe(EMPTY.hex);
  expect(digestOf(directory({ ".keep": keepFile }))).toBe(
    "8b5b5d642b646bb8ed504b0862c39413e87e57491497de7bd075953f7b83810e",
  );
  const a = directory({ a: empty });
  expect(digestOf(a)).toBe("8701f4722d8dae7f2c40fa003331b8437a3825f9e1bfd3a77998c64cc226b9cc");
  expect(digestOf(directory({ a: empty, "a'": empty }))).toBe(
    "78eb200ae0cc95d4ea954655fbcf91e285013a261310e161927f2401d2bca803",
  );
  expect(digestOf(directory({ a: empty, b: nodeOf(a) }))).toBe(
    "99922a5c1801805287a647af73bca0ed7352a5f7f373e54992795bcc4a235213",
  );
  const symlink = symlinkNode("/nix/store/somewhereelse");
  const keep = directory({ ".keep": keepFile });
  expect(digestOf(directory({ keep: nodeOf(keep), ".keep": keepFile, aa: symlink }))).toBe(
    "3f951a15afd586fb3121ef4d13d582e811ce0e5a7f21c0497fd87490e9e2355a",
  );
});

test("directories with sizes by the older rule decode, and encode to their old digest", () => {
  const a = directory({ a: empty });
  const older = directory({ a: empty, b: directoryNode(blake3(encodeDirectory(a)), 2) });
  expect(digestOf(older)).toMatch(/^76cd8b55.*7603$/);
  expect(encodeDirectory(decodeDirectory(encodeDirectory(older)))).toEqual(encodeDirectory(older));
  const keep = directoryNode(blake3(encodeDirectory(directory({ ".keep": keepFile }))), 2);
  const aa = symlinkNode("/nix/store/somewhereelse");
  expect(digestOf(directory({ keep, ".keep": keepFile, aa }))).toMatch(/^424a7f6c.*feb$/);
  expect([0, 1, 2, 3].map((size) => a.acceptsSize(size))).toEqual([false, true, true, false]);
});

test("a directory decodes to what was encoded", () => {
  fc.assert(
    fc.property(directories, (contents) => {
      expect(decodeDirectory(encodeDirectory(contents))).toEqual(contents);
    }),
  );
});

test("scanDirectory() gives the same entries as the decoder, in byte order", () => {
  fc.assert(
    fc.property(directories, (contents) => {
      const bytes = encodeDirectory(contents);
      expectSame(scanDirectory(bytes), contents);
    }),
  );
});

test("decoder and scan accept and refuse the same bytes", () => {
  const mutation = fc.record({
    at: fc.nat(),
    remove: fc.integer({ min: 0, max: 3 }),
    insert: fc.uint8Array({ maxLength: 3 }),
  });
  fc.assert(
    fc.property(directories, fc.array(mutation, { minLength: 1, maxLength: 3 }), (contents, ms) => {
      let bytes = encodeDirectory(contents);
      for (const { at, remove, insert } of ms) {
        const start = at % (bytes.length + 1);
        const tail = bytes.subarray(Math.min(bytes.length, start + remove));
        bytes = Uint8Array.from([...bytes.subarray(0, start), ...insert, ...tail]);
      }
      expectAlike(bytes);
    }),
    { numRuns: 3000 },
  );
});

test("decoder and scan agree on lists in any order", () => {
  // Pieces that are each right, put together in ways that may be wrong.
  const piece = directories.map((contents) => encodeDirectory(contents));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 3 }), (pieces) => {
      expectAlike(Uint8Array.from(Buffer.concat(pieces)));
    }),
    { numRuns: 1000 },
  );
});

test("decoder and scan survive any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      expectAlike(bytes);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ["an unknown field", [0x22, 0x00], "has an unknown field"],
  ["an entry without a name", [0x12, 0x00], "name is empty"],
  [
    "a name with a slash",
    [0x1a, 0x06, 0x0a, 0x01, 0x2f, 0x12, 0x01, 0x61],
    "name has a slash or a NUL",
  ],
  ["the name ..", [0x1a, 0x07, 0x0a, 0x02, 0x2e, 0x2e, 0x12, 0x01, 0x61], "name is . or .."],
  ["an empty target", [0x1a, 0x03, 0x0a, 0x01, 0x61], "symlink target is empty"],
  ["a short digest", [0x12, 0x06, 0x0a, 0x01, 0x61, 0x12, 0x01, 0x61], "digest is not 32 bytes"],
  ["a length beyond the end", [0x1a, 0x7f, 0x0a], "ends inside a field"],
  [
    "the same name twice",
    [
      0x1a, 0x06, 0x0a, 0x01, 0x61, 0x12, 0x01, 0x61, 0x1a, 0x06, 0x0a, 0x01, 0x61, 0x12, 0x01,
      0x61,
    ],
    "two entries have the same name",
  ],
  [
    "names out of order",
    [
      0x1a, 0x06, 0x0a, 0x01, 0x62, 0x12, 0x01, 0x61, 0x1a, 0x06, 0x0a, 0x01, 0x61, 0x12, 0x01,
      0x61,
    ],
    "names are not sorted",
  ],
])("a directory with %s is refused, saying so", (_, bytes, fault) => {
  for (const parse of [decodeDirectory, scanDirectory]) {
    const error = refusal(() => parse(Uint8Array.from(bytes)));
    expect(error?.fault).toBe(fault);
  }
});

test("a size written as 0 and a size of 2^53 are refused", () => {
  const head = [0x0a, 0x01, 0x61, 0x12, 0x20, ...EMPTY.bytes];
  const entry = (tail: number[]) =>
    Uint8Array.from([0x12, head.length + tail.length, ...head, ...tail]);
  const wrong = [
    [0x18, 0x00],
    [0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
    [0x18, 0x81, 0x00],
    [0x20, 0x00],
    [0x20, 0x02],
  ];
  expect(scanDirectory(entry([0x18, 0x01, 0x20, 0x01])).executable[0]).toBe(1);
  for (const tail of wrong) {
    expect(refusal(() => scanDirectory(entry(tail)))).toBeInstanceOf(InvalidEncoding);
    expect(refusal(() => decodeDirectory(entry(tail)))).toBeInstanceOf(InvalidEncoding);
  }
});

test("sizes of child directories that add up to 2^53 are refused", () => {
  const half = directoryNode(EMPTY, 2 ** 52);
  expect(() => directory({ a: half, b: half })).toThrow(InvalidEncoding);
  expect(() => directory({ a: half })).not.toThrow();
});

test("a root node decodes to what was encoded", () => {
  fc.assert(
    fc.property(nodes, (node) => {
      expect(decodeEntry(encodeEntry(node))).toEqual({ name: new Uint8Array(0), node });
      expect(decodeEntry(encodeEntry(node, parseName("a"))).name).toEqual(parseName("a"));
    }),
  );
});

test("a root node must be exactly one entry, whole and canonical", () => {
  const bytes = encodeEntry(keepFile);
  expect(() => decodeEntry(new Uint8Array(0))).toThrow(InvalidEncoding);
  expect(() => decodeEntry(Uint8Array.from([...bytes, ...bytes]))).toThrow(InvalidEncoding);
  expect(() => decodeEntry(bytes.subarray(1))).toThrow(InvalidEncoding);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (hostile) => {
      refusal(() => decodeEntry(hostile));
    }),
  );
});

function expectSame(records: DirectoryRecords, contents: Directory): void {
  expect(records.count).toBe(contents.entries.length);
  expect(records.totalSize).toBe(contents.size);
  let childDirectories = 0;
  for (const [i, { name, node }] of contents.entries.entries()) {
    const { bytes } = records;
    expect(bytes.slice(records.nameStart[i], records.nameEnd[i])).toEqual(name);
    if (node.kind === "symlink") {
      expect(records.kind[i]).toBe(KIND_SYMLINK);
      const target = bytes.slice(records.targetStart[i], records.targetEnd[i]);
      expect(target).toEqual(node.target);
      continue;
    }
    if (node.kind === "directory") childDirectories += 1;
    expect(records.kind[i]).toBe(node.kind === "directory" ? KIND_DIRECTORY : KIND_FILE);
    expect(node.digest.equalsAt(bytes, records.digestStart[i]!)).toBe(true);
    expect(records.size[i]).toBe(node.size);
    expect(records.executable[i]).toBe(node.kind === "file" && node.executable ? 1 : 0);
  }
  expect(records.childDirectories).toBe(childDirectories);
}

/** Both refuse with InvalidEncoding, or both accept and agree. */
function expectAlike(bytes: Uint8Array): void {
  let contents: Directory | undefined;
  const decoderSays = refusal(() => {
    contents = decodeDirectory(bytes);
  });
  let records: DirectoryRecords | undefined;
  const scanSays = refusal(() => {
    records = scanDirectory(bytes);
  });
  expect([scanSays === undefined, Buffer.from(bytes).toString("hex")]).toEqual([
    decoderSays === undefined,
    Buffer.from(bytes).toString("hex"),
  ]);
  if (contents !== undefined && records !== undefined) expectSame(records, contents);
}

/** The InvalidEncoding that `run` throws; anything else it throws fails the test. */
function refusal(run: () => unknown): InvalidEncoding | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof InvalidEncoding) return error;
    throw error;
  }
}

/**
 * What every BlobService and DirectoryService does, wherever it keeps things; trees are in
 * conformance-trees.ts. What is read may come from elsewhere than where it is put: a folder that a
 * web server shows, say.
 */
import { expect, test } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import type { Digest } from "../../src/castore/digest.ts";
import { Directory } from "../../src/castore/directory.ts";
import { parseName } from "../../src/castore/name.ts";
import type { DirectoryNode, Node } from "../../src/castore/node.ts";
import { directoryNode, fileNode, symlinkNode } from "../../src/castore/node.ts";
import { encodeDirectory } from "../../src/castore/proto.ts";
import { MissingObject } from "../../src/store/errors.ts";
import type { BlobService, DirectoryService } from "../../src/store/services.ts";
import { noise } from "./temporary.ts";

export interface Services {
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
}

export interface ServiceSubject {
  readonly read: Services;
  readonly write: Services;
}

export interface ServiceTraits {
  /** Takes directories that name blobs which are not there, as a service for directories alone does. */
  readonly knowsNoBlobs?: boolean;
  /** Takes directories that name directories which are not there. */
  readonly knowsNoDirectories?: boolean;
}

export const SMALL = Buffer.from("Hello World!");
/** Several chunks. */
export const LARGE = noise(3_000_001, 5);

export function directoryOf(entries: Record<string, Node>): Directory {
  return Directory.of(
    Object.entries(entries).map(([name, node]) => ({ name: parseName(name), node })),
  );
}

export function digestOf(directory: Directory): Digest {
  return blake3(encodeDirectory(directory));
}

export function nodeOf(directory: Directory): DirectoryNode {
  return directoryNode(digestOf(directory), directory.size);
}

export async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Uint8Array[] = [];
  for await (const piece of pieces) copies.push(piece.slice());
  return Buffer.concat(copies);
}

export function* pieces(bytes: Uint8Array, step: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

/** Runs the suite over the services that `make` gives, each with nothing in them. */
export function serviceConformance(
  kind: string,
  make: () => ServiceSubject | Promise<ServiceSubject>,
  traits: ServiceTraits = {},
): void {
  test(`${kind}: a blob comes back byte for byte, whole and in any range`, async () => {
    const { read, write } = await make();
    for (const bytes of [new Uint8Array(0), SMALL, LARGE]) {
      const blob = await write.blobs.put([bytes]);
      expect(blob.digest.equals(blake3(bytes))).toBe(true);
      expect(blob.size).toBe(bytes.length);
      expect((await readAll(read.blobs.read(blob.digest))).equals(bytes)).toBe(true);
    }
    const { digest } = await write.blobs.put(pieces(LARGE, 77_777));
    for (const [offset, length] of [
      [0, 1],
      [1_000_000, 1_500_000],
      [2_999_999, 50],
      [3_000_001, 1],
      [4_000_000, 1],
      [5, 0],
    ] as const) {
      const range = await readAll(read.blobs.read(digest, { offset, length }));
      expect(range.equals(LARGE.subarray(offset, offset + length)), `${offset}`).toBe(true);
    }
    expect((await readAll(read.blobs.read(digest, { offset: 2_000_000 }))).length).toBe(1_000_001);
    const small = blake3(SMALL);
    const range = await readAll(read.blobs.read(small, { offset: 6, length: 100 }));
    expect(range.toString()).toBe("World!");
  });

  test(`${kind}: the chunks of a blob add up to it, and each is a blob itself`, async () => {
    const { read, write } = await make();
    const { digest } = await write.blobs.put([LARGE]);
    const stat = await read.blobs.stat(digest);
    expect(stat!.size).toBe(LARGE.length);
    expect(stat!.chunks.length).toBeGreaterThan(5);
    let at = 0;
    for (const chunk of stat!.chunks) {
      const expected = LARGE.subarray(at, at + chunk.size);
      expect((await readAll(read.blobs.read(chunk.digest))).equals(expected)).toBe(true);
      expect((await read.blobs.stat(chunk.digest))!.size).toBe(chunk.size);
      at += chunk.size;
    }
    expect(at).toBe(LARGE.length);
    for (const bytes of [SMALL, new Uint8Array(0)]) {
      const small = await write.blobs.put([bytes]);
      const only = { size: bytes.length, chunks: [{ digest: small.digest, size: bytes.length }] };
      expect(await read.blobs.stat(small.digest)).toEqual(only);
    }
  });

  test(`${kind}: however a blob is cut into pieces, its chunks are the same`, async () => {
    const { write } = await make();
    const whole = await write.blobs.put([LARGE]);
    for (const step of [4096, 524_288, 2_999_999]) {
      expect(await write.blobs.put(pieces(LARGE, step))).toEqual(whole);
    }
  });

  test(`${kind}: what was never put is absent`, async () => {
    const { blobs, directories } = (await make()).read;
    const digest = blake3(SMALL);
    expect(await blobs.stat(digest)).toBeUndefined();
    await expect(readAll(blobs.read(digest))).rejects.toBeInstanceOf(MissingObject);
    const range = blobs.read(digest, { offset: 1, length: 2 });
    await expect(readAll(range)).rejects.toBeInstanceOf(MissingObject);
    expect(await directories.get(digest)).toBeUndefined();
  });

  test(`${kind}: a directory comes back as it was put`, async () => {
    const { read, write } = await make();
    const { digest, size } = await write.blobs.put([SMALL]);
    const inner = directoryOf({ a: fileNode(digest, size, true), b: symlinkNode("/nowhere") });
    const innerNode = await write.directories.put(inner);
    const empty = await write.directories.put(directoryOf({}));
    const outer = directoryOf({ inner: innerNode, empty });
    const node = await write.directories.put(outer);
    expect(node).toEqual(nodeOf(outer));
    expect(await read.directories.get(node.digest)).toEqual(outer);
    expect(await read.directories.get(innerNode.digest)).toEqual(inner);
  });

  test(`${kind}: a directory may come several times before the root`, async () => {
    const { write } = await make();
    const empty = directoryOf({});
    const root = directoryOf({ a: nodeOf(empty), b: nodeOf(empty) });
    expect(await write.directories.putRecursive([empty, empty, root])).toEqual(nodeOf(root));
  });

  test(`${kind}: a directory whose children are absent or of another size is refused`, async () => {
    const { read, write } = await make();
    const blob = await write.blobs.put([SMALL]);
    const empty = await write.directories.put(directoryOf({}));
    const absent = blake3(Buffer.from("absent"));
    const files = [fileNode(absent, 3, false), fileNode(blob.digest, 13, false)];
    const directories = [
      directoryNode(absent, 0),
      directoryNode(empty.digest, 1),
      directoryNode(blob.digest, 12),
    ];
    for (const node of [
      ...(traits.knowsNoBlobs === true ? [] : files),
      ...(traits.knowsNoDirectories === true ? [] : directories),
    ]) {
      const refused = directoryOf({ a: node });
      await expect(write.directories.put(refused)).rejects.toBeInstanceOf(MissingObject);
      expect(await read.directories.get(digestOf(refused))).toBeUndefined();
    }
  });

  test(`${kind}: a child directory may have its size by the older rule`, async () => {
    const { write } = await make();
    const empty = await write.directories.put(directoryOf({}));
    const inner = await write.directories.put(directoryOf({ a: empty }));
    const older = directoryOf({ inner: directoryNode(inner.digest, inner.size + 1) });
    expect((await write.directories.put(older)).size).toBe(3);
  });
}

/** What every store must do, whatever it is made of. */
import { expect, test } from "vitest";
import { EIO } from "../../src/base/errno.ts";
import type { ByteSink } from "../../src/base/segments.ts";
import { blake3 } from "../../src/castore/blake3.ts";
import type { Digest } from "../../src/castore/digest.ts";
import { Directory } from "../../src/castore/directory.ts";
import { parseName } from "../../src/castore/name.ts";
import type { Node } from "../../src/castore/node.ts";
import { directoryNode, fileNode, symlinkNode } from "../../src/castore/node.ts";
import { decodeEntry, encodeDirectory } from "../../src/castore/proto.ts";
import { MissingObject } from "../../src/store/errors.ts";
import type { LocalReader } from "../../src/store/local-reader.ts";
import type { Store } from "../../src/store/services.ts";
import { serviceConformance } from "./conformance-services.ts";
import { treeConformance } from "./conformance-trees.ts";
import { noise } from "./temporary.ts";

export interface Subject {
  readonly store: Store;
  readonly reader: LocalReader<never>;
  sink(): ByteSink & { take(): Uint8Array };
}

const SMALL = Buffer.from("Hello World!");
/** Several chunks. */
const LARGE = noise(3_000_001, 5);

function directoryOf(entries: Record<string, Node>): Directory {
  return Directory.of(
    Object.entries(entries).map(([name, node]) => ({ name: parseName(name), node })),
  );
}

async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const copies: Uint8Array[] = [];
  for await (const piece of pieces) copies.push(piece.slice());
  return Buffer.concat(copies);
}

function* pieces(bytes: Uint8Array, step: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

/** Runs the suite over the stores that `make` gives, each empty. */
export function conformance(kind: string, make: () => Subject): void {
  serviceConformance(kind, () => {
    const { store } = make();
    return { read: store, write: store };
  });
  treeConformance(kind, () => make().store);

  test(`${kind}: the writer cuts a blob as the service does`, async () => {
    const { store } = make();
    const whole = await store.blobs.put([LARGE]);
    using writer = await store.openWriter();
    expect(writer.putBlob(LARGE)).toEqual(whole);
    expect(writer.newBytes).toBe(0);
  });

  test(`${kind}: what was never put is absent`, async () => {
    const { store, reader } = make();
    const digest = blake3(SMALL);
    expect(await store.blobs.stat(digest)).toBeUndefined();
    await expect(readAll(store.blobs.read(digest))).rejects.toBeInstanceOf(MissingObject);
    expect(await store.directories.get(digest)).toBeUndefined();
    expect(await store.roots.get(parseName("x"))).toBeUndefined();
    expect(await store.roots.delete(parseName("x"))).toBe(false);
    expect(await store.roots.list()).toEqual([]);
    expect(reader.blob(digest.bytes, 0)).toBeUndefined();
    expect(reader.directory(digest.bytes, 0)).toBeUndefined();
    expect(reader.roots().get(Buffer.from("x"))).toBeUndefined();
    expect(reader.roots().list()).toEqual([]);
  });

  test(`${kind}: a directory comes back as it was put`, async () => {
    const { store, reader } = make();
    const { digest, size } = await store.blobs.put([SMALL]);
    const inner = directoryOf({ a: fileNode(digest, size, true), b: symlinkNode("/nowhere") });
    const innerNode = await store.directories.put(inner);
    const outer = directoryOf({ inner: innerNode, empty: await emptyDirectory(store) });
    const node = await store.directories.put(outer);
    expect(node.size).toBe(outer.size);
    expect(await store.directories.get(node.digest)).toEqual(outer);
    expect(await store.directories.get(innerNode.digest)).toEqual(inner);
    const encoded = reader.directory(Uint8Array.from([9, ...node.digest.bytes]), 1);
    expect(Buffer.from(encoded!).equals(encodeDirectory(outer))).toBe(true);
  });

  test(`${kind}: a directory whose children are absent or of another size is refused`, async () => {
    const { store } = make();
    const blob = await store.blobs.put([SMALL]);
    const empty = await emptyDirectory(store);
    const absent = blake3(Buffer.from("absent"));
    for (const node of [
      fileNode(absent, 3, false),
      fileNode(blob.digest, 13, false),
      directoryNode(absent, 0),
      directoryNode(empty.digest, 1),
      directoryNode(blob.digest, 12),
    ]) {
      const refused = directoryOf({ a: node });
      await expect(store.directories.put(refused)).rejects.toBeInstanceOf(MissingObject);
      await expect(store.roots.put(parseName("r"), node)).rejects.toBeInstanceOf(MissingObject);
      expect(await store.directories.get(blake3(encodeDirectory(refused)))).toBeUndefined();
    }
    expect(await store.roots.list()).toEqual([]);
  });

  test(`${kind}: roots are put, replaced, listed in byte order and deleted`, async () => {
    const { store, reader } = make();
    const blob = await store.blobs.put([SMALL]);
    const file = fileNode(blob.digest, blob.size, false);
    const link = symlinkNode("a");
    const names = [Buffer.from([0xff, 0xfe]), Buffer.from("b"), Buffer.from("ä"), Buffer.from("B")];
    for (const name of names) await store.roots.put(parseName(name), file);
    await store.roots.put(parseName("b"), link);
    const listed = await store.roots.list();
    const order = [names[3], names[1], names[2], names[0]].map((name) => name!.toString("hex"));
    expect(listed.map(({ name }) => Buffer.from(name).toString("hex"))).toEqual(order);
    expect(listed[1]!.node).toEqual(link);
    expect(await store.roots.get(parseName("B"))).toEqual(file);
    const roots = reader.roots();
    expect(roots.list().map((name) => Buffer.from(name).toString("hex"))).toEqual(order);
    expect(decodeEntry(roots.get(Buffer.from("b"))!).node).toEqual(link);
    expect(await store.roots.delete(parseName("b"))).toBe(true);
    expect(await store.roots.delete(parseName("b"))).toBe(false);
    expect(roots.get(Buffer.from("b"))).toBeUndefined();
    expect(roots.list().length).toBe(3);
  });

  test(`${kind}: the local reader gives the bytes of a blob at any offset`, async () => {
    const { store, reader, sink } = make();
    for (const bytes of [new Uint8Array(0), SMALL, LARGE]) {
      const { digest } = await store.blobs.put([bytes]);
      const blob = reader.blob(Uint8Array.from([...digest.bytes]), 0)!;
      expect(blob.size).toBe(bytes.length);
      const target = sink();
      for (const [offset, length] of ranges(bytes.length)) {
        expect(blob.read(offset, length, target)).toBe(0);
        const expected = Buffer.from(bytes.subarray(offset, offset + length));
        expect(expected.equals(target.take()), `${offset} ${length}`).toBe(true);
      }
    }
  });

  test(`${kind}: a sink that fails ends the read with its error`, async () => {
    const { store, reader } = make();
    const { digest } = await store.blobs.put([LARGE]);
    const failing: ByteSink = { append: () => -EIO, appendMapped: () => -EIO };
    expect(reader.blob(digest.bytes, 0)!.read(0, LARGE.length, failing)).toBe(-EIO);
  });

  test(`${kind}: chunks that were cut and hashed elsewhere make up a blob, once all are there`, async () => {
    const { store } = make();
    const { all, blob } = cut(LARGE, 200_000);
    const { all: one, blob: small } = cut(SMALL, 100);
    {
      using writer = await store.openWriter();
      expect(() => writer.endBlob(blob)).toThrow(MissingObject);
      expect(() => writer.endBlob(small)).toThrow(MissingObject);
      for (const { chunk, piece } of all.slice(1)) writer.putChunk(chunk, piece);
      expect(() => writer.endBlob(blob)).toThrow(MissingObject);
      for (const { chunk, piece } of [...all, ...one, ...all]) writer.putChunk(chunk, piece);
      writer.endBlob(small);
      writer.endBlob(blob);
      expect(writer.newBytes).toBe(LARGE.length + SMALL.length);
      writer.commit();
    }
    expect((await readAll(store.blobs.read(blob.digest))).equals(LARGE)).toBe(true);
    expect((await store.blobs.stat(blob.digest))?.chunks).toEqual(blob.chunks);
    expect((await store.blobs.stat(small.digest))?.size).toBe(SMALL.length);
  });

  test(`${kind}: the writer puts blobs, directories and a root, and knows what is new`, async () => {
    const { store } = make();
    {
      using writer = await store.openWriter();
      using beside = await store.openWriter({ waitMilliseconds: 0 });
      expect(beside.newBytes).toBe(0);
      const writing = writer.beginBlob();
      for (const piece of pieces(LARGE, 100_000)) writing.write(piece);
      const large = writing.end();
      expect(writer.newBytes).toBe(LARGE.length);
      const small = writer.putBlob(SMALL);
      const before = writer.newBytes;
      expect(writer.putBlob(SMALL)).toEqual(small);
      expect(writer.newBytes).toBe(before);
      const node = writer.putDirectory(
        directoryOf({ l: fileNode(large.digest, large.size, false) }),
      );
      const missing = directoryOf({ x: fileNode(blake3(LARGE.subarray(1)), 1, false) });
      expect(() => writer.putDirectory(missing)).toThrow(MissingObject);
      writer.putRoot(parseName("root"), node);
      expect(await store.roots.get(parseName("root"))).toEqual(node);
      expect((await readAll(store.blobs.read(large.digest))).equals(LARGE)).toBe(true);
    }
    using again = await store.openWriter({ waitMilliseconds: 0 });
    expect(again.newBytes).toBe(0);
  });
}

/** The chunks of some bytes, as somebody else may have cut them. */
function cut(bytes: Uint8Array, step: number) {
  const all = [...pieces(bytes, step)].map((piece) => ({
    chunk: { digest: blake3(piece), size: piece.length },
    piece,
  }));
  const blob = {
    digest: blake3(bytes),
    size: bytes.length,
    chunks: all.map(({ chunk }) => chunk),
  };
  return { all, blob };
}

async function emptyDirectory(store: Store): Promise<Node & { digest: Digest }> {
  return await store.directories.put(Directory.of([]));
}

/** Ranges inside a blob of that size: the ends, the middle, everything, and some in between. */
function ranges(size: number): [number, number][] {
  const all: [number, number][] = [[0, size]];
  if (size === 0) return all;
  all.push([0, 1], [size - 1, 1]);
  for (let i = 1; i < 40; i += 1) {
    const offset = (i * 7_654_321) % size;
    all.push([offset, Math.min(size - offset, (i * 654_321) % size)]);
  }
  return all;
}

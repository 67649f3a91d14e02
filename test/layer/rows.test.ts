/** Rows come out of a layer's database as they went in. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { LayerError } from "../../src/layer/errors.ts";
import { decodeOrigin, decodeStat } from "../../src/layer/inode-code.ts";
import { openLayerDatabase } from "../../src/layer/layer-database.ts";
import { RowReader } from "../../src/layer/row-reader.ts";
import { RowWriter } from "../../src/layer/row-writer.ts";
import { anyInode, inodeRow, NO_CHANGES, testLayer } from "./layer-rows.ts";

function opened() {
  const layer = testLayer();
  layer.open()[Symbol.dispose]();
  const database = openLayerDatabase(layer.directory, "write");
  return { database, reader: new RowReader(database), writer: new RowWriter(database) };
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test("a new layer has no rows, and its first inode after the root's is 2", () => {
  const { reader } = opened();
  expect(reader.nextInode).toBe(2);
  expect(reader.inode(1)).toBeUndefined();
  expect(reader.entries(1)).toEqual([]);
  expect([...reader.allPieces()]).toEqual([]);
});

test("any inode is read as it was written, and as it was written last", () => {
  const { reader, writer } = opened();
  fc.assert(
    fc.property(anyInode(5), anyInode(6), (first, second) => {
      writer.apply({ ...NO_CHANGES, inodes: [first, second] });
      expect(reader.inode(5)).toEqual(first);
      expect(reader.inode(6)).toEqual(second);
    }),
    { numRuns: 200 },
  );
  expect([...reader.allInodes()].map(({ id }) => id)).toEqual([5, 6]);
});

test("entries come by position, whiteouts among them, and go one by one", () => {
  const { reader, writer } = opened();
  const entry = (name: string, position: number, inode: number | undefined) => ({
    parent: 1,
    name: text(name),
    position,
    inode,
  });
  writer.apply({
    ...NO_CHANGES,
    entries: [entry("b", 9, 3), entry("a", 12, undefined), entry("c", 2, 4)],
    nextInode: 5,
  });
  expect(reader.entries(1)).toEqual([
    entry("c", 2, 4),
    entry("b", 9, 3),
    entry("a", 12, undefined),
  ]);
  expect(reader.nextInode).toBe(5);
  writer.apply({
    ...NO_CHANGES,
    entries: [entry("a", 13, 8)],
    removedEntries: [{ parent: 1, name: text("b") }],
  });
  expect(reader.entries(1)).toEqual([entry("c", 2, 4), entry("a", 13, 8)]);
  expect(reader.entries(2)).toEqual([]);
});

test("an inode goes with its pieces and extended attributes", () => {
  const { reader, writer } = opened();
  const piece = (inode: number, at: number, extents: string) => ({
    inode,
    piece: at,
    extents: text(extents),
  });
  const xattr = (inode: number, name: string) => ({ inode, name: text(name), value: text("v") });
  writer.apply({
    ...NO_CHANGES,
    inodes: [inodeRow(2), inodeRow(3)],
    xattrs: [xattr(2, "user.a"), xattr(3, "user.b"), xattr(3, "user.a")],
    pieces: [piece(2, 0, "x"), piece(3, 1, "y"), piece(3, 0, "z")],
  });
  expect(reader.xattrs(3)).toEqual([xattr(3, "user.a"), xattr(3, "user.b")]);
  writer.apply({ ...NO_CHANGES, removedInodes: [2] });
  expect(reader.inode(2)).toBeUndefined();
  expect(reader.xattrs(2)).toEqual([]);
  expect([...reader.allPieces()]).toEqual([piece(3, 0, "z"), piece(3, 1, "y")]);
  writer.apply({
    ...NO_CHANGES,
    xattrs: [{ inode: 3, name: text("user.a"), value: undefined }],
    pieces: [{ inode: 3, piece: 1, extents: undefined }],
  });
  expect(reader.xattrs(3)).toEqual([xattr(3, "user.b")]);
  expect(reader.pieces(3)).toEqual([piece(3, 0, "z")]);
});

test("a batch that cannot be written leaves nothing of itself", () => {
  const { reader, writer } = opened();
  const wrong = { ...inodeRow(3), size: 1.5 };
  expect(() => writer.apply({ ...NO_CHANGES, inodes: [inodeRow(2), wrong] })).toThrow();
  expect(reader.inode(2)).toBeUndefined();
  writer.apply({ ...NO_CHANGES, inodes: [inodeRow(2)] });
  expect(reader.inode(2)).toEqual(inodeRow(2));
});

test("bytes that are no attributes are refused, never misread", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 90 }), (bytes) => {
      for (const decode of [decodeStat, decodeOrigin]) {
        try {
          decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(LayerError);
        }
      }
    }),
  );
});

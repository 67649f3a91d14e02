/** Who may open a layer, and what opening it does. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Digest } from "../../src/castore/digest.ts";
import { type DirectoryNode, directoryNode } from "../../src/castore/node.ts";
import { encodeEntry } from "../../src/castore/proto.ts";
import { LayerAbsent, LayerError, LayerInUse } from "../../src/layer/errors.ts";
import { openLayerDatabase, writeBase } from "../../src/layer/layer-database.ts";
import { layerHolder } from "../../src/layer/layer-directory.ts";
import { databasePath, dataPath, pidPath } from "../../src/layer/layer-files.ts";
import { RowReader } from "../../src/layer/row-reader.ts";
import { RowWriter } from "../../src/layer/row-writer.ts";
import { temporaryFolder } from "../store/temporary.ts";
import { BASE, inodeRow, NO_CHANGES, testLayer } from "./layer-rows.ts";

test("a layer that is opened again is the same one", () => {
  const layer = testLayer();
  const first = layer.open();
  const { id } = first;
  first[Symbol.dispose]();
  using again = layer.open();
  expect(again.id).toBe(id);
});

test("a layer is in use until it is given up, and says by whom", () => {
  const layer = testLayer();
  const held = layer.open();
  expect(layerHolder(layer.directory)).toBe(process.pid);
  expect(() => layer.open()).toThrow(LayerInUse);
  expect(() => layer.open()).toThrow(`in use by process ${process.pid}`);
  held[Symbol.dispose]();
  expect(layerHolder(layer.directory)).toBeUndefined();
  expect(existsSync(pidPath(layer.directory))).toBe(false);
  layer.open()[Symbol.dispose]();
});

test("a layer of another base is refused with both digests and a way out", () => {
  const layer = testLayer();
  layer.open()[Symbol.dispose]();
  const other = directoryNode(Digest.from(new Uint8Array(32).fill(8)), 3);
  expect(() => layer.open(other)).toThrow(
    expect.objectContaining({
      message: `the layer lies upon ${BASE.digest}, not upon ${other.digest}`,
      remedy: expect.stringContaining("castorefs layer rebase"),
    }),
  );
  expect(layerHolder(layer.directory)).toBeUndefined();
});

test("a layer whose making was broken off is made", () => {
  const layer = testLayer();
  layer.open()[Symbol.dispose]();
  rmSync(databasePath(layer.directory));
  writeFileSync(databasePath(layer.directory), "");
  layer.open()[Symbol.dispose]();
});

test("what is no layer is left alone", () => {
  const layer = testLayer();
  layer.open()[Symbol.dispose]();
  writeFileSync(databasePath(layer.directory), "something else altogether".repeat(100));
  expect(() => layer.open()).toThrow(LayerError);
  expect(() => layer.open()).toThrow("the layer is damaged");
  expect(() => openLayerDatabase(temporaryFolder(), "read")).toThrow(LayerAbsent);
});

test("a layer without its contents is not served", () => {
  const layer = testLayer();
  layer.open()[Symbol.dispose]();
  rmSync(dataPath(layer.directory));
  expect(() => layer.open()).toThrow("its file of contents is gone");
});

test("inodes that only a guest had open are gone when the layer is opened again", () => {
  const layer = testLayer();
  layer.open()[Symbol.dispose]();
  const text = (value: string) => new TextEncoder().encode(value);
  {
    using database = openLayerDatabase(layer.directory, "write");
    new RowWriter(database).apply({
      ...NO_CHANGES,
      inodes: [inodeRow(2, { links: 0 }), inodeRow(3)],
      xattrs: [2, 3].map((inode) => ({ inode, name: text("user.a"), value: text("v") })),
      pieces: [2, 3].map((inode) => ({ inode, piece: 0, extents: text("e") })),
    });
  }
  using held = layer.open();
  using database = openLayerDatabase(held.directory, "read");
  const reader = new RowReader(database);
  expect([...reader.allInodes()].map(({ id }) => id)).toEqual([3]);
  expect([...reader.allPieces()].map(({ inode }) => inode)).toEqual([3]);
  expect(reader.xattrs(2)).toEqual([]);
  expect(reader.xattrs(3)).toHaveLength(1);
});

test("a layer knows the bases that it lay upon, each once", () => {
  const layer = testLayer();
  layer.open()[Symbol.dispose]();
  const [second, third] = [8, 9].map((byte) =>
    directoryNode(Digest.from(new Uint8Array(32).fill(byte)), 3),
  ) as [DirectoryNode, DirectoryNode];
  {
    using database = openLayerDatabase(layer.directory, "write");
    for (const base of [second, BASE, second, third]) writeBase(database, encodeEntry(base));
  }
  using held = layer.open(third);
  expect(held.roots).toEqual([third, BASE, second]);
});

/** Rows that contradict each other: whoever reads such a layer says so, and neither hangs nor crashes. */
import { truncateSync } from "node:fs";
import fc from "fast-check";
import { expect, it } from "vitest";
import { LayerError } from "../../../src/layer/errors.ts";
import { openLayerDatabase } from "../../../src/layer/layer-database.ts";
import { dataPath } from "../../../src/layer/layer-files.ts";
import { FileContents } from "../../../src/layer/tree/file-contents.ts";
import { LayerSnapshot } from "../../../src/layer/tree/layer-snapshot.ts";
import { LayerTree } from "../../../src/layer/tree/layer-tree.ts";
import { directory, file } from "../commit/layer-builder.ts";
import { committed, type Prepared, prepared, sample } from "../commit/layer-rig.ts";
import { inodeRow } from "../layer-rows.ts";

/** A layer on disk after `statement` was run on its database. */
async function damaged(statement: string): Promise<Prepared> {
  const made = await prepared(sample());
  made.builder.create("new", directory({ f: file("contents"), deep: directory({ g: file("g") }) }));
  made.builder.save(made.layer, made.storeDirectory);
  using database = openLayerDatabase(made.layer, "write");
  database.exec(statement);
  return made;
}

async function steps({ store, layer }: Prepared): Promise<number> {
  using snapshot = await LayerSnapshot.open(layer);
  return [...new LayerTree(snapshot.rows, snapshot.base, store.directories).steps()].length;
}

it.each([
  ["a name without an inode", "DELETE FROM inodes WHERE id = 3", /a name has no inode/],
  [
    "a directory in itself",
    "UPDATE entries SET inode = 2 WHERE name = CAST('deep' AS BLOB)",
    /a directory has two names/,
  ],
  [
    "an inode without a type",
    "UPDATE inodes SET stat = zeroblob(length(stat)) WHERE id = 3",
    /an inode has no type/,
  ],
  ["a base that is none", "UPDATE meta SET base = x'00'", /root node/],
])("%s is said to be damage", async (_, statement, message) => {
  const made = await damaged(statement);
  await expect(committed(made)).rejects.toThrow(message);
  await expect(steps(made)).rejects.toThrow(message);
});

it.each([
  [
    "extents that are none",
    "UPDATE pieces SET extents = x'01ff'",
    /damaged: a number is cut short/,
  ],
  ["extents of another format", "UPDATE pieces SET extents = x'09'", /unknown format/],
])("%s are said to be damage", async (_, statement, message) => {
  await expect(committed(await damaged(statement))).rejects.toThrow(message);
});

it("contents that are cut off are said to be damage", async () => {
  const made = await damaged("SELECT 1");
  truncateSync(dataPath(made.layer), 3);
  await expect(committed(made)).rejects.toThrow(/file of contents is too short/);
});

it("whatever the extents say, they are taken or refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(2 ** 27), (bytes, size) => {
      const extents = Uint8Array.of(1, ...bytes);
      try {
        const contents = new FileContents(inodeRow(5, { size }), [{ inode: 5, piece: 0, extents }]);
        expect(contents.size).toBe(size);
      } catch (error) {
        expect(error).toBeInstanceOf(LayerError);
      }
    }),
    { numRuns: 2000 },
  );
});

/** What nobody names in the contents of a layer goes back to the disk; the rest stays. */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ExtentWriter, LAYER } from "../../src/layer/extent-code.ts";
import { openLayerDatabase } from "../../src/layer/layer-database.ts";
import { dataPath } from "../../src/layer/layer-files.ts";
import { reclaimContents } from "../../src/layer/reclaim.ts";
import { RowWriter } from "../../src/layer/row-writer.ts";
import { noise } from "../store/temporary.ts";
import { NO_CHANGES, testLayer } from "./layer-rows.ts";

const BLOCK = 4096;
const BLOCKS = 40;

test("bytes that extents name stay, other blocks are holes, and the end is cut off", () => {
  const layer = testLayer();
  layer.open()[Symbol.dispose]();
  const path = dataPath(layer.directory);
  const contents = noise(BLOCKS * BLOCK, 1);
  using database = openLayerDatabase(layer.directory, "write");
  database.exec("PRAGMA synchronous = OFF");
  const rows = new RowWriter(database);
  const writer = new ExtentWriter();
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(BLOCKS - 4), fc.integer({ min: 1, max: 4 })), { maxLength: 12 }),
      (named) => {
        writeFileSync(path, contents);
        const pieces = named.map(([start, length], inode) => {
          writer.begin();
          writer.add(BLOCK * inode, BLOCK * length, LAYER, BLOCK * start);
          return { inode, piece: 0, extents: writer.finish() };
        });
        const none = Array.from({ length: 12 }, (_, inode) => ({
          inode,
          piece: 0,
          extents: undefined,
        }));
        rows.apply({ ...NO_CHANGES, pieces: [...none, ...pieces] });
        reclaimContents(layer.directory);
        const kept = Array.from({ length: BLOCKS }, (_, block) =>
          named.some(([start, length]) => block >= start && block < start + length),
        );
        const size = (kept.lastIndexOf(true) + 1) * BLOCK;
        const wanted = contents.slice(0, size);
        for (let block = 0; block * BLOCK < size; block += 1) {
          if (!kept[block]) wanted.fill(0, block * BLOCK, (block + 1) * BLOCK);
        }
        expect(Buffer.compare(readFileSync(path), wanted)).toBe(0);
        // One more for the file system's own list of extents.
        const blocks = (kept.filter((is) => is).length + 1) * (BLOCK / 512);
        expect(statSync(path).blocks).toBeLessThanOrEqual(blocks);
      },
    ),
    { numRuns: 60 },
  );
});

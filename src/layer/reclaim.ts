/**
 * What a process that was killed has left in the file of contents: bytes that no row names, since
 * contents are written before the rows that name them, and freed after.
 */
import { closeSync, fstatSync, ftruncateSync, openSync } from "node:fs";
import { punchHole } from "node-vhost-user";
import { ExtentReader, LAYER } from "./extent-code.ts";
import { openLayerDatabase } from "./layer-database.ts";
import { dataPath } from "./layer-files.ts";
import { RowReader } from "./row-reader.ts";

/** A layer with more extents of its own is left as it is: what is not named is used again anyway. */
const EXTENTS_MAX = 4_000_000;

/**
 * Gives what no row names back to the disk. Nobody else may have the layer open for writing.
 * @throws LayerError, CorruptExtents, an error of `node:fs`
 */
export function reclaimContents(directory: string): void {
  const extents = layerExtents(directory);
  if (extents === undefined) return;
  const fd = openSync(dataPath(directory), "r+");
  try {
    let end = 0;
    for (const [start, length] of extents) {
      // A file system without holes keeps them.
      if (start > end && punchHole(fd, end, start - end) < 0) break;
      end = Math.max(end, start + length);
    }
    const last = extents.reduce((most, [start, length]) => Math.max(most, start + length), 0);
    if (fstatSync(fd).size > last) ftruncateSync(fd, last);
  } finally {
    closeSync(fd);
  }
}

/** All that rows name of the file of contents, by position; undefined: too many. */
function layerExtents(directory: string): [start: number, length: number][] | undefined {
  using database = openLayerDatabase(directory, "read");
  const found: [number, number][] = [];
  for (const { extents } of new RowReader(database).allPieces()) {
    if (extents === undefined) continue;
    const extent = new ExtentReader(extents);
    while (extent.next()) {
      if (extent.kind !== LAYER) continue;
      if (found.length === EXTENTS_MAX) return undefined;
      found.push([extent.source, extent.length]);
    }
  }
  return found.sort(([a], [b]) => a - b);
}

/** Whether what is in a layer's files fits together: for tests that kill who writes to it. */
import { statSync } from "node:fs";
import { ExtentReader, LAYER } from "../../src/layer/extent-code.ts";
import { openLayerDatabase } from "../../src/layer/layer-database.ts";
import { dataPath } from "../../src/layer/layer-files.ts";
import { RowReader } from "../../src/layer/row-reader.ts";
import { type InodeRow, ROOT_ID } from "../../src/layer/rows.ts";

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/** What does not fit, in words. */
export function layerFaults(directory: string): string[] {
  using database = openLayerDatabase(directory, "read");
  const reader = new RowReader(database);
  const inodes = new Map([...reader.allInodes()].map((row) => [row.id, row]));
  return [
    ...nameFaults(reader, inodes),
    ...pieceFaults(reader, inodes, statSync(dataPath(directory)).size),
    ...database
      .prepare("PRAGMA integrity_check")
      .all()
      .map((row) => String(row["integrity_check"]))
      .filter((line) => line !== "ok"),
  ];
}

function nameFaults(reader: RowReader, inodes: Map<number, InodeRow>): string[] {
  const faults: string[] = [];
  const names = new Map<number, number>();
  for (const { id, mode } of inodes.values()) {
    if (id >= reader.nextInode) faults.push(`inode ${id} is beyond the next`);
    for (const { inode, name } of reader.entries(id)) {
      if ((mode & S_IFMT) !== S_IFDIR) faults.push(`${id} is no directory, and has names`);
      if (inode === undefined) continue;
      names.set(inode, (names.get(inode) ?? 0) + 1);
      if (!inodes.has(inode))
        faults.push(`${Buffer.from(name)} in ${id} names ${inode}, not there`);
    }
  }
  for (const { id, links, mode } of inodes.values()) {
    if (id === ROOT_ID) continue;
    const wanted = (mode & S_IFMT) === S_IFDIR ? Math.min(links, 1) : links;
    if ((names.get(id) ?? 0) !== wanted) {
      faults.push(
        `inode ${id} of mode ${mode.toString(8)} has ${names.get(id) ?? 0} names, not ${wanted}`,
      );
    }
  }
  return faults;
}

function pieceFaults(
  reader: RowReader,
  inodes: Map<number, InodeRow>,
  dataBytes: number,
): string[] {
  const faults: string[] = [];
  for (const { inode, piece, extents } of reader.allPieces()) {
    if (!inodes.has(inode)) faults.push(`a piece of inode ${inode}, which is not there`);
    const extent = new ExtentReader(extents ?? new Uint8Array());
    for (let end = 0; extent.next(); end = extent.start + extent.length) {
      if (extent.start < end) faults.push(`extents of ${inode}:${piece} overlap`);
      if (extent.kind === LAYER && extent.source + extent.length > dataBytes) {
        faults.push(`an extent of ${inode}:${piece} lies beyond the contents`);
      }
    }
  }
  return faults;
}

/** Imports a tree into a store, in small batches and segments, to be killed while at it. */
import { parseName } from "../../src/castore/name.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { importPath } from "../../src/store/import-tree.ts";

const [folder, tree, name = "tree"] = process.argv.slice(2) as [string, string, string?];
using store = openDiskStore(folder, {
  create: true,
  segmentBytesMax: 3_000_000,
  batchBytesMax: 700_000,
  batchObjectsMax: 150,
});
process.stdout.write("begun\n");
const { node } = await importPath(store, tree, { name: parseName(name) });
process.stdout.write(node.kind === "directory" ? `${node.digest.hex}\n` : "?\n");

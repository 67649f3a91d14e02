/** A collection spares what writable layers lie upon, as long as these are there. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DirectoryNode } from "../../../src/castore/node.ts";
import { StoreError } from "../../../src/store/errors.ts";
import { collectGarbage } from "../../../src/store/upkeep/gc.ts";
import {
  forgetLayer,
  layersPath,
  recordedLayers,
  recordLayer,
} from "../../../src/store/upkeep/layer-record.ts";
import { temporaryFolder } from "../temporary.ts";
import { openSmall, putRoot, SMALL } from "./small-stores.ts";

function layerAt(path: string): string {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "layer.sqlite"), "");
  return path;
}

test("the base of a layer stays while the layer is at its place", async () => {
  const folder = temporaryFolder();
  const layer = layerAt(join(temporaryFolder(), "layer"));
  using store = openSmall(folder);
  const base = (await putRoot(store, "base", {
    file: { bytes: 3000, seed: 1 },
  })) as DirectoryNode;
  await store.roots.delete(Buffer.from("base") as never);
  recordLayer(folder, { path: layer, roots: [base] });
  expect(recordedLayers(folder)).toEqual([{ path: layer, roots: [base] }]);
  const collect = () => collectGarbage(folder, { ...SMALL, waitMilliseconds: 5000 });
  await collect();
  expect(await store.directories.get(base.digest)).toBeDefined();
  rmSync(layer, { recursive: true });
  await collect();
  expect(await store.directories.get(base.digest)).toBeUndefined();
  expect(readdirSync(layersPath(folder))).toEqual([]);
});

test("a layer that is recorded again is recorded once, and is forgotten when it is discarded", () => {
  const folder = temporaryFolder();
  const layer = layerAt(join(temporaryFolder(), "layer"));
  recordLayer(folder, { path: layer, roots: [] });
  recordLayer(folder, { path: layer, roots: [] });
  expect(recordedLayers(folder)).toEqual([{ path: layer, roots: [] }]);
  forgetLayer(folder, layer);
  expect(recordedLayers(folder)).toEqual([]);
});

test("a record that cannot be read stops a collection: nobody knows what it holds", async () => {
  const folder = temporaryFolder();
  using store = openSmall(folder);
  await putRoot(store, "other", {});
  recordLayer(folder, { path: layerAt(join(temporaryFolder(), "l")), roots: [] });
  const [name = ""] = readdirSync(layersPath(folder));
  writeFileSync(join(layersPath(folder), name), "nonsense");
  await expect(collectGarbage(folder, SMALL)).rejects.toThrow(StoreError);
});

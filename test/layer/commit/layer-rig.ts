/** A store on disk, a base in it, a layer over that, and what a commit makes of it. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { DirectoryNode } from "../../../src/castore/node.ts";
import { LayerCommit } from "../../../src/layer/commit/commit-layer.ts";
import { commitLayer } from "../../../src/layer/commit/store-commit.ts";
import { LayerSnapshot } from "../../../src/layer/tree/layer-snapshot.ts";
import { LayerTree } from "../../../src/layer/tree/layer-tree.ts";
import { openDiskStore } from "../../../src/store/disk-store.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { Store } from "../../../src/store/services.ts";
import { noise } from "../../store/temporary.ts";
import {
  directory,
  file,
  LayerBuilder,
  type ModelDirectory,
  putModel,
  symlink,
} from "./layer-builder.ts";

const MIB = 1024 * 1024;

/** Removed with the test. In memory where that can be had: nothing here is about syncing. */
function quickFolder(): string {
  const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = mkdtempSync(join(parent, "castorefs-layer-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A store on disk with a base in it, and a layer over that. */
export async function prepared(base: ModelDirectory, olderSizes = false) {
  const folder = quickFolder();
  const storeDirectory = join(folder, "store");
  const store = openDiskStore(storeDirectory, { create: true });
  using writer = await store.openWriter();
  const builder = new LayerBuilder(writer, base, olderSizes);
  writer.commit();
  return { store, storeDirectory, builder, layer: join(folder, "layer") };
}

export type Prepared = Awaited<ReturnType<typeof prepared>>;

export interface Committed {
  readonly node: DirectoryNode;
  readonly newBytes: number;
  readonly files: number;
  readonly bytes: number;
  readonly directories: number;
}

/** Saves the layer, and commits it. */
export async function commit(made: Prepared): Promise<Committed> {
  made.builder.save(made.layer, made.storeDirectory);
  using snapshot = await LayerSnapshot.open(made.layer);
  const { store } = made;
  const tree = new LayerTree(snapshot.rows, snapshot.base, store.directories);
  using writer = await store.openWriter();
  const { readData } = snapshot;
  await using work = new LayerCommit(tree, writer, { readData, blobs: store.blobs });
  const node = await work.run();
  writer.commit();
  const { files, bytes, directories } = work.progress;
  return { node, newBytes: writer.newBytes, files, bytes, directories };
}

/** What a commit of the layer that is on disk gives. */
export async function committed({ store, layer }: Prepared): Promise<DirectoryNode> {
  using snapshot = await LayerSnapshot.open(layer);
  return (await commitLayer(snapshot, store)).node;
}

/** The node of a model, as an import gives it. */
export async function imported(model: ModelDirectory): Promise<DirectoryNode> {
  using store: Store = new MemoryStore();
  using writer = await store.openWriter();
  return putModel(writer, model);
}

/** A small tree with a bit of everything. */
export const sample = () =>
  directory({
    bin: directory({ run: file("#!/bin/sh\n", true), link: symlink("run") }),
    etc: directory({
      passwd: file("root"),
      empty: file(""),
      apt: directory({ list: file("deb") }),
    }),
    big: file(noise(3 * MIB, 1)),
    var: directory({ log: directory({ a: file("a"), b: file("b") }) }),
  });

/** A commit as a whole: what is lost is counted, the tree stored, the manifest written, the name given. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import type { Name } from "../../castore/name.ts";
import type { DirectoryNode } from "../../castore/node.ts";
import type { Store } from "../../store/services.ts";
import { systemFailure } from "../../store/sqlite-failure.ts";
import { LayerRefusal } from "../errors.ts";
import type { LayerSnapshot, SnapshotPause } from "../tree/layer-snapshot.ts";
import { LayerTree } from "../tree/layer-tree.ts";
import { type CommitOptions, LayerCommit } from "./commit-layer.ts";
import { type LayerLosses, LossCounter, losesMoreThanTimes } from "./losses.ts";
import { manifestHeader, manifestLine } from "./manifest.ts";

/** Text of a manifest that is collected before a write. */
const MANIFEST_BUFFER_BYTES = 64 * 1024;

export interface StoreCommitOptions extends CommitOptions {
  /** The name that the root gets in the store; left out, it gets none. */
  readonly name?: Name;
  /** Refuses to store a tree that lacks more of the layer than times. */
  readonly strict?: boolean;
  /** Where to write what castore cannot hold; see manifest.ts. */
  readonly manifestPath?: string;
}

export interface StoreCommitResult {
  readonly node: DirectoryNode;
  /** Files that were read and hashed, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Directories that were put together anew. */
  readonly directories: number;
  /** Bytes that the store did not have before. */
  readonly newBytes: number;
  readonly lost: Readonly<LayerLosses>;
  /** What it cost the guest; undefined: nobody served the layer. */
  readonly pause: SnapshotPause | undefined;
}

/** castore cannot hold all of the layer, and it was to be strict. */
export class LayerLoss extends LayerRefusal {
  override readonly name = "LayerLoss";
  readonly lost: Readonly<LayerLosses>;

  constructor(lost: Readonly<LayerLosses>) {
    super("a castore tree cannot hold all of the layer");
    this.lost = lost;
  }
}

/**
 * Stores the tree of `snapshot` in `store`.
 * @throws LayerLoss, LayerError, MissingObject: something of the base is not in the store;
 * CorruptObject, StoreError, the reason of the signal
 */
export async function commitLayer(
  snapshot: LayerSnapshot,
  store: Store,
  options: StoreCommitOptions = {},
): Promise<StoreCommitResult> {
  const signal = AbortSignal.any(
    [options.signal, snapshot.lost].filter((one) => one !== undefined),
  );
  signal.throwIfAborted();
  const tree = new LayerTree(snapshot.rows, snapshot.base, store.directories);
  const counter = new LossCounter(snapshot.rows.inodesWithXattrs());
  for (const step of tree.steps()) counter.add(step);
  const lost = counter.losses;
  if (options.strict === true && losesMoreThanTimes(lost)) throw new LayerLoss(lost);
  using writer = await store.openWriter();
  const { blobs } = store;
  const { readData, pause } = snapshot;
  await using commit = new LayerCommit(tree, writer, { readData, blobs }, { ...options, signal });
  const node = await commit.run();
  if (options.manifestPath !== undefined) writeManifest(options.manifestPath, tree, node);
  // Whatever was read, was read while the layer was held.
  snapshot.check();
  if (options.name === undefined) writer.commit();
  else writer.putRoot(options.name, node);
  const { files, bytes, directories } = commit.progress;
  return { node, files, bytes, directories, newBytes: writer.newBytes, lost, pause };
}

/** Others see all of it or nothing. */
function writeManifest(path: string, tree: LayerTree, node: DirectoryNode): void {
  const unfinished = `${path}.new`;
  try {
    const fd = openSync(unfinished, "w");
    try {
      writeLines(fd, tree, node);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw systemFailure(error, path);
  }
}

function writeLines(fd: number, tree: LayerTree, node: DirectoryNode): void {
  let text = `${manifestHeader(node.digest, tree.base.digest)}\n`;
  for (const step of tree.steps()) {
    text += `${manifestLine(step, tree.rows.xattrs(step.inode.id))}\n`;
    if (text.length < MANIFEST_BUFFER_BYTES) continue;
    writeAll(fd, text);
    text = "";
  }
  writeAll(fd, text);
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

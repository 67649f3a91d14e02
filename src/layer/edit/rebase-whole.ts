/** A rebase as a whole: what it comes to is looked at, the store told what to keep, the rows changed. */
import { realpathSync } from "node:fs";
import type { DirectoryNode } from "../../castore/node.ts";
import type { DirectoryService } from "../../store/services.ts";
import { recordedLayers, recordLayer } from "../../store/upkeep/layer-record.ts";
import { takeLease } from "../../store/upkeep/lease.ts";
import { LayerRefusal } from "../errors.ts";
import { type LayerEditor, RowEdits } from "./layer-editor.ts";
import { type Conflict, Rebase } from "./rebase-layer.ts";

/** Roots that one layer keeps in the store: the base, and those before it. */
const LAYER_ROOTS_MAX = 64;

export interface RebaseOptions {
  readonly storeDirectory: string;
  /** Of the layer. */
  readonly directory: string;
  readonly onto: DirectoryNode;
  /** In conflicts, keep the layer's side. */
  readonly force: boolean;
  /** Change nothing. */
  readonly dryRun: boolean;
}

export interface RebaseResult {
  readonly conflicts: readonly Conflict[];
  /** False: the layer is as it was. */
  readonly applied: boolean;
}

/**
 * Puts the layer of `editor` upon another base, unless there are conflicts.
 * @throws LayerRefusal, LayerError, MissingObject, CorruptObject, StoreError
 */
export async function rebaseLayer(
  editor: LayerEditor,
  directories: DirectoryService,
  { storeDirectory, directory, onto, force, dryRun }: RebaseOptions,
): Promise<RebaseResult> {
  const edits = new RowEdits();
  using _lease = takeLease(storeDirectory, { roots: [editor.base, onto] });
  const rebase = new Rebase(editor.rows, directories, edits);
  await rebase.run(editor.base, onto);
  const { conflicts } = rebase;
  if (dryRun || (conflicts.length > 0 && !force)) return { conflicts, applied: false };
  keepRoots(storeDirectory, realpathSync(directory), onto, editor.base);
  editor.apply(edits, onto);
  return { conflicts, applied: true };
}

/** What the layer has of its old base, and of those before it, stays in the store. */
function keepRoots(
  storeDirectory: string,
  path: string,
  onto: DirectoryNode,
  base: DirectoryNode,
): void {
  const known = recordedLayers(storeDirectory).find((layer) => layer.path === path);
  const roots = [onto];
  for (const node of [base, ...(known?.roots ?? [])]) {
    if (node.kind !== "directory" || roots.some(({ digest }) => digest.equals(node.digest)))
      continue;
    roots.push(node);
  }
  if (roots.length > LAYER_ROOTS_MAX) {
    throw new LayerRefusal("the layer has been rebased too often", {
      path,
      remedy: "castorefs layer commit it, and begin anew upon the result",
    });
  }
  recordLayer(storeDirectory, { path, roots });
}

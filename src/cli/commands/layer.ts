/** `castorefs layer`: commands about the layers of writable shares. */
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { addLayerCommit } from "./layer-commit.ts";
import { addLayerDiff } from "./layer-diff.ts";
import { addLayerDiscard } from "./layer-discard.ts";
import { addLayerLs } from "./layer-ls.ts";
import { addLayerRebase } from "./layer-rebase.ts";

export function addLayer(program: Command, context: Context): void {
  const layer = program
    .command("layer")
    .summary("list, compare, commit, rebase and discard what writable shares changed")
    .description(
      "What a virtual machine writes to a share with serve --writable --layer DIR is kept in the " +
        "layer in DIR; the store is not changed.",
    );
  addLayerLs(layer, context);
  addLayerDiff(layer, context);
  addLayerCommit(layer, context);
  addLayerRebase(layer, context);
  addLayerDiscard(layer, context);
}

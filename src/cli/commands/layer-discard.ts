/** `castorefs layer discard`: a layer, or what it has changed at some paths, is thrown away. */
import type { Command } from "commander";
import type { Name } from "../../castore/name.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { examples } from "../help-text.ts";
import { pathNames } from "../target.ts";

export function addLayerDiscard(layer: Command, context: Context): void {
  layer
    .command("discard")
    .summary("throw away a layer, or what it has changed at some paths")
    .description(
      "Removes a layer with everything that was written to it; or, with paths, what it has changed " +
        "at these and below them, so that the base shows there again. What was moved elsewhere from " +
        "there stays where it is. The layer must not be in use.",
    )
    .argument("<layer>", "directory of the layer")
    .argument("[path...]", "paths in the share")
    .addHelpText(
      "after",
      examples(
        "castorefs layer discard /var/lib/vm1/layer",
        "castorefs layer discard /var/lib/vm1/layer etc/nginx var/log",
      ),
    )
    .action((directory: string, paths: string[]) => discard(directory, paths, context));
}

async function discard(
  directory: string,
  paths: readonly string[],
  { args }: Context,
): Promise<void> {
  if (paths.length === 0) {
    const { discardLayer } = await import("../../layer/edit/discard-layer.ts");
    return discardLayer(directory);
  }
  const parsed = paths.map((path) => requiredPath(args.of(path)));
  const { LayerEditor, RowEdits } = await import("../../layer/edit/layer-editor.ts");
  const { discardPath } = await import("../../layer/edit/discard-path.ts");
  using editor = new LayerEditor(directory);
  for (const path of parsed) {
    const edits = new RowEdits();
    discardPath(editor.rows, path, edits);
    editor.apply(edits);
  }
}

/** @throws CommandError: it is no path, or the root: the layer as a whole is discarded without. */
function requiredPath(bytes: Uint8Array): Name[] {
  const names = pathNames(bytes);
  if (names.length > 0) return names;
  throw new CommandError(EXIT.usage, "the root of the share cannot be discarded by its path", {
    hint: "without a path the layer is discarded as a whole",
  });
}

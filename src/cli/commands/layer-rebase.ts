/** `castorefs layer rebase`: a layer is put upon another root. */
import type { Command } from "commander";
import type { DirectoryNode, Node } from "../../castore/node.ts";
import { joinedPath } from "../../layer/commit/manifest.ts";
import type { Conflict, SideChange } from "../../layer/edit/rebase-layer.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { countFigure } from "../figures.ts";
import { examples, TARGET_HELP } from "../help-text.ts";
import { layerStore, layerStoreOption } from "../layer-option.ts";
import { jsonName } from "../name-text.ts";
import { withReadStore } from "../open-store.ts";
import type { Output } from "../output.ts";
import { resolve } from "../resolve.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { parseTarget } from "../target.ts";

interface LayerRebaseOptions {
  readonly onto: string;
  readonly store?: string;
  readonly source?: readonly string[];
  readonly force?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

export function addLayerRebase(layer: Command, context: Context): void {
  layer
    .command("rebase")
    .summary("put a layer upon another root")
    .description(
      "Puts a layer upon another root than the one it was made with, a newer one for example. What " +
        "only the new root has changed shows through, what only the layer has changed stays. What " +
        "both have changed is a conflict: conflicts are listed, nothing is done, and the command " +
        "ends with 1; with --force the layer's side of them is kept. Files that the layer has " +
        "written to go on with what they have of the old root, which stays in the store for that. " +
        `The layer must not be in use.\n\n${TARGET_HELP}`,
    )
    .argument("<layer>", "directory of the layer")
    .requiredOption("--onto <target>", "the new root: ROOT[/path] or DIGEST[/path]")
    .option("--force", "where both have changed something, keep what the layer has")
    .option("-n, --dry-run", "say what the conflicts are, and change nothing")
    .addOption(layerStoreOption())
    .addOption(sourceOption())
    .option("--json", "print JSON")
    .addHelpText("after", examples("castorefs layer rebase /var/lib/vm1/layer --onto debian-12.2"))
    .addHelpText("after", SOURCES_HELP)
    .action((directory: string, options: LayerRebaseOptions) =>
      rebase(directory, options, context),
    );
}

async function rebase(
  directory: string,
  options: LayerRebaseOptions,
  { out, err, args }: Context,
): Promise<void> {
  const target = parseTarget(args.of(options.onto));
  const { LayerEditor } = await import("../../layer/edit/layer-editor.ts");
  const { rebaseLayer } = await import("../../layer/edit/rebase-whole.ts");
  using editor = new LayerEditor(directory);
  const reading = { ...options, store: layerStore(options.store, editor.meta) };
  await withReadStore(reading, [target], err, async (store) => {
    const onto = requiredDirectory(await resolve(store, target), options.onto);
    const { conflicts, applied } = await rebaseLayer(editor, store.directories, {
      storeDirectory: reading.store,
      directory,
      onto,
      force: options.force ?? false,
      dryRun: options.dryRun ?? false,
    });
    if (options.json) await printJson(out, onto, conflicts, applied);
    else await print(out, conflicts);
    if (conflicts.length === 0 || options.force) return;
    const count = countFigure(conflicts.length, "conflict");
    await out.flush();
    throw new CommandError(EXIT.failed, `${count}: the layer stays as it is`, {
      hint: "--force keeps what the layer has; castorefs layer discard LAYER PATH gives it up",
    });
  });
}

function requiredDirectory(node: Node, text: string): DirectoryNode {
  if (node.kind === "directory") return node;
  throw new CommandError(EXIT.failed, `${text} is a ${node.kind}, and a share is a directory`);
}

async function print(out: Output, conflicts: readonly Conflict[]): Promise<void> {
  for (const { path, layer, base } of conflicts) {
    const name = out.name(joinedPath(path));
    await out.line("C ", name, ` (${sidesText(layer, base)})`);
  }
}

function sidesText(layer: SideChange, base: SideChange): string {
  return layer === base ? `${layer} in both` : `${layer} in the layer, ${base} in the new root`;
}

async function printJson(
  out: Output,
  onto: DirectoryNode,
  conflicts: readonly Conflict[],
  applied: boolean,
): Promise<void> {
  const listed = conflicts.map(({ path, layer, base }) => {
    const { name, nameBase64 } = jsonName(joinedPath(path));
    const exact = nameBase64 === undefined ? {} : { pathBase64: nameBase64 };
    return { path: name, ...exact, layer, base };
  });
  await out.json({ base: onto.digest.toString(), applied, conflicts: listed });
}

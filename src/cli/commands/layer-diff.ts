/** `castorefs layer diff`: what a layer has changed of its base. */
import type { Command } from "commander";
import { joinedPath } from "../../layer/commit/manifest.ts";
import type { LayerDifference } from "../../layer/tree/layer-diff.ts";
import type { Shown } from "../../layer/tree/layer-tree.ts";
import type { Context } from "../context.ts";
import { countFigure } from "../figures.ts";
import { examples } from "../help-text.ts";
import { layerStore, layerStoreOption } from "../layer-option.ts";
import { jsonName } from "../name-text.ts";
import { nodeJson } from "../node-text.ts";
import { withReadStore } from "../open-store.ts";
import type { Output, Style } from "../output.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";

interface LayerDiffOptions {
  readonly store?: string;
  readonly source?: readonly string[];
  readonly summary?: true;
  readonly json?: true;
}

interface Counts {
  added: number;
  deleted: number;
  modified: number;
}

export function addLayerDiff(layer: Command, context: Context): void {
  layer
    .command("diff")
    .summary("show what a layer has changed of its base")
    .description(
      "Lists what was added (A), deleted (D) and modified (M) since the base, in byte order: " +
        "content (written to, whatever was there before), the executable bit, the target of a " +
        "symlink, the kind of an entry, mode, owner, extended attributes; times only where nothing " +
        "else has changed. Of a new or deleted directory all that is in it is listed, and what was " +
        "moved is deleted in one place and added in another. The layer may be in use.",
    )
    .argument("<layer>", "directory of the layer")
    .addOption(layerStoreOption())
    .addOption(sourceOption())
    .option("--summary", "print only how much differs")
    .option("--json", "print JSON, one object a line")
    .addHelpText("after", examples("castorefs layer diff /var/lib/vm1/layer"))
    .addHelpText("after", SOURCES_HELP)
    .action((directory: string, options: LayerDiffOptions) => diff(directory, options, context));
}

async function diff(
  directory: string,
  options: LayerDiffOptions,
  { out, err }: Context,
): Promise<void> {
  const { LayerSnapshot } = await import("../../layer/tree/layer-snapshot.ts");
  const { LayerTree } = await import("../../layer/tree/layer-tree.ts");
  const { diffLayer } = await import("../../layer/tree/layer-diff.ts");
  const counts: Counts = { added: 0, deleted: 0, modified: 0 };
  using snapshot = await LayerSnapshot.open(directory);
  const reading = { ...options, store: layerStore(options.store, snapshot.meta) };
  await withReadStore(reading, [], err, async (store) => {
    const tree = new LayerTree(snapshot.rows, snapshot.base, store.directories);
    for await (const difference of diffLayer(tree)) {
      const kind = kindOf(difference);
      counts[kind] += 1;
      if (options.summary) continue;
      if (options.json) await out.line(JSON.stringify(differenceJson(difference, kind)));
      else await printDifference(out, difference, kind);
    }
  });
  if (options.summary) await printSummary(out, counts, options);
}

function kindOf({ before, after }: LayerDifference): keyof Counts {
  if (before === undefined) return "added";
  return after === undefined ? "deleted" : "modified";
}

const SIGNS: Readonly<Record<keyof Counts, readonly [sign: string, style: Style]>> = {
  added: ["A", "green"],
  deleted: ["D", "red"],
  modified: ["M", "cyan"],
};

async function printDifference(
  out: Output,
  { path, before, after, changes }: LayerDifference,
  kind: keyof Counts,
): Promise<void> {
  const [sign, style] = SIGNS[kind];
  const isDirectory = (after === undefined ? before?.kind : typeOf(after)) === "directory";
  const why = changes.length === 0 ? "" : ` (${changes.join(", ")})`;
  const name = out.name(path.length === 0 ? Buffer.from(".") : joinedPath(path));
  await out.line(out.styled(style, sign), " ", name, `${isDirectory ? "/" : ""}${why}`);
}

function typeOf(shown: Shown): string {
  return shown.kind === "base" ? shown.node.kind : shown.type;
}

function differenceJson(
  { path, before, after, changes }: LayerDifference,
  kind: keyof Counts,
): object {
  const { name, nameBase64 } = jsonName(path.length === 0 ? Buffer.from(".") : joinedPath(path));
  return {
    change: kind,
    path: name,
    ...(nameBase64 === undefined ? {} : { pathBase64: nameBase64 }),
    ...(kind === "modified" ? { changes } : {}),
    ...(before === undefined ? {} : { before: nodeJson(before) }),
    ...(after === undefined ? {} : { after: shownJson(after) }),
  };
}

/** What is in the layer has no digest yet. */
function shownJson(shown: Shown): object {
  if (shown.kind === "base") return nodeJson(shown.node);
  const { mode, uid, gid, size } = shown.inode;
  const permissions = (mode & 0o7777).toString(8).padStart(4, "0");
  const bytes = shown.type === "file" ? { size } : {};
  return { kind: shown.type, mode: permissions, uid, gid, ...bytes };
}

async function printSummary(out: Output, counts: Counts, options: LayerDiffOptions): Promise<void> {
  if (options.json) return out.line(JSON.stringify(counts));
  const { added, deleted, modified } = counts;
  const entries = countFigure(added, "entry", "entries");
  await out.line(
    `${entries} added, ${deleted.toLocaleString("en-US")} deleted, ` +
      `${modified.toLocaleString("en-US")} modified`,
  );
}

/** `castorefs layer ls`: which layers there are, and how they are. */
import type { Command } from "commander";
import type { LayerReport } from "../../layer/layer-report.ts";
import type { Context } from "../context.ts";
import { bytesFigure, countFigure } from "../figures.ts";
import { examples } from "../help-text.ts";
import { jsonName } from "../name-text.ts";
import { requiredStore, storeOption } from "../store-option.ts";

interface LayerLsOptions {
  readonly store?: string;
  readonly json?: true;
}

export function addLayerLs(layer: Command, context: Context): void {
  layer
    .command("ls")
    .summary("list layers")
    .description(
      "Lists the layers that lie upon roots of a store, or the ones given: how much room each " +
        "takes, how many entries it has changed, the digest of its base, which process serves it, " +
        "and where it is.",
    )
    .argument("[layer...]", "directories of layers (default: all that the store knows)")
    .addOption(storeOption())
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples("castorefs layer ls --store ~/store", "castorefs layer ls /var/lib/vm1/layer"),
    )
    .action((directories: string[], options: LayerLsOptions) => ls(directories, options, context));
}

async function ls(
  directories: readonly string[],
  options: LayerLsOptions,
  { out }: Context,
): Promise<void> {
  const { reportLayer } = await import("../../layer/layer-report.ts");
  const wanted = directories.length > 0 ? directories : await knownLayers(options);
  const reports = wanted.map(reportLayer);
  if (options.json) return out.json(reports.map(reportJson));
  for (const report of reports) await out.line(...lineOf(report), out.name(pathOf(report)));
}

async function knownLayers({ store }: LayerLsOptions): Promise<string[]> {
  const directory = requiredStore(store);
  const { openIndex } = await import("../../store/disk-index.ts");
  const { recordedLayers } = await import("../../store/upkeep/layer-record.ts");
  // That there is no store is said as anywhere else.
  openIndex(directory, "read").close();
  return recordedLayers(directory)
    .map(({ path }) => path)
    .sort();
}

function lineOf({ bytes, inodes, base, processId, damage }: LayerReport): string[] {
  const state = processId === undefined ? "not in use" : `in use by ${processId || "a process"}`;
  const changed = damage ?? countFigure(inodes, "entry changed", "entries changed");
  const digest = base?.toString() ?? "-";
  return [`${bytesFigure(bytes).padStart(9)}  ${changed.padEnd(21)} ${digest}  ${state}  `];
}

function pathOf({ directory }: LayerReport): Buffer {
  return Buffer.from(directory);
}

function reportJson({ directory, base, processId, ...figures }: LayerReport) {
  return {
    ...jsonName(Buffer.from(directory)),
    ...figures,
    base: base?.toString() ?? null,
    processId: processId ?? null,
  };
}

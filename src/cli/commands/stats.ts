/** `castorefs stats`: figures about a store as a whole. */
import type { Command } from "commander";
import type { ObjectStats, StoreStats } from "../../store/upkeep/stats.ts";
import type { Context } from "../context.ts";
import { bytesFigure, countFigure } from "../figures.ts";
import { examples } from "../help-text.ts";
import type { Output } from "../output.ts";
import { Progress } from "../progress.ts";
import { requiredStore, storeOption } from "../store-option.ts";

interface StatsOptions {
  readonly store?: string;
  readonly json?: true;
}

export function addStats(program: Command, context: Context): void {
  program
    .command("stats")
    .summary("show figures about a store")
    .description(
      "Shows what a store holds: objects, roots, files on disk; how much sharing saves; what gc " +
        "would give back; and how many processes show something of it. Looks through all roots.",
    )
    .addOption(storeOption())
    .option("--json", "print JSON")
    .addHelpText("after", examples("castorefs stats --store ~/store"))
    .action((options: StatsOptions) => stats(options, context));
}

async function stats(options: StatsOptions, { out, err }: Context): Promise<void> {
  const directory = requiredStore(options.store);
  const { storeStats } = await import("../../store/upkeep/stats.ts");
  const progress = new Progress(err, "looking");
  progress.say("looking through all roots");
  const figures = await storeStats(directory).finally(() => progress.clear());
  if (options.json) return out.json(statsJson(figures));
  await print(out, figures);
}

function statsJson({ trees, ...figures }: StoreStats) {
  if (typeof trees === "string") return { ...figures, damaged: trees };
  return { ...figures, ...trees, deduplication: deduplication(trees) };
}

/** How many times what is stored the files of all roots take. */
function deduplication(trees: { bytesShown: number; bytesStored: number }): number | null {
  if (trees.bytesStored === 0) return null;
  return Math.round((trees.bytesShown / trees.bytesStored) * 1000) / 1000;
}

async function print(out: Output, figures: StoreStats): Promise<void> {
  const { chunks, directories, blobs, trees } = figures;
  await out.line(`roots        ${figures.roots.toLocaleString("en-US")}`);
  await out.line(`leases       ${figures.leases.toLocaleString("en-US")}`);
  await out.line(`directories  ${objectText(directories)}`);
  await out.line(`chunks       ${objectText(chunks)}`);
  await out.line(`large files  ${objectText(blobs)} in chunks`);
  const segments = countFigure(figures.segments, "segment");
  const index = bytesFigure(figures.indexBytes);
  await out.line(
    `on disk      ${bytesFigure(figures.segmentBytes)} in ${segments}, index ${index}`,
  );
  if (typeof trees === "string") {
    await out.line(`sharing      not known: ${trees}`);
    return;
  }
  const shown = bytesFigure(trees.bytesShown);
  const stored = bytesFigure(trees.bytesStored);
  const factor = deduplication(trees);
  await out.line(
    `sharing      ${factor === null ? "" : `${factor}: `}${shown} of files in ${stored} of chunks`,
  );
  await out.line(
    `garbage      ${bytesFigure(trees.bytesFreeable)} that gc would give back, ` +
      `${bytesFigure(trees.bytesWasted)} of waste beside that`,
  );
}

function objectText({ count, bytes, partial }: ObjectStats): string {
  const inPart = partial === 0 ? "" : `, ${partial.toLocaleString("en-US")} here in part`;
  return `${count.toLocaleString("en-US")}, ${bytesFigure(bytes)}${inPart}`;
}

/** `castorefs gc`: what nothing reaches leaves the store. */
import { type Command, Option } from "commander";
import type { GcProgress, GcReport } from "../../store/upkeep/gc-report.ts";
import type { ObjectCounts } from "../../store/upkeep/sweep.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { bytesFigure, countFigure, durationFigure } from "../figures.ts";
import { examples } from "../help-text.ts";
import { wholeNumber } from "../option-values.ts";
import type { Output } from "../output.ts";
import { Progress } from "../progress.ts";
import { requiredStore, storeOption } from "../store-option.ts";
import { parseDigest } from "../target.ts";

const WAIT_SECONDS_DEFAULT = 60;
const WAIT_SECONDS_MAX = 24 * 60 * 60;
const WASTE_PERCENT_DEFAULT = 25;

interface GcOptions {
  readonly store?: string;
  readonly dryRun?: true;
  readonly keep?: readonly string[];
  readonly wait: number;
  readonly waste: number;
  readonly json?: true;
}

export function addGc(program: Command, context: Context): void {
  program
    .command("gc")
    .summary("delete what no root reaches, and give the room back")
    .description(
      "Deletes what is reached neither from a root, nor from what a running castorefs serve shows, " +
        "nor from a digest to keep; then empties segment files that hold little any more, and " +
        "removes them. Others may import and serve meanwhile: imports wait for a moment. Nothing " +
        "is deleted while something is damaged that may name anything.",
    )
    .addOption(storeOption())
    .option("-n, --dry-run", "say what would be done, and change nothing")
    .option("--keep <digest...>", "keep these directories or files, with all below them")
    .addOption(
      new Option("--wait <seconds>", "wait this long for imports to end")
        .default(WAIT_SECONDS_DEFAULT)
        .argParser(wholeNumber(0, WAIT_SECONDS_MAX)),
    )
    .addOption(
      new Option("--waste <percent>", "leave segments alone of which no more is waste")
        .default(WASTE_PERCENT_DEFAULT)
        .argParser(wholeNumber(0, 100)),
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples(
        "castorefs gc --store ~/store --dry-run",
        "castorefs gc --store ~/store --keep $(castorefs stat --json debian/etc | jq -r .digest)",
      ),
    )
    .action((options: GcOptions) => gc(options, context));
}

async function gc(options: GcOptions, { out, err }: Context): Promise<void> {
  const directory = requiredStore(options.store);
  const keep = (options.keep ?? []).map(parseDigest);
  const dryRun = options.dryRun ?? false;
  const { collectGarbage } = await import("../../store/upkeep/gc.ts");
  const progress = new Progress(err, "collecting");
  const begun = performance.now();
  const report = await collectGarbage(directory, {
    keep,
    dryRun,
    waitMilliseconds: options.wait * 1000,
    wasteShare: options.waste / 100,
    onProgress: (state) => progress.say(progressText(state)),
  }).finally(() => progress.clear());
  const milliseconds = performance.now() - begun;
  if (options.json) await out.json(gcJson(report, dryRun, milliseconds));
  else await print(out, report, dryRun, milliseconds);
  const { segmentsDamaged } = report.compaction;
  if (segmentsDamaged === 0) return;
  const left = countFigure(segmentsDamaged, "segment was", "segments were");
  throw new CommandError(EXIT.failed, `${left} left as they are: they hold rotten objects`, {
    hint: "castorefs verify --repair --source ADDRESS fetches them anew",
  });
}

function progressText(state: GcProgress): string {
  switch (state.phase) {
    case "marking":
      return `marking: ${countFigure(state.directories, "directory", "directories")}`;
    case "waiting":
      return "waiting for others who write to the store";
    case "deleting":
      return "deleting";
    case "compacting":
      return `compacting: ${bytesFigure(state.bytesMoved)} of ${bytesFigure(state.bytesToMove)}`;
  }
}

function gcJson(report: GcReport, dryRun: boolean, milliseconds: number) {
  const { kept, deleted, compaction } = report;
  return {
    dryRun,
    kept,
    deleted,
    bytesFreed: report.bytesFreed,
    bytesWasted: report.bytesWasted,
    bytesMoved: compaction.moved,
    segmentsRemoved: compaction.segments,
    segmentsDamaged: compaction.segmentsDamaged,
    strayFiles: report.strayFiles,
    leases: report.leases,
    deadLeases: report.deadLeases,
    exclusiveMilliseconds: Math.round(report.exclusiveMilliseconds),
    milliseconds: Math.round(milliseconds),
  };
}

async function print(
  out: Output,
  report: GcReport,
  dryRun: boolean,
  milliseconds: number,
): Promise<void> {
  const { kept, deleted, compaction } = report;
  const segments = countFigure(compaction.segments, "segment");
  const moved = bytesFigure(compaction.moved);
  await out.line(`${dryRun ? "would delete" : "deleted"}  ${countsText(deleted)}`);
  await out.line(`${dryRun ? "would keep  " : "kept   "}  ${countsText(kept)}`);
  await out.line(
    `${dryRun ? "would free  " : "freed  "}  ${bytesFigure(report.bytesFreed)}: ` +
      `${segments} removed, ${moved} moved; ${bytesFigure(report.bytesWasted)} of waste stay`,
  );
  const leases = countFigure(report.leases, "lease");
  const exclusive = dryRun
    ? ""
    : `, ${durationFigure(report.exclusiveMilliseconds)} of it alone with the store`;
  await out.line(`${durationFigure(milliseconds)}${exclusive}; ${leases} honoured`);
}

function countsText(counts: ObjectCounts): string {
  const parts = [
    countFigure(counts.directories, "directory", "directories"),
    countFigure(counts.chunks, "chunk"),
    countFigure(counts.blobs, "chunked file"),
  ];
  return `${parts.join(", ")}; ${bytesFigure(counts.bytes)}`;
}

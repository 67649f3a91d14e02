/** `castorefs verify`: everything against its digest; with --repair, what is damaged is fetched. */
import type { Command } from "commander";
import type { Unrepaired } from "../../store/upkeep/repair.ts";
import type { Fault, VerifyReport } from "../../store/upkeep/verify-report.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { bytesFigure, countFigure, durationFigure, speedFigure } from "../figures.ts";
import { examples } from "../help-text.ts";
import { escapedName } from "../name-text.ts";
import { withFetcher } from "../open-store.ts";
import type { Output } from "../output.ts";
import { Progress } from "../progress.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { requiredStore, storeOption } from "../store-option.ts";

interface VerifyOptions {
  readonly store?: string;
  readonly wholeFiles?: true;
  readonly repair?: true;
  readonly source?: readonly string[];
  readonly json?: true;
}

export function addVerify(program: Command, context: Context): void {
  program
    .command("verify")
    .summary("compare everything in a store with its digests, and mend it")
    .description(
      "Reads a whole store on all processors: every object is compared with its digest, every " +
        "list of chunks with its checksum, every directory and root with what it names. Ends with " +
        "1 when something is damaged, and could not be repaired. What was fetched from a source " +
        "in part is no damage. May run while others import, serve or collect.",
    )
    .addOption(storeOption())
    .option("--whole-files", "hash files of several chunks as a whole, too")
    .option("--repair", "fetch what is rotten or missing from the sources")
    .addOption(sourceOption())
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples(
        "castorefs verify --store ~/store",
        "castorefs verify --store ~/store --repair --source /mnt/backup/store",
      ),
    )
    .addHelpText("after", SOURCES_HELP)
    .action((options: VerifyOptions) => verify(options, context));
}

/** A verification, and what it took. */
interface Verified {
  readonly report: VerifyReport;
  readonly milliseconds: number;
}

/** What was done about faults. */
interface Repair {
  /** Faults before, all of them. */
  readonly found: number;
  readonly before: readonly Fault[];
  readonly unrepaired: readonly Unrepaired[];
}

async function verify(options: VerifyOptions, context: Context): Promise<void> {
  const { out, err } = context;
  const directory = requiredStore(options.store);
  const sources = options.source ?? [];
  if (options.repair === true && sources.length === 0) {
    throw new CommandError(EXIT.usage, "nothing to repair from", {
      hint: "give --source ADDRESS of a store that has what is lost",
    });
  }
  if (options.repair !== true && sources.length > 0) {
    throw new CommandError(EXIT.usage, "--source is of use with --repair only", {
      hint: "give --repair, too",
    });
  }
  let verified = await run(directory, options, err);
  const { faults: found, listed: before } = verified.report;
  let repair: Repair | undefined;
  while (options.repair === true && verified.report.faults > 0) {
    const { faults, listed } = verified.report;
    const unrepaired = await mend(directory, sources, listed, err);
    verified = await run(directory, options, err);
    repair = { found, before, unrepaired };
    // Once more only where more was damaged than a report lists.
    if (faults <= listed.length || verified.report.faults >= faults) break;
  }
  if (options.json) await printJson(out, verified, repair);
  else await print(out, verified, repair);
  const { faults } = verified.report;
  if (faults === 0) return;
  const damaged = countFigure(faults, "object is", "objects are");
  throw new CommandError(EXIT.failed, `${damaged} damaged`, {
    hint:
      repair === undefined
        ? "verify --repair --source ADDRESS mends what a source has; or import anew into another store"
        : "try another source, or import anew into another store",
  });
}

async function run(directory: string, options: VerifyOptions, err: Output): Promise<Verified> {
  const { verifyStore } = await import("../../store/upkeep/verify.ts");
  const progress = new Progress(err, "verifying", "object");
  const begun = performance.now();
  const report = await verifyStore(directory, {
    wholeBlobs: options.wholeFiles ?? false,
    onProgress: (state) => {
      progress.expect({ files: state.objectsExpected, bytes: state.bytesExpected });
      progress.update({ files: state.chunks + state.directories, bytes: state.bytes });
    },
  }).finally(() => progress.clear());
  return { report, milliseconds: performance.now() - begun };
}

async function mend(
  directory: string,
  sources: readonly string[],
  faults: readonly Fault[],
  err: Output,
): Promise<Unrepaired[]> {
  const { repairStore } = await import("../../store/upkeep/repair.ts");
  const progress = new Progress(err, "repairing");
  return await withFetcher(directory, sources, err, (fetcher) =>
    repairStore(directory, faults, fetcher, {
      onProgress: ({ done, wanted }) => progress.say(`repairing: ${done} of ${wanted} objects`),
    }),
  ).finally(() => progress.clear());
}

async function printJson(
  out: Output,
  { report, milliseconds }: Verified,
  repair: Repair | undefined,
): Promise<void> {
  const { listed, faults, objectsExpected: _, bytesExpected: __, ...counts } = report;
  await out.json({
    sound: faults === 0,
    ...counts,
    faults,
    damaged: listed.map(faultJson),
    ...(repair === undefined
      ? {}
      : {
          repair: {
            found: repair.found,
            damaged: repair.before.map(faultJson),
            unrepaired: repair.unrepaired.map(({ wanted, reason }) => ({
              kind: wanted.kind,
              digest: `${wanted.digest}`,
              reason,
            })),
          },
        }),
    milliseconds: Math.round(milliseconds),
  });
}

function faultJson({ what, which, fault }: Fault): Pick<Fault, "what" | "which" | "fault"> {
  return { what, which, fault };
}

async function print(
  out: Output,
  { report, milliseconds }: Verified,
  repair: Repair | undefined,
): Promise<void> {
  if (repair !== undefined) {
    for (const { wanted, reason } of repair.unrepaired) {
      await out.line(`not repaired: ${wanted.kind} ${wanted.digest}: ${reason}`);
    }
    const mended = repair.found - report.faults;
    await out.line(`${mended} of ${countFigure(repair.found, "fault")} repaired`);
  }
  for (const { what, which, fault } of report.listed) {
    const name = escapedName(Buffer.from(which));
    await out.line(out.styled("red", "damaged"), ` ${what} ${name}: ${fault}`);
  }
  const more = report.faults - report.listed.length;
  if (more > 0) await out.line(`and ${more.toLocaleString("en-US")} more`);
  const counts = [
    countFigure(report.chunks, "chunk"),
    countFigure(report.directories, "directory", "directories"),
    countFigure(report.blobs, "chunked file"),
    countFigure(report.roots, "root"),
  ];
  await out.line(`${counts.join(", ")}; ${bytesFigure(report.bytes)} read`);
  if (report.partial > 0) {
    const partial = countFigure(report.partial, "object is", "objects are");
    await out.line(`${partial} here in part: ${countFigure(report.notFetched, "part")} elsewhere`);
  }
  await out.line(
    `${durationFigure(milliseconds)}, ${speedFigure(report.bytes, milliseconds)}`,
    report.faults === 0 ? `; ${out.styled("green", "the store is sound")}` : "",
  );
}

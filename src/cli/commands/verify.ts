import type { Command } from "commander";
import type { VerifyReport } from "../../store/verify.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { bytesFigure, countFigure, durationFigure, speedFigure } from "../figures.ts";
import { examples } from "../help-text.ts";
import { escapedName } from "../name-text.ts";
import { Progress } from "../progress.ts";
import { requiredStore, storeOption } from "../store-option.ts";

interface VerifyOptions {
  readonly store?: string;
  readonly json?: true;
}

export function addVerify(program: Command, context: Context): void {
  program
    .command("verify")
    .summary("compare everything in a store with its digests")
    .description(
      "Reads a whole store: every object is compared with its digest, every directory and root " +
        "with what it names. Ends with 1 when something is damaged. May run while others import " +
        "or serve.",
    )
    .addOption(storeOption())
    .option("--json", "print JSON")
    .addHelpText("after", examples("castorefs verify --store ~/store"))
    .action((options: VerifyOptions) => verify(options, context));
}

async function verify(options: VerifyOptions, context: Context): Promise<void> {
  const directory = requiredStore(options.store);
  const { verifyStore } = await import("../../store/verify.ts");
  const progress = new Progress(context.err, "verifying", "object");
  const begun = performance.now();
  const report = await verifyStore(directory, {
    onProgress: (state) => {
      progress.expect({ files: state.objectsExpected, bytes: 0 });
      progress.update({ files: state.chunks + state.directories, bytes: state.bytes });
    },
  }).finally(() => progress.clear());
  const milliseconds = performance.now() - begun;
  if (options.json) await printJson(report, milliseconds, context);
  else await print(report, milliseconds, context);
  if (report.faults === 0) return;
  const damaged = countFigure(report.faults, "object is", "objects are");
  throw new CommandError(EXIT.failed, `${damaged} damaged`, {
    hint: "restore the store from a copy, or import anew into another one",
  });
}

async function printJson(
  { listed, faults, objectsExpected: _, ...counts }: VerifyReport,
  milliseconds: number,
  { out }: Context,
): Promise<void> {
  const sound = faults === 0;
  await out.json({
    sound,
    ...counts,
    faults,
    damaged: listed,
    milliseconds: Math.round(milliseconds),
  });
}

async function print(report: VerifyReport, milliseconds: number, { out }: Context): Promise<void> {
  for (const { what, which, fault } of report.listed) {
    await out.line(
      out.styled("red", "damaged"),
      ` ${what} ${escapedName(Buffer.from(which))}: ${fault}`,
    );
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
  await out.line(
    `${durationFigure(milliseconds)}, ${speedFigure(report.bytes, milliseconds)}`,
    report.faults === 0 ? `; ${out.styled("green", "the store is sound")}` : "",
  );
}

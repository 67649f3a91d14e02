/** The command line: argv and the environment come in here and go no further down. */
import { writeSync } from "node:fs";
import { ArgumentBytes } from "./argument-bytes.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { describeFailure } from "./failures.ts";
import { Output } from "./output.ts";
import { isCleanEnd, makeProgram, namedCommand } from "./program.ts";

const args = process.argv.slice(2);
// no-color.org: set and not empty.
const noColour = Boolean(process.env["NO_COLOR"]);
const context: Context = {
  out: new Output(process.stdout, noColour),
  err: new Output(process.stderr, noColour),
  args: ArgumentBytes.ofThisProcess(args),
};

// A reader that goes away (`castorefs tree … | head`) is no failure to talk about.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.brokenPipe);
  writeSync(2, `castorefs: the output cannot be written: ${error.message}\n`);
  process.exit(EXIT.failed);
});
process.stderr.on("error", () => {});

process.exit(await run());

async function run(): Promise<number> {
  const program = makeProgram(context);
  try {
    await program.parseAsync(args, { from: "user" });
    await context.out.flush();
    return typeof process.exitCode === "number" ? process.exitCode : EXIT.ok;
  } catch (error) {
    await context.out.flush();
    if (isCleanEnd(error)) return EXIT.ok;
    return report(error, namedCommand(program, args));
  }
}

async function report(error: unknown, command: string | undefined): Promise<number> {
  const { err } = context;
  const failure = describeFailure(error, command);
  await err.line(err.styled("red", "castorefs:"), ` ${failure.message}`);
  if (failure.hint !== undefined) await err.line(`castorefs: hint: ${failure.hint}`);
  if (process.env["CASTOREFS_DEBUG"]) await err.line(inspectChain(error));
  await err.flush();
  return failure.exitCode;
}

function inspectChain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by ${inspectChain(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

import type { ExitCode } from "./exit-codes.ts";

/** Ends a command with one clear line, a hint where there is one, and an exit code. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: ExitCode;
  /** What to do about it, one line. */
  readonly hint: string | undefined;

  constructor(
    exitCode: ExitCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.exitCode = exitCode;
    this.hint = options.hint;
  }
}

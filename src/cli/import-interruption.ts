/**
 * Ctrl-C and `kill`: the first of them lets an import, or a commit, end in good order, the second ends the process
 * on the spot, as it would any other.
 */
import { CommandError } from "./command-error.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

const SIGNALS: readonly (readonly [NodeJS.Signals, ExitCode])[] = [
  ["SIGINT", EXIT.interrupted],
  ["SIGTERM", EXIT.terminated],
];

/** Calls `work` with what tells it to end; what it throws then is why, with `hint`. */
export async function interruptible<Result>(
  work: (signal: AbortSignal) => Promise<Result>,
  hint = "importing it again goes on with what is stored already",
): Promise<Result> {
  const controller = new AbortController();
  const listeners = SIGNALS.map(([name, exitCode]) => {
    const listener = () => controller.abort(interruption(exitCode, hint));
    process.once(name, listener);
    return () => process.off(name, listener);
  });
  try {
    return await work(controller.signal);
  } finally {
    for (const remove of listeners) remove();
  }
}

function interruption(exitCode: ExitCode, hint: string): CommandError {
  return new CommandError(exitCode, "interrupted before the end: no root was named", { hint });
}

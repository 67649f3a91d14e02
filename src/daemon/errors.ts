/** Failures that end `serve`, with a remedy for whoever started it. */
export class DaemonError extends Error {
  override readonly name = "DaemonError";
  /** What to do about it, one line; the command line prints it beneath the message. */
  readonly hint: string | undefined;

  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.hint = options.hint;
  }
}

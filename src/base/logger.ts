/**
 * Structured log lines. The daemon injects one that writes to stderr; tests collect. Below `cli/`
 * nothing writes to a console.
 */
export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  /** Writes one line: a level, a short message in lower case, and fields. */
  log(level: LogLevel, message: string, fields?: LogFields): void;
}

/** Throws every line away: for tests and tools that want silence. */
export const silentLogger: Logger = { log() {} };

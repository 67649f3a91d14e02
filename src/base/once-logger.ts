/**
 * A guest may ask for a rotten object as often as it likes: each failure is worth one line, not one
 * for each request.
 */
import type { LogFields, Logger, LogLevel } from "./logger.ts";

/** Different lines that are remembered; then all are forgotten and logged again. */
export const REMEMBERED_LINES_MAX = 1024;

export class OnceLogger implements Logger {
  readonly #target: Logger;
  readonly #seen = new Set<string>();

  constructor(target: Logger) {
    this.#target = target;
  }

  log(level: LogLevel, message: string, fields?: LogFields): void {
    const line = `${message} ${JSON.stringify(fields)}`;
    if (this.#seen.has(line)) return;
    if (this.#seen.size >= REMEMBERED_LINES_MAX) this.#seen.clear();
    this.#seen.add(line);
    this.#target.log(level, message, fields);
  }
}

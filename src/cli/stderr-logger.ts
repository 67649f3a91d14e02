import type { LogFields, Logger, LogLevel } from "../base/logger.ts";

export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Writes `TIME LEVEL message key=value ...`, one line each, from a level on. */
export class StderrLogger implements Logger {
  readonly #from: number;
  readonly #write: (line: string) => void;

  constructor(from: LogLevel, write: (line: string) => void) {
    this.#from = LOG_LEVELS.indexOf(from);
    this.#write = write;
  }

  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (LOG_LEVELS.indexOf(level) < this.#from) return;
    let line = `${new Date().toISOString()} ${level} ${oneLine(message)}`;
    for (const [key, value] of Object.entries(fields)) {
      if (value !== undefined) line += ` ${key}=${fieldText(value)}`;
    }
    this.#write(`${line}\n`);
  }
}

/** Values with spaces or quotes are quoted as JSON, so that a line can be taken apart again. */
function fieldText(value: string | number | boolean): string {
  const text = String(value);
  return /^[\w./:@%+,=-]+$/.test(text) ? text : JSON.stringify(text);
}

/** What a guest or a VM manager sent may be part of a message: no control bytes in the log. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}

import { describe, expect, test } from "vitest";
import type { Logger } from "../../src/base/logger.ts";
import {
  LOG_BURST_LINES,
  LOG_LINES_PER_SECOND,
  RateLimitedLogger,
} from "../../src/base/rate-limited-logger.ts";

function collector(): { lines: string[]; logger: Logger } {
  const lines: string[] = [];
  return {
    lines,
    logger: {
      log: (level, message, fields) =>
        lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`),
    },
  };
}

describe("RateLimitedLogger", () => {
  test("lets a burst through and keeps back what follows it at once", () => {
    const { lines, logger } = collector();
    const limited = new RateLimitedLogger(logger, () => 0);
    for (let i = 0; i < LOG_BURST_LINES * 3; i++) limited.log("warn", "again", { i });
    expect(lines).toHaveLength(LOG_BURST_LINES);
    expect(lines.at(-1)).toBe(`warn again {"i":${LOG_BURST_LINES - 1}}`);
  });

  test("says how many lines it kept back once it may speak again", () => {
    const { lines, logger } = collector();
    let now = 0;
    const limited = new RateLimitedLogger(logger, () => now);
    for (let i = 0; i < LOG_BURST_LINES + 7; i++) limited.log("warn", "again");
    now = 1000;
    limited.log("error", "later");
    expect(lines.slice(LOG_BURST_LINES)).toEqual([
      'warn log lines kept back {"lines":7}',
      "error later {}",
    ]);
  });

  test("trickles at its named rate after the burst", () => {
    const { lines, logger } = collector();
    let now = 0;
    const limited = new RateLimitedLogger(logger, () => now);
    for (let i = 0; i < LOG_BURST_LINES; i++) limited.log("info", "burst");
    for (now = 0; now <= 10_000; now += 10) limited.log("info", "trickle");
    const trickled = lines.filter((line) => line.startsWith("info trickle")).length;
    expect(trickled).toBe(10 * LOG_LINES_PER_SECOND);
  });
});

import { expect, it } from "vitest";
import { OnceLogger, REMEMBERED_LINES_MAX } from "../../src/base/once-logger.ts";

it("OnceLogger logs the same line once, until it has seen too many others", () => {
  const digests: unknown[] = [];
  const logger = new OnceLogger({ log: (_, __, fields) => digests.push(fields?.["digest"]) });
  const log = (digest: number) => logger.log("error", "missing", { digest });
  for (const digest of [1, 2, 1, 2, 1]) log(digest);
  expect(digests).toEqual([1, 2]);
  for (let other = 0; other < REMEMBERED_LINES_MAX; other++) log(100 + other);
  log(1);
  expect(digests.filter((digest) => digest === 1)).toEqual([1, 1]);
});

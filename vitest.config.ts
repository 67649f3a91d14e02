import { defineConfig } from "vitest/config";
import { TallyReporter } from "./test/tally-reporter.ts";

export default defineConfig({
  resolve: { conditions: ["castorefs-source"] },
  ssr: { resolve: { conditions: ["castorefs-source"] } },
  test: {
    include: ["test/**/*.test.ts", "ffi/test/**/*.test.ts"],
    reporters: ["default", new TallyReporter()],
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

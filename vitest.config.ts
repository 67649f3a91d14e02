import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["castorefs-source"] },
  ssr: { resolve: { conditions: ["castorefs-source"] } },
  test: {
    include: ["test/**/*.test.ts", "ffi/test/**/*.test.ts"],
    pool: "forks",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

import { describe, expect, it } from "vitest";
import { bytesFigure, countFigure, durationFigure, speedFigure } from "../../src/cli/figures.ts";

describe("figures", () => {
  it("bytes come in the unit that keeps them short", () => {
    expect([0, 1023, 1024, 1536, 123 * 1024 * 1024].map(bytesFigure)).toEqual([
      "0 B",
      "1023 B",
      "1.0 KiB",
      "1.5 KiB",
      "123 MiB",
    ]);
  });

  it("counts agree with their nouns", () => {
    expect(countFigure(1, "file")).toBe("1 file");
    expect(countFigure(12345, "directory", "directories")).toBe("12,345 directories");
  });

  it("durations and speeds are readable at every size", () => {
    expect([420, 12_300, 185_000].map(durationFigure)).toEqual(["0.42 s", "12 s", "3 min 05 s"]);
    expect(speedFigure(10 * 1024 * 1024, 500)).toBe("20.0 MiB/s");
  });
});

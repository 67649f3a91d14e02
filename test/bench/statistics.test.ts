/** The bench's arithmetic and its pictures: wrong figures would look as good as right ones. */
import { describe, expect, it } from "vitest";
import { escapeXml, renderChart } from "./chart.ts";
import { LatencyHistogram } from "./latency-histogram.ts";
import { parseOptions, UsageError } from "./options.ts";
import { concludeLine, type Measured } from "./results.ts";
import { ROWS } from "./rows.ts";
import type { Sample } from "./sample.ts";
import { median, pairedRatio, spread } from "./statistics.ts";
import { duration, rate, renderTable } from "./table.ts";

function sampleOf(operationsPerSecond: number, daemonMicrosecondsPerOperation = 1): Sample {
  return {
    operationsPerSecond,
    p50Microseconds: 1,
    p99Microseconds: 2,
    daemonMicrosecondsPerOperation,
    generatorMicrosecondsPerOperation: 1,
    disturbance: 0,
  };
}

const getattr = ROWS[0]!;

function measuredOf(samples: Record<string, readonly Sample[]>): Measured {
  return { row: getattr, depth: 1, samples: new Map(Object.entries(samples)) };
}

describe("statistics", () => {
  it("the median is the middle value, or the mean of the two in the middle", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it("spread is half the range over the median", () => {
    expect(spread([90, 100, 110])).toBeCloseTo(0.1);
    expect(spread([7])).toBe(0);
  });

  it("a disturbed round changes no ratio, since it slows both", () => {
    expect(pairedRatio([300, 30, 300], [100, 10, 100])).toBe(3);
  });
});

describe("LatencyHistogram", () => {
  it("finds quantiles within 3 % from nanoseconds to seconds", () => {
    const histogram = new LatencyHistogram();
    for (const milliseconds of [0.0004, 0.03, 1.7, 900]) {
      histogram.reset();
      for (let i = 0; i < 100; i++) histogram.record(milliseconds);
      const found = histogram.microseconds(0.5) / (milliseconds * 1000);
      expect(Math.abs(found - 1)).toBeLessThan(0.03);
    }
  });

  it("the 99th percentile is the value that one in a hundred exceeds", () => {
    const histogram = new LatencyHistogram();
    for (let i = 0; i < 980; i++) histogram.record(0.001);
    for (let i = 0; i < 20; i++) histogram.record(1);
    expect(histogram.microseconds(0.5)).toBeCloseTo(1, 1);
    expect(histogram.microseconds(0.99) / 1000).toBeCloseTo(1, 1);
    expect(histogram.total).toBe(1000);
  });

  it("has no quantile of nothing", () => {
    expect(new LatencyHistogram().microseconds(0.5)).toBeNaN();
  });
});

describe("conclusions", () => {
  it("speed is against the fastest peer, CPU against the thriftiest", () => {
    const line = concludeLine(
      measuredOf({
        castorefs: [sampleOf(300, 2)],
        c: [sampleOf(100, 4)],
        sid: [sampleOf(50, 1)],
      }),
      "castorefs",
      ["c", "sid"],
      false,
    );
    expect(line.speed).toBe(3);
    expect(line.cpu).toBe(2);
    expect(line.goal).toBe(3);
  });

  it("a peer that did not run is in no ratio", () => {
    const line = concludeLine(measuredOf({ castorefs: [sampleOf(1)] }), "castorefs", ["c"], true);
    expect(line.comparisons).toEqual([]);
    expect(line.speed).toBeNaN();
    expect(line.goal).toBe(1.3);
  });
});

describe("tables", () => {
  it("columns are as wide as their widest cell, figures to the right", () => {
    expect(
      renderTable(
        ["row", "×"],
        [
          ["getattr", "3.00×"],
          ["a", "12×"],
        ],
      ),
    ).toBe(["row          ×", "───────  ─────", "getattr  3.00×", "a          12×"].join("\n"));
  });

  it("figures have three significant digits or so", () => {
    expect([rate(28_040), rate(1_214_000), rate(512.3), rate(Number.NaN)]).toEqual([
      "28.0k",
      "1.21M",
      "512",
      "–",
    ]);
    expect([duration(4.256), duration(4256)]).toEqual(["4.26", "4.26m"]);
  });
});

describe("the chart", () => {
  const line = concludeLine(
    measuredOf({ castorefs: [sampleOf(30_000)], c: [sampleOf(10_000)] }),
    "castorefs",
    ["c"],
    false,
  );

  it("escapes what is markup in names and titles", () => {
    expect(escapeXml(`a<b>&"c"`)).toBe("a&lt;b&gt;&amp;&quot;c&quot;");
    const svg = renderChart(`<x>&"`, "s", [line], [{ name: "castorefs", title: "<castorefs>" }]);
    expect(svg).not.toMatch(/<x>|<castorefs>/);
  });

  it("draws each bar relative to the fastest peer", () => {
    const svg = renderChart(
      "t",
      "s",
      [line],
      [
        { name: "castorefs", title: "castorefs" },
        { name: "c", title: "C 7.2" },
      ],
    );
    expect(svg).toContain("30.0k/s · 3.00×");
    expect(svg).toContain("10.0k/s · 1.00×");
    const [ours, theirs] = [...svg.matchAll(/<rect x="275"[^>]*width="([\d.]+)"/g)].map((match) =>
      Number(match[1]),
    );
    expect(ours! / theirs!).toBeCloseTo(3);
  });
});

describe("options", () => {
  it("rows and peers are chosen by name, and an unknown one is refused", () => {
    const options = parseOptions(["--rows", "lookup,walk", "--peers", "none"]);
    if (options === "help") throw new Error("that was no --help");
    expect(options.rows.map((row) => row.name)).toEqual(["lookup", "walk"]);
    expect(options.peers).toEqual([]);
    expect(() => parseOptions(["--rows", "lockup"])).toThrow(UsageError);
    expect(() => parseOptions(["--rounds", "0"])).toThrow(UsageError);
    expect(() => parseOptions(["--faster"])).toThrow(UsageError);
  });

  it("on one core the generator does not look around before it sleeps", () => {
    const options = parseOptions(["--one-core", "--driver-spin", "50"]);
    if (options === "help") throw new Error("that was no --help");
    expect(options.driverSpinMicroseconds).toBe(0);
  });
});

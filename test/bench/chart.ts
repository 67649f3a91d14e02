/**
 * The table as a picture: for every row and depth one group of bars, operations per second relative
 * to the fastest peer. SVG by hand; it follows the reader's light or dark scheme.
 */
import type { Line } from "./results.ts";
import { rate, ratio } from "./table.ts";

export interface ChartSeries {
  readonly name: string;
  readonly title: string;
}

const WIDTH = 860;
const LABELS = 275;
const BAR = 11;
const GROUP_GAP = 12;
const TOP = 84;
const COLORS = ["#1f7a5c", "#8a8f98", "#b0763c", "#7a6aa8", "#4d7ea8"];
/** Where a bar would be longer, it is cut, and its figure says how long it is. */
const RATIO_MAX = 10;
const TICKS = [1, 2, 4, 6, 8, 10];

export function renderChart(
  title: string,
  subtitle: string,
  lines: readonly Line[],
  series: readonly ChartSeries[],
): string {
  const group = series.length * BAR + GROUP_GAP;
  const height = TOP + lines.length * group + 16;
  const scale = (WIDTH - LABELS - 110) / RATIO_MAX;
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img"`,
    `  aria-label="${escapeXml(title)}" font-family="sans-serif" font-size="12">`,
    "<style>text{fill:#24292f}.d{fill:#57606a}.g{stroke:#d0d7de}.b{fill:#fff}",
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.d{fill:#9198a1}.g{stroke:#3d444d}" +
      ".b{fill:#0d1117}}</style>",
    `<rect class="b" width="${WIDTH}" height="${height}"/>`,
    `<text x="16" y="26" font-size="17" font-weight="bold">${escapeXml(title)}</text>`,
    `<text class="d" x="16" y="44">${escapeXml(subtitle)}</text>`,
    ...legend(series),
  ];
  for (const tick of TICKS) {
    const x = LABELS + tick * scale;
    parts.push(
      `<line class="g" x1="${x}" x2="${x}" y1="${TOP - 8}" y2="${height - 12}"/>`,
      `<text class="d" x="${x}" y="${TOP - 12}" text-anchor="middle" font-size="10">${tick}×</text>`,
    );
  }
  lines.forEach((line, index) => {
    parts.push(...barGroup(line, series, TOP + index * group, scale));
  });
  return `${[...parts, "</svg>"].join("\n")}\n`;
}

function legend(series: readonly ChartSeries[]): string[] {
  return series.flatMap(({ title }, index) => {
    const x = 16 + index * 130;
    return [
      `<rect x="${x}" y="54" width="10" height="10" fill="${colorOf(index)}"/>`,
      `<text x="${x + 15}" y="63">${escapeXml(title)}</text>`,
    ];
  });
}

function barGroup(
  line: Line,
  series: readonly ChartSeries[],
  top: number,
  scale: number,
): string[] {
  const middle = top + (series.length * BAR) / 2 + 4;
  const label = `${line.row.title}, depth ${line.depth}`;
  const fastestPeer = fastest(line);
  const parts = [`<text x="16" y="${middle}">${escapeXml(label)}</text>`];
  series.forEach(({ name }, index) => {
    const summary = line.summaries.get(name);
    if (summary === undefined) return;
    const relative = summary.operationsPerSecond / fastestPeer;
    const length = Math.max(1, Math.min(relative, RATIO_MAX) * scale);
    const y = top + index * BAR;
    const figure = `${rate(summary.operationsPerSecond)}/s · ${ratio(relative)}`;
    parts.push(
      `<rect x="${LABELS}" y="${y}" width="${length.toFixed(1)}" height="${BAR - 2}" ` +
        `fill="${colorOf(index)}"/>`,
      `<text class="d" x="${(LABELS + length + 5).toFixed(1)}" y="${y + 8}" font-size="9">` +
        `${escapeXml(figure)}</text>`,
    );
  });
  return parts;
}

/** Of the peers; of all, where there are no peers. */
function fastest(line: Line): number {
  const names =
    line.comparisons.length > 0
      ? line.comparisons.map((comparison) => comparison.peer)
      : [...line.summaries.keys()];
  return Math.max(...names.map((name) => line.summaries.get(name)!.operationsPerSecond));
}

function colorOf(index: number): string {
  return COLORS[index % COLORS.length]!;
}

export function escapeXml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

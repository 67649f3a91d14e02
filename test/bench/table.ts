/** Text tables for the terminal. */

export type Cell = string;

/**
 * Columns as wide as their widest cell, two blanks between them. The first column and those named in
 * `left` stand to the left, all others to the right.
 */
export function renderTable(
  header: readonly Cell[],
  rows: readonly (readonly Cell[])[],
  left: readonly number[] = [],
): string {
  const widths = header.map((title, column) =>
    Math.max(...[title, ...rows.map((row) => row[column] ?? "")].map(visibleLength)),
  );
  const line = (cells: readonly Cell[]) =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? "";
        const padding = " ".repeat(width - visibleLength(cell));
        return column === 0 || left.includes(column) ? cell + padding : padding + cell;
      })
      .join("  ")
      .trimEnd();
  return [line(header), line(widths.map((width) => "─".repeat(width))), ...rows.map(line)].join(
    "\n",
  );
}

/** Three significant digits: 28.0k, 1.21M, 512. */
export function rate(perSecond: number): string {
  if (!Number.isFinite(perSecond)) return "–";
  if (perSecond >= 1e6) return `${digits(perSecond / 1e6)}M`;
  if (perSecond >= 1e3) return `${digits(perSecond / 1e3)}k`;
  return digits(perSecond);
}

/** Microseconds as 1.21, 33.0, 512, or as 4.26 ms. */
export function duration(microseconds: number): string {
  if (!Number.isFinite(microseconds)) return "–";
  return microseconds >= 1000 ? `${digits(microseconds / 1000)}m` : digits(microseconds);
}

export function ratio(value: number): string {
  return Number.isFinite(value) ? `${digits(value)}×` : "–";
}

export function percent(share: number): string {
  return Number.isFinite(share) ? `${Math.round(share * 100)}%` : "–";
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Every code point one place wide: there are no others in our tables. */
function visibleLength(text: string): number {
  return [...text].length;
}

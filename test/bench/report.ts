/** A run as text for a terminal, and as JSON. */
import type { Contender, Missing } from "./contenders.ts";
import type { Ceiling } from "./generator-alone.ts";
import type { BenchOptions } from "./options.ts";
import type { Line, Measured } from "./results.ts";
import { duration, percent, rate, ratio, renderTable } from "./table.ts";

export interface Report {
  readonly lines: readonly Line[];
  readonly measured: readonly Measured[];
  /** By "row depth". */
  readonly ceilings: ReadonlyMap<string, Ceiling>;
  readonly contenders: readonly Contender[];
  readonly missing: readonly Missing[];
  readonly options: BenchOptions;
  readonly machine: string;
  /** Of the folder in which all daemons write. */
  readonly fileSystem: string;
}

export function renderReport(report: Report): string {
  const parts = [describe(report), speedTable(report), "", costTable(report)];
  for (const { name, reason } of report.missing) parts.push("", `missing: ${name}: ${reason}`);
  return parts.join("\n");
}

function describe({ options, machine, fileSystem, contenders }: Report): string {
  const cores = options.oneCore ? "sharing one core" : "on a core each";
  const waiting =
    options.driverSpinMicroseconds === 0
      ? "it sleeps until an interrupt comes"
      : `it looks for the interrupt for ${options.driverSpinMicroseconds} µs before it sleeps`;
  return [
    `${machine}; generator and daemon ${cores}, ${options.queues} request queue(s), ` +
      `${options.rounds} rounds; ${waiting}.`,
    ...describeWriting(options, fileSystem, contenders),
    "Operations per second, medians, ± half the range; × is castorefs against that daemon.",
    "",
  ].join("\n");
}

/** Under which conditions rows of changes were measured. */
function describeWriting(
  { rows, changeWindowMilliseconds }: BenchOptions,
  fileSystem: string,
  contenders: readonly Contender[],
): string[] {
  if (!rows.some((row) => row.share === "writable")) return [];
  return [
    `Rows of changes: all write to ${fileSystem}, in windows of ${changeWindowMilliseconds} ms; ` +
      "what was changed is read back and compared after each.",
    ...contenders.map(({ title, writableOptions }) => `  ${title}: ${writableOptions}`),
  ];
}

function speedTable({ lines, contenders, ceilings }: Report): string {
  const [ours, ...others] = contenders;
  const header = ["", "depth", ours!.title, "±"];
  for (const { title } of others) header.push(title, "±", "×");
  header.push("goal", "", "generator");
  const rows = lines.map((line) => {
    const own = line.summaries.get(ours!.name);
    const cells = [line.row.title, String(line.depth)];
    cells.push(rate(own?.operationsPerSecond ?? Number.NaN), percent(own?.spread ?? Number.NaN));
    for (const { name } of others) {
      const theirs = line.summaries.get(name);
      const comparison = line.comparisons.find(({ peer }) => peer === name);
      const quotient =
        comparison?.speed ??
        (own?.operationsPerSecond ?? Number.NaN) / (theirs?.operationsPerSecond ?? Number.NaN);
      cells.push(
        rate(theirs?.operationsPerSecond ?? Number.NaN),
        percent(theirs?.spread ?? Number.NaN),
        ratio(quotient),
      );
    }
    const ceiling = ceilings.get(`${line.row.name} ${line.depth}`);
    cells.push(...verdict(line), rate(ceiling?.awake ?? Number.NaN));
    return cells;
  });
  return renderTable(header, rows, [header.length - 2]);
}

/** The goal, and whether it is reached against the fastest peer. */
function verdict({ goal, speed }: Line): [string, string] {
  if (goal === undefined) return ["", ""];
  if (Number.isNaN(speed)) return [ratio(goal), ""];
  return [ratio(goal), speed >= goal ? "reached" : `short: ${ratio(speed)}`];
}

function costTable({ lines, contenders }: Report): string {
  const header = ["µs: p50, p99, daemon CPU per op", "depth"];
  for (const { title } of contenders) header.push(title, "p99", "CPU");
  header.push("CPU ×", "disturbed");
  const rows = lines.map((line) => {
    const cells = [line.row.title, String(line.depth)];
    let disturbance = 0;
    for (const { name } of contenders) {
      const summary = line.summaries.get(name);
      cells.push(
        duration(summary?.p50Microseconds ?? Number.NaN),
        duration(summary?.p99Microseconds ?? Number.NaN),
        duration(summary?.daemonMicrosecondsPerOperation ?? Number.NaN),
      );
      disturbance = Math.max(disturbance, summary?.disturbance ?? 0);
    }
    cells.push(ratio(line.cpu), percent(disturbance));
    return cells;
  });
  return renderTable(header, rows);
}

export function jsonOf(report: Report): string {
  const { options, machine, fileSystem, contenders, missing, lines, measured, ceilings } = report;
  const document = {
    machine,
    fileSystem,
    options: { ...options, rows: options.rows.map((row) => row.name) },
    contenders: contenders.map(({ name, title, command, writableCommand }) => ({
      name,
      title,
      command,
      writableCommand,
    })),
    missing,
    rows: lines.map((line, index) => ({
      row: line.row.name,
      depth: line.depth,
      goal: line.goal,
      speed: line.speed,
      cpu: line.cpu,
      comparisons: line.comparisons,
      generator: ceilings.get(`${line.row.name} ${line.depth}`),
      summaries: Object.fromEntries(line.summaries),
      samples: Object.fromEntries(measured[index]!.samples),
    })),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

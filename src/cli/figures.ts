/** Numbers as a person reads them. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Bytes in binary units, three digits or so: `4.1 MiB`. */
export function bytesFigure(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** A count with its noun: `1 file`, `12,345 files`. */
export function countFigure(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}

/** A duration: `0.42 s`, `12 s`, `3 min 05 s`. */
export function durationFigure(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 100) return `${seconds.toFixed(0)} s`;
  const rest = Math.floor(seconds % 60);
  return `${Math.floor(seconds / 60)} min ${String(rest).padStart(2, "0")} s`;
}

/** Bytes per second over a duration: `310 MiB/s`. */
export function speedFigure(bytes: number, milliseconds: number): string {
  return `${bytesFigure((bytes * 1000) / Math.max(milliseconds, 1))}/s`;
}

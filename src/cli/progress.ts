/**
 * A progress line on a terminal, rewritten in place: a bar when the total is known, otherwise what
 * was done so far. On anything but a terminal nothing is written.
 */
import { bytesFigure, countFigure, speedFigure } from "./figures.ts";
import { escapedName } from "./name-text.ts";
import type { Output } from "./output.ts";

const MILLISECONDS_BETWEEN_DRAWINGS = 100;
const BAR_COLUMNS = 24;
/** Less of a path says nothing. */
const PATH_COLUMNS_MIN = 12;

export interface ProgressState {
  /** Files, or whatever is counted. */
  readonly files: number;
  readonly bytes: number;
  /** Bytes of these that are new to the store. */
  readonly newBytes?: number;
  /** What is being worked on: shown where there is room. */
  readonly path?: string;
}

export class Progress {
  readonly #output: Output;
  readonly #verb: string;
  readonly #noun: string;
  readonly #startedAt = performance.now();
  #total: ProgressState | undefined;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #drawn = false;

  /** `verb` begins the line ("importing"), `noun` is what is counted. */
  constructor(output: Output, verb: string, noun = "file") {
    this.#output = output;
    this.#verb = verb;
    this.#noun = noun;
  }

  /** Tells how much there will be, when that is known. */
  expect(total: ProgressState | undefined): void {
    this.#total = total;
  }

  /** Draws the state, unless it was drawn a moment ago. */
  update(state: ProgressState): void {
    this.#draw((elapsed) => {
      const text = this.#text(state, elapsed);
      return text + pathText(state.path, this.#output.columns - 1 - text.length);
    });
  }

  /** The same with words of its own: nothing can be counted. */
  say(words: string): void {
    this.#draw(() => words);
  }

  /** Takes the line away, so that the results can be written. */
  clear(): void {
    if (!this.#drawn) return;
    this.#drawn = false;
    void this.#output.write("\r\x1b[K");
    void this.#output.flush();
  }

  #draw(text: (elapsed: number) => string): void {
    if (!this.#output.isTerminal) return;
    const now = performance.now();
    if (now - this.#drawnAt < MILLISECONDS_BETWEEN_DRAWINGS) return;
    this.#drawnAt = now;
    this.#drawn = true;
    const line = text(now - this.#startedAt).slice(0, this.#output.columns - 1);
    void this.#output.write(`\r\x1b[K${line}`);
    void this.#output.flush();
  }

  #text(state: ProgressState, elapsed: number): string {
    const fresh = state.newBytes === undefined ? "" : `, ${bytesFigure(state.newBytes)} new`;
    const done = `${countFigure(state.files, this.#noun)}, ${bytesFigure(state.bytes)}${fresh}`;
    const speed = speedFigure(state.bytes, elapsed);
    const total = this.#total;
    if (total === undefined) return `${this.#verb} ${done}, ${speed}`;
    const share = Math.min(1, shareDone(state, total));
    const filled = Math.round(share * BAR_COLUMNS);
    const bar = "#".repeat(filled).padEnd(BAR_COLUMNS, "-");
    return `${this.#verb} [${bar}] ${String(Math.floor(share * 100)).padStart(3)}% ${done}, ${speed}`;
  }
}

/** The end of a path, which says most, in so many columns. */
function pathText(path: string | undefined, columns: number): string {
  const room = columns - 2;
  if (path === undefined || path === "" || room < PATH_COLUMNS_MIN) return "";
  const shown = escapedName(Buffer.from(path));
  return `  ${shown.length <= room ? shown : `...${shown.slice(3 - room)}`}`;
}

/** A file counts as 4 KiB at least: a million tiny files are work, too. */
function shareDone(state: ProgressState, total: ProgressState): number {
  const fileBytes = total.bytes === 0 ? 1 : 4096;
  const weight = ({ files, bytes }: ProgressState) =>
    files * fileBytes + (total.bytes === 0 ? 0 : bytes);
  return weight(state) / Math.max(1, weight(total));
}

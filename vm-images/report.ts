/** How the demonstration speaks to the person in front of it. */

const BAR_CELLS = 24;

export class Report {
  readonly #terminal = process.stdout.isTTY === true;
  #open = false;
  #quarter = 0;

  /** A line of its own, with what it is about in front. */
  line(topic: string, text: string): void {
    this.#clear();
    process.stdout.write(`  ${this.#faint(topic.padEnd(8))} ${text}\n`);
  }

  /** A line that the next one replaces; only where there is a terminal to do it on. */
  passing(topic: string, text: string): void {
    if (!this.#terminal) return;
    process.stdout.write(`\r\x1b[K  ${this.#faint(topic.padEnd(8))} ${text}`);
    this.#open = true;
  }

  /** A bar; where there is no terminal, a line at each quarter. */
  progress(topic: string, done: number, total: number, text: string): void {
    const quarter = Math.floor((done / Math.max(total, 1)) * 4);
    if (!this.#terminal && quarter > this.#quarter) this.line(topic, text);
    this.#quarter = quarter;
    const cells = Math.min(BAR_CELLS, Math.floor((done / Math.max(total, 1)) * BAR_CELLS));
    const bar = "━".repeat(cells) + this.#faint("─".repeat(BAR_CELLS - cells));
    this.passing(topic, `${bar} ${text}`);
  }

  good(text: string): string {
    return this.#paint("32", text);
  }

  bad(text: string): string {
    return this.#paint("31", text);
  }

  strong(text: string): string {
    return this.#paint("1", text);
  }

  plain(text = ""): void {
    this.#clear();
    process.stdout.write(`${text}\n`);
  }

  #clear(): void {
    if (this.#open) process.stdout.write("\r\x1b[K");
    this.#open = false;
  }

  #faint(text: string): string {
    return this.#paint("2", text);
  }

  #paint(code: string, text: string): string {
    const { NO_COLOR } = process.env;
    return this.#terminal && !NO_COLOR ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

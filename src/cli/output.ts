/**
 * Where a command writes: results to standard output, everything else to standard error. Colours
 * only on a terminal, and never with NO_COLOR.
 */
import type { WriteStream } from "node:tty";
import { escapedName } from "./name-text.ts";

type Stream = NodeJS.WriteStream | WriteStream;

/** Bytes that are collected before a write. */
const BUFFER_BYTES = 64 * 1024;

const STYLES = { bold: "1", dim: "2", red: "31", green: "32", blue: "34", cyan: "36" } as const;
export type Style = keyof typeof STYLES;

export class Output {
  readonly #stream: Stream;
  readonly #colours: boolean;
  #pending: (string | Uint8Array)[] = [];
  #pendingBytes = 0;

  constructor(stream: Stream, noColour: boolean) {
    this.#stream = stream;
    this.#colours = stream.isTTY === true && !noColour;
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Columns of the terminal; 80 when there is none. */
  get columns(): number {
    return this.#stream.columns || 80;
  }

  /** Appends text or bytes; they go out when enough has come together, or at `flush`. */
  async write(...parts: readonly (string | Uint8Array)[]): Promise<void> {
    for (const part of parts) {
      this.#pending.push(part);
      this.#pendingBytes += part.length;
    }
    if (this.#pendingBytes >= BUFFER_BYTES) await this.flush();
  }

  /** One line. */
  async line(...parts: readonly (string | Uint8Array)[]): Promise<void> {
    await this.write(...parts, "\n");
  }

  /** One JSON document, indented, as scripts and people read it. */
  async json(value: unknown): Promise<void> {
    await this.line(JSON.stringify(value, undefined, 2));
  }

  /** Settles when everything has been handed to the system; a reader that is slow slows us. */
  async flush(): Promise<void> {
    const parts = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    if (parts.length === 0) return;
    const bytes = Buffer.concat(
      parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)),
    );
    // A failed write (EPIPE) comes as an error event as well; main.ts listens for it.
    await new Promise<void>((resolve) => this.#stream.write(bytes, () => resolve()));
  }

  /** Text in a colour, where there are any. */
  styled(style: Style, text: string): string {
    return this.#colours ? `\x1b[${STYLES[style]}m${text}\x1b[0m` : text;
  }

  /** A name: escaped on a terminal, its bytes elsewhere. */
  name(bytes: Uint8Array, style?: Style): string | Uint8Array {
    if (!this.isTerminal) return bytes;
    return style === undefined ? escapedName(bytes) : this.styled(style, escapedName(bytes));
  }
}

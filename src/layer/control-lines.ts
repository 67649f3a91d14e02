/** Cuts what comes over a control socket into lines. */
import { CONTROL_LINE_BYTES_MAX } from "./control-protocol.ts";

const NEWLINE = 0x0a;

export class ControlLines {
  readonly #line: (line: string) => void;
  #pending: Buffer = Buffer.alloc(0);

  /** `line` is called for each line, without its end. */
  constructor(line: (line: string) => void) {
    this.#line = line;
  }

  /** False: a line is too long, and nothing more may be given. */
  take(bytes: Uint8Array): boolean {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    for (;;) {
      const end = this.#pending.indexOf(NEWLINE);
      if (end > CONTROL_LINE_BYTES_MAX) return false;
      if (end < 0) return this.#pending.length <= CONTROL_LINE_BYTES_MAX;
      const line = this.#pending.toString("utf8", 0, end);
      this.#pending = this.#pending.subarray(end + 1);
      this.#line(line);
    }
  }
}

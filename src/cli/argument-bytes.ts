/**
 * Arguments as the bytes they were given as. Node decodes argv as UTF-8 and puts U+FFFD where that
 * fails; the kernel still has the bytes, so that a file with any name can be imported or looked at.
 */
import { readFileSync } from "node:fs";

export class ArgumentBytes {
  readonly #byText = new Map<string, Uint8Array>();

  /** `args` as Node decoded them; `commandLine` as /proc/self/cmdline has it. */
  constructor(args: readonly string[], commandLine: Uint8Array) {
    const raw = splitAtNul(commandLine).slice(-args.length);
    for (const [index, text] of args.entries()) {
      const bytes = raw[index];
      if (bytes !== undefined && text.includes("\ufffd")) this.#byText.set(text, bytes);
    }
  }

  static ofThisProcess(args: readonly string[]): ArgumentBytes {
    const strange = args.some((text) => text.includes("\ufffd"));
    return new ArgumentBytes(args, strange ? readFileSync("/proc/self/cmdline") : new Uint8Array());
  }

  /** The bytes of an argument; for text that was no argument of its own, its UTF-8. */
  of(text: string): Buffer {
    const raw = this.#byText.get(text);
    return raw === undefined ? Buffer.from(text, "utf8") : Buffer.from(raw);
  }
}

function splitAtNul(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
    parts.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return parts;
}

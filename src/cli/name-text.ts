/**
 * Names in a store are bytes. A pipe gets them as they are; a terminal gets control bytes and what
 * is not UTF-8 as escapes, so that no name can move the cursor or pass for another.
 */

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text for a terminal: `\n`, `\t` and `\\` by name, other strange bytes as `\xHH`. */
export function escapedName(bytes: Uint8Array): string {
  let text = "";
  for (const part of validRuns(bytes)) {
    text += typeof part === "number" ? hexEscape(part) : escapeControls(part);
  }
  return text;
}

/** For JSON, which has no bytes: `name`, and `nameBase64` beside it when the name is not UTF-8. */
export function jsonName(bytes: Uint8Array): { name: string; nameBase64?: string } {
  const text = utf8OrUndefined(bytes);
  if (text !== undefined) return { name: text };
  return {
    name: Buffer.from(bytes).toString("utf8"),
    nameBase64: Buffer.from(bytes).toString("base64"),
  };
}

/** The text of these bytes; undefined when they are not UTF-8. */
export function utf8OrUndefined(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Splits bytes into UTF-8 text and single bytes that belong to none. */
function* validRuns(bytes: Uint8Array): Generator<string | number> {
  const whole = utf8OrUndefined(bytes);
  if (whole !== undefined) {
    yield whole;
    return;
  }
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes[at]!);
    const text = length === 0 ? undefined : utf8OrUndefined(bytes.subarray(at, at + length));
    if (text === undefined) {
      yield bytes[at]!;
      at += 1;
    } else {
      yield text;
      at += length;
    }
  }
}

/** Length of the UTF-8 sequence that this byte may begin; 0 when it begins none. */
function sequenceLength(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

function escapeControls(text: string): string {
  // C0, DEL, C1, the backslash itself, and what reorders text or separates lines.
  return text.replace(/[\p{Cc}\\\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    if (character === "\\") return "\\\\";
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return [...Buffer.from(character, "utf8")].map(hexEscape).join("");
  });
}

function hexEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

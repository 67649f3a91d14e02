import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { escapedName, jsonName } from "../../src/cli/name-text.ts";

describe("escapedName()", () => {
  it("leaves plain text and other scripts alone", () => {
    expect(escapedName(Buffer.from("Grüße, 世界 🙂.txt"))).toBe("Grüße, 世界 🙂.txt");
  });

  it("shows bytes that are not UTF-8 as hexadecimal", () => {
    expect(escapedName(Buffer.from([0x61, 0xff, 0xc3, 0x62]))).toBe("a\\xff\\xc3b");
  });

  it("keeps valid sequences between invalid bytes", () => {
    expect(escapedName(Buffer.from([0xff, 0xc3, 0xa4, 0xfe]))).toBe("\\xffä\\xfe");
  });

  it("refuses overlong and surrogate encodings", () => {
    expect(escapedName(Buffer.from([0xc0, 0xaf]))).toBe("\\xc0\\xaf");
    expect(escapedName(Buffer.from([0xed, 0xa0, 0x80]))).toBe("\\xed\\xa0\\x80");
  });

  it("names line breaks and backslashes, so that the text is unambiguous", () => {
    expect(escapedName(Buffer.from("a\nb\t\\n"))).toBe("a\\nb\\t\\\\n");
  });

  it("escapes what moves the cursor or turns text around", () => {
    expect(escapedName(Buffer.from("\x1b[2J\u202e\u009b"))).toBe(
      "\\x1b[2J\\xe2\\x80\\xae\\xc2\\x9b",
    );
  });

  it("never lets a control byte through and gives different text for different bytes", () => {
    const seen = new Map<string, string>();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
        const text = escapedName(bytes);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
        const key = Buffer.from(bytes).toString("hex");
        expect(seen.get(text) ?? key).toBe(key);
        seen.set(text, key);
      }),
    );
  });
});

describe("jsonName()", () => {
  it("is the name alone when that is UTF-8", () => {
    expect(jsonName(Buffer.from("café"))).toEqual({ name: "café" });
  });

  it("carries the bytes in base64 when it is not", () => {
    expect(jsonName(Buffer.from([0x61, 0xff]))).toEqual({ name: "a\ufffd", nameBase64: "Yf8=" });
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CommandError } from "../../src/cli/command-error.ts";
import { parseTarget } from "../../src/cli/target.ts";

const HEX = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
const TEXT = `blake3-${Buffer.from(HEX, "hex").toString("base64")}`;

function parsed(text: string): { start: string; path: string[] } {
  const target = parseTarget(Buffer.from(text));
  const { start } = target;
  return {
    start: start.kind === "root" ? Buffer.from(start.name).toString() : start.digest.hex,
    path: target.path.map((name) => Buffer.from(name).toString()),
  };
}

describe("parseTarget()", () => {
  it("takes a root name alone", () => {
    expect(parsed("debian")).toEqual({ start: "debian", path: [] });
  });

  it("takes a root name and a path, minding no extra slashes and dots", () => {
    expect(parsed("debian//usr/./bin/")).toEqual({ start: "debian", path: ["usr", "bin"] });
  });

  it("takes digests in base64, which may hold slashes, and in hexadecimal", () => {
    const slashes = `blake3-${Buffer.alloc(32, 0xff).toString("base64")}`;
    expect(parsed(TEXT)).toEqual({ start: HEX, path: [] });
    expect(parsed(`${HEX}/a/b`)).toEqual({ start: HEX, path: ["a", "b"] });
    expect(parsed(`${slashes}/a`)).toEqual({ start: "ff".repeat(32), path: ["a"] });
  });

  it("refuses a digest with a slip of the pen instead of looking for such a root", () => {
    expect(() => parsed("blake3-abc")).toThrow(/bad digest/);
    expect(() => parsed(`${TEXT}x`)).toThrow(/bad digest/);
  });

  it("refuses dot-dot, over-long names and nothing at all", () => {
    expect(() => parsed("debian/../etc")).toThrow(/name is \. or \.\./);
    expect(() => parsed("a".repeat(256))).toThrow(/longer than 255/);
    expect(() => parsed("/")).toThrow(/missing/);
  });

  it("either parses any bytes or refuses them as wrong use", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          expect(parseTarget(bytes).path.every((name) => name.length > 0)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(CommandError);
        }
      }),
    );
  });
});

import { describe, expect, test } from "vitest";
import { InvalidNode } from "../../src/castore/errors.ts";
import { parsePath } from "../../src/castore/name.ts";

function namesOf(path: string): string[] {
  return parsePath(Buffer.from(path, "latin1")).map((name) => Buffer.from(name).toString("latin1"));
}

describe("parsePath()", () => {
  test("gives the names from the top down, whatever their bytes", () => {
    expect(namesOf("a/b\xff/...")).toEqual(["a", "b\xff", "..."]);
  });

  test("passes empty parts and . over", () => {
    expect(namesOf("")).toEqual([]);
    expect(namesOf("//a/.//b/./")).toEqual(["a", "b"]);
  });

  test.each(["..", "a/../b", "a\0", `${"n".repeat(256)}/a`])("refuses %j", (path) => {
    expect(() => namesOf(path)).toThrow(InvalidNode);
  });
});

import { describe, expect, it } from "vitest";
import { StoreError } from "../../src/store/errors.ts";
import {
  parseSourceAddress,
  SOURCE_ADDRESS_FORMS,
  shownAddress,
} from "../../src/store/source-address.ts";

describe("parseSourceAddress()", () => {
  it("takes every form that its error names", () => {
    for (const form of SOURCE_ADDRESS_FORMS) {
      const address = form.replace("PORT", "1").replace("=URL", "=http://x").toLowerCase();
      const parsed = parseSourceAddress(address);
      if (parsed.kind === "url") expect(form.startsWith(parsed.scheme)).toBe(true);
      else expect(parsed.path).toBe("/store");
    }
  });

  it("takes paths that begin like one, and nothing else that has no scheme", () => {
    for (const path of ["/a", "./a", "../a", "/a:b?c"]) {
      expect(parseSourceAddress(path)).toEqual({ kind: "store", path });
    }
    for (const wrong of [
      "",
      "store",
      "ftp://x",
      "grpc://x",
      ".../a",
      "C:\\x",
      "http//x",
      "~/store",
    ]) {
      expect(() => parseSourceAddress(wrong)).toThrow(StoreError);
    }
  });
});

describe("shownAddress()", () => {
  it("shows where to, and no secrets", () => {
    const url = new URL("s3://key:secret@bucket/prefix?endpoint=http://x&token=secret#secret");
    expect(shownAddress(url)).toBe("s3://bucket/prefix");
    expect(shownAddress(new URL("grpc+unix:/run/castore.sock"))).toBe(
      "grpc+unix:/run/castore.sock",
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Digest } from "../../src/castore/digest.ts";
import { DIGEST_TEXT_BYTES, writeDigestText } from "../../src/fs/xattr.ts";

describe("writeDigestText", () => {
  it("writes what Digest.toString() says", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const target = new Uint8Array(DIGEST_TEXT_BYTES);
        writeDigestText(target, new Uint8Array([1, 2, 3, ...bytes, 255]), 3);
        expect(Buffer.from(target).toString()).toBe(Digest.from(bytes).toString());
      }),
    );
  });
});

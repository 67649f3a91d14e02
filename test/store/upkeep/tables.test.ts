/** Many digests in little memory, compared with what the language has for it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { DIGEST_BYTES } from "../../../src/castore/digest.ts";
import { DigestSet } from "../../../src/store/digest-set.ts";
import { PrefixTable } from "../../../src/store/prefix-table.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Digests of few different bytes: many share a prefix, or all but the last byte. */
const digests = fc.array(
  fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)).map(([first, seventh, last]) => {
    const bytes = new Uint8Array(DIGEST_BYTES);
    bytes[0] = first;
    bytes[1] = 1;
    bytes[7] = seventh;
    bytes[31] = last;
    return bytes;
  }),
  { maxLength: 100 },
);

test("a digest set holds what was added, once, in order", () => {
  fc.assert(
    fc.property(digests, (added) => {
      const set = new DigestSet();
      const expected: string[] = [];
      for (const digest of added) {
        const before = expected.indexOf(hex(digest));
        if (before < 0) expected.push(hex(digest));
        // In the middle of other bytes, too.
        const padded = Buffer.concat([Buffer.from("abc"), digest]);
        expect(set.add(padded, 3)).toBe(before < 0 ? expected.length - 1 : before);
      }
      expect(set.size).toBe(expected.length);
      for (const [position, text] of expected.entries()) {
        expect(hex(set.bytesAt(position))).toBe(text);
        expect(set.at(position).hex).toBe(text);
        expect(set.positionOf(Buffer.from(text, "hex"), 0)).toBe(position);
      }
      expect(set.positionOf(new Uint8Array(DIGEST_BYTES).fill(9), 0)).toBe(-1);
    }),
  );
});

test("a prefix table holds the first eight bytes of what was added, and a number", () => {
  fc.assert(
    fc.property(digests, (added) => {
      const table = new PrefixTable(0, true);
      const expected = new Map<string, number>();
      for (const [i, digest] of added.entries()) {
        const prefix = hex(digest.subarray(0, 8));
        expect(table.has(digest, 0)).toBe(expected.has(prefix));
        expect(table.value(digest, 0)).toBe(expected.get(prefix) ?? 0);
        if (i % 2 === 0) {
          expect(table.add(digest, 0)).toBe(!expected.has(prefix));
          expected.set(prefix, expected.get(prefix) ?? 0);
        } else {
          table.setValue(digest, 0, i);
          expected.set(prefix, i);
        }
      }
      expect(table.size).toBe(expected.size);
      for (const digest of added) {
        expect(table.value(digest, 0)).toBe(expected.get(hex(digest.subarray(0, 8))));
      }
    }),
  );
});

test("both grow to many entries and lose none", () => {
  const set = new DigestSet();
  const table = new PrefixTable(0, true);
  const bytes = new Uint8Array(DIGEST_BYTES);
  const view = new DataView(bytes.buffer);
  const count = 50_000;
  const write = (i: number) => view.setUint32(0, i * 65_536, true);
  for (let i = 0; i < count; i += 1) {
    write(i);
    if (i === 0) expect(table.has(bytes, 0)).toBe(false);
    expect(set.add(bytes, 0)).toBe(i);
    table.setValue(bytes, 0, i);
  }
  expect(table.size).toBe(count);
  for (let i = 0; i < count; i += 1) {
    write(i);
    expect(set.positionOf(bytes, 0)).toBe(i);
    expect(table.value(bytes, 0)).toBe(i);
  }
  write(count);
  expect(set.positionOf(bytes, 0)).toBe(-1);
  expect(table.has(bytes, 0)).toBe(false);
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scanDirectory } from "../../src/castore/directory-scan.ts";
import { hashRange, scramble } from "../../src/fs/byte-range.ts";
import { MAX_PROBES, MIN_INDEXED_ENTRIES, NameIndex } from "../../src/fs/name-index.ts";
import { FakeStore } from "./fake-store.ts";

function recordsOf(names: readonly Uint8Array[]) {
  const store = new FakeStore();
  const node = store.file("");
  const { digest } = store.tree(names.map((name) => [name, node] as const));
  return scanDirectory(store.directory(digest.bytes, 0) as Uint8Array);
}

/** Looks up all names, and all of them less their last byte. */
function checkAll(names: readonly Uint8Array[]): NameIndex {
  const records = recordsOf(names);
  const index = new NameIndex(records);
  const expected = new Map<string, number>();
  for (let record = 0; record < records.count; record++) {
    const name = records.bytes.slice(records.nameStart[record], records.nameEnd[record]);
    expected.set(Buffer.from(name).toString("latin1"), record);
  }
  for (const [text, record] of expected) {
    const name = Buffer.from(`/${text}`, "latin1");
    expect(index.find(name, 1, name.length)).toBe(record);
    expect(index.find(name, 1, name.length - 1)).toBe(expected.get(text.slice(0, -1)) ?? -1);
  }
  return index;
}

describe("NameIndex", () => {
  it("finds every name of a directory of any size, and no other", () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 20 })
      .filter((bytes) => !bytes.some((byte) => byte === 0 || byte === 0x2f || byte === 0x2e));
    const names = fc.uniqueArray(name, {
      maxLength: 3 * MIN_INDEXED_ENTRIES,
      selector: (bytes) => bytes.join(),
    });
    fc.assert(fc.property(names, (all) => void checkAll(all)));
  });

  it("has a table for a large directory, and wide numbers for a very large one", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, at) => Buffer.from(`file-${at}`));
    const index = checkAll(many(10_000));
    expect(index.byteLength).toBe(32768 * 2);
    expect(index.find(Buffer.from("file-10000"), 0, 10)).toBe(-1);
    expect(new NameIndex(recordsOf(many(70_000))).byteLength).toBe(262144 * 4);
  });

  it("does without a table when names were chosen to collide", () => {
    const names: Uint8Array[] = [];
    for (let at = 0; names.length < MAX_PROBES + 8; at++) {
      const name = Buffer.from(at.toString(36));
      if ((scramble(hashRange(name, 0, name.length)) & 0x1ff) === 0) names.push(name);
    }
    const index = checkAll(names);
    expect(index.byteLength).toBe(0);
    expect(index.find(Buffer.from("absent"), 0, 6)).toBe(-1);
  });
});

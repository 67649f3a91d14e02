import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NodeId } from "../../src/base/brands.ts";
import { FILE, ROOTS } from "../../src/fs/inode-kind.ts";
import { InodeTable, MAX_GENERATION, ROOT_SLOT } from "../../src/fs/inode-table.ts";

function tableOf(maxInodes: number, firstGeneration = 1): InodeTable {
  const table = new InodeTable(maxInodes, firstGeneration);
  table.setRoot(ROOTS, 0, 1);
  return table;
}

describe("InodeTable", () => {
  it("knows the root as nodeid 1, inode number 1", () => {
    const table = tableOf(10);
    expect(table.nodeOf(ROOT_SLOT)).toBe(1);
    expect(table.slotOf(1 as NodeId)).toBe(ROOT_SLOT);
    expect([table.inoLow(ROOT_SLOT), table.inoHigh(ROOT_SLOT)]).toEqual([1, 0]);
  });

  it("refuses the nodeid of an earlier inode in the same slot", () => {
    const table = tableOf(2);
    const slot = table.allocate(FILE);
    const before = table.nodeOf(slot);
    table.free(slot);
    expect(table.slotOf(before)).toBe(0);
    expect(table.allocate(FILE)).toBe(slot);
    expect(table.slotOf(before)).toBe(0);
    expect(table.slotOf(table.nodeOf(slot))).toBe(slot);
  });

  it("bears every number as a nodeid", () => {
    const table = tableOf(10);
    const slot = table.allocate(FILE);
    const known = [1, table.nodeOf(slot)];
    const number = fc.oneof(
      fc.double(),
      fc.integer(),
      fc.maxSafeNat(),
      fc.constantFrom(0, -1, 2 ** 53, 2 ** 32 + 1, 2 ** 63, 2 ** 64, 1.5),
    );
    fc.assert(
      fc.property(number, (value) => {
        expect(table.slotOf(value as NodeId) !== 0).toBe(known.includes(value));
      }),
    );
  });

  it("never uses a slot again that has used all of its generations", () => {
    const table = tableOf(3, MAX_GENERATION);
    const slot = table.allocate(FILE);
    const node = table.nodeOf(slot);
    expect(node).toBeLessThan(2 ** 53);
    table.free(slot);
    expect(table.slotOf(node)).toBe(0);
    expect(table.allocate(FILE)).not.toBe(slot);
    expect(table.allocate(FILE)).toBe(0);
  });

  it("allocates as many inodes as it may and no more", () => {
    const table = tableOf(1000);
    for (let live = 1; live < 1000; live++) expect(table.allocate(FILE)).toBeGreaterThan(ROOT_SLOT);
    expect(table.allocate(FILE)).toBe(0);
    expect(table.live).toBe(1000);
    table.free(500);
    expect(table.allocate(FILE)).toBe(500);
  });

  it("keeps its records when it grows, and the root's alone when it is cleared", () => {
    const table = tableOf(100_000, 7);
    for (let at = 0; at < 5000; at++) {
      const slot = table.allocate(FILE);
      table.setSize(slot, 2 ** 50 + at);
      table.setIno(slot, at, 0xfffffff0);
    }
    for (let at = 0; at < 5000; at++) {
      expect(table.size(at + 2)).toBe(2 ** 50 + at);
      expect(table.inoLow(at + 2)).toBe(at);
      expect(table.inoHigh(at + 2)).toBe(-16);
    }
    const node = table.nodeOf(17);
    table.clear(8);
    expect(table.live).toBe(1);
    expect(table.slotOf(node)).toBe(0);
    expect(table.kind(ROOT_SLOT)).toBe(ROOTS);
    for (let at = 0; at < 30; at++) table.allocate(FILE);
    expect(table.slotOf(node)).toBe(0);
  });

  it("says that a directory's parent is gone, even when the parent's slot is used again", () => {
    const table = tableOf(10);
    const parent = table.allocate(FILE);
    const child = table.allocate(FILE);
    table.setParent(child, parent);
    expect(table.parent(child)).toBe(parent);
    table.free(parent);
    expect(table.parent(child)).toBe(0);
    expect(table.allocate(FILE)).toBe(parent);
    expect(table.parent(child)).toBe(0);
  });
});

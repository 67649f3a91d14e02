import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NodeId } from "../../src/base/brands.ts";
import { BY_NAME, Child } from "../../src/fs/child.ts";
import { DIRECTORY, EXECUTABLE, FILE, ROOTS, SYMLINK } from "../../src/fs/inode-kind.ts";
import { numberChild } from "../../src/fs/inode-number.ts";
import { InodeTable, ROOT_SLOT } from "../../src/fs/inode-table.ts";
import { InodeTracker } from "../../src/fs/inode-tracker.ts";
import { TextArena } from "../../src/fs/text-arena.ts";

function trackerOf(maxInodes = 1000, maxTextBytes?: number): InodeTracker {
  const table = new InodeTable(maxInodes, 1);
  table.setRoot(ROOTS, 0, 1);
  return new InodeTracker(table, new TextArena(maxTextBytes), 0x12345678);
}

/** A child of `parent`, numbered. The digest is one byte, over and over. */
function childOf(tracker: InodeTracker, parent: number, fields: Partial<Child>, byte = 0): Child {
  const child = Object.assign(new Child(), { kind: FILE, size: 10 }, fields);
  child.digestBytes = new Uint8Array(32).fill(byte);
  child.nameEnd = child.nameBytes.length;
  child.targetEnd = child.targetBytes.length;
  numberChild(child, tracker.table.inoLow(parent), tracker.table.inoHigh(parent));
  return child;
}

/** LOOKUP: the nodeid, or 0 when the table is full. */
function enter(tracker: InodeTracker, parent: number, child: Child): NodeId {
  const slot = tracker.find(parent, child) || tracker.add(parent, child, 1);
  if (slot === 0) return 0 as NodeId;
  tracker.remember(slot);
  return tracker.table.nodeOf(slot);
}

describe("InodeTracker", () => {
  it("gives equal files one inode, and an executable another", () => {
    const tracker = trackerOf();
    const plain = enter(tracker, ROOT_SLOT, childOf(tracker, ROOT_SLOT, { index: 1 }));
    expect(enter(tracker, ROOT_SLOT, childOf(tracker, ROOT_SLOT, { index: 2 }))).toBe(plain);
    const executable = childOf(tracker, ROOT_SLOT, { kind: EXECUTABLE });
    expect(enter(tracker, ROOT_SLOT, executable)).not.toBe(plain);
    expect(enter(tracker, ROOT_SLOT, childOf(tracker, ROOT_SLOT, {}, 1))).not.toBe(plain);
  });

  it("does not let a parent that lies about a size spoil the inode of others", () => {
    const tracker = trackerOf();
    const wrong = enter(tracker, ROOT_SLOT, childOf(tracker, ROOT_SLOT, { size: 3 }));
    const right = enter(tracker, ROOT_SLOT, childOf(tracker, ROOT_SLOT, { size: 10 }));
    expect(right).not.toBe(wrong);
    expect(tracker.table.size(tracker.table.slotOf(right))).toBe(10);
  });

  it("gives equal directories at two places two inodes with two numbers", () => {
    const tracker = trackerOf();
    const at = (index: number, name: string) =>
      childOf(tracker, ROOT_SLOT, { kind: DIRECTORY, index, nameBytes: Buffer.from(name) });
    const one = at(0, "a");
    const two = at(1, "b");
    const first = enter(tracker, ROOT_SLOT, one);
    expect(enter(tracker, ROOT_SLOT, two)).not.toBe(first);
    expect(enter(tracker, ROOT_SLOT, at(0, "a"))).toBe(first);
    expect([two.inoLow, two.inoHigh]).not.toEqual([one.inoLow, one.inoHigh]);
  });

  it("tells root directories apart by name and by digest", () => {
    const tracker = trackerOf();
    const root = (name: string, byte: number) =>
      childOf(
        tracker,
        ROOT_SLOT,
        { kind: DIRECTORY, index: BY_NAME, nameBytes: Buffer.from(name) },
        byte,
      );
    const nodes = [root("a", 1), root("b", 1), root("a", 2)].map((child) =>
      enter(tracker, ROOT_SLOT, child),
    );
    expect(new Set(nodes).size).toBe(3);
    expect(enter(tracker, ROOT_SLOT, root("a", 1))).toBe(nodes[0]);
  });

  it("shares symlinks by target", () => {
    const tracker = trackerOf();
    const link = (target: string) =>
      childOf(tracker, ROOT_SLOT, { kind: SYMLINK, targetBytes: Buffer.from(target) });
    const one = enter(tracker, ROOT_SLOT, link("../lib"));
    expect(enter(tracker, ROOT_SLOT, link("../lib"))).toBe(one);
    expect(enter(tracker, ROOT_SLOT, link("../lib64"))).not.toBe(one);
  });

  it("never confuses inodes whose numbers are equal", () => {
    const tracker = trackerOf();
    const nodes = new Set<NodeId>();
    for (let byte = 0; byte < 50; byte++) {
      const child = childOf(tracker, ROOT_SLOT, {}, byte);
      child.inoLow = 4;
      child.inoHigh = 4;
      nodes.add(enter(tracker, ROOT_SLOT, child));
    }
    expect(nodes.size).toBe(50);
  });

  it("refuses a parent's and a child's old nodeids when the parent was forgotten first", () => {
    const tracker = trackerOf();
    const a = childOf(tracker, ROOT_SLOT, { kind: DIRECTORY, index: 0 }, 1);
    const parent = enter(tracker, ROOT_SLOT, a);
    const parentSlot = tracker.table.slotOf(parent);
    const inner = () => childOf(tracker, parentSlot, { kind: DIRECTORY, index: 0 }, 2);
    const child = enter(tracker, parentSlot, inner());
    tracker.forget(parent, 1);
    // Another directory takes the slot, with an equal child at the same place.
    const b = childOf(tracker, ROOT_SLOT, { kind: DIRECTORY, index: 1 }, 3);
    const other = enter(tracker, ROOT_SLOT, b);
    expect(tracker.table.slotOf(other)).toBe(parentSlot);
    expect(tracker.table.slotOf(parent)).toBe(0);
    const otherChild = enter(tracker, parentSlot, inner());
    expect(otherChild).not.toBe(child);
    expect(tracker.table.parent(tracker.table.slotOf(child))).toBe(0);
    expect(tracker.table.parent(tracker.table.slotOf(otherChild))).toBe(parentSlot);
    for (const node of [child, other, otherChild]) tracker.forget(node, 1);
    expect(tracker.table.live).toBe(1);
  });

  it("bears counts that are too high, none at all, or of unknown nodeids", () => {
    const tracker = trackerOf();
    const node = enter(tracker, ROOT_SLOT, childOf(tracker, ROOT_SLOT, {}));
    tracker.forget(node, 0);
    tracker.forget(node, Number.NaN);
    tracker.forget(node, -5);
    expect(tracker.table.slotOf(node)).not.toBe(0);
    tracker.forget(node, 2 ** 53);
    expect(tracker.table.slotOf(node)).toBe(0);
    tracker.forget(node, 1);
    tracker.forget(1 as NodeId, 2 ** 60);
    tracker.forget(77 as NodeId, 1);
    expect(tracker.table.live).toBe(1);
  });

  it("adds nothing when there is no room for the text", () => {
    const tracker = trackerOf(1000, 4096);
    let last = 1 as NodeId;
    for (let count = 0; last !== 0; count++) {
      const targetBytes = Buffer.from(`${count}`.padEnd(500, "."));
      last = enter(tracker, ROOT_SLOT, childOf(tracker, ROOT_SLOT, { kind: SYMLINK, targetBytes }));
    }
    const { live } = tracker.table;
    expect(live).toBeLessThan(10);
    const file = enter(tracker, ROOT_SLOT, childOf(tracker, ROOT_SLOT, {}));
    expect(file).not.toBe(0);
    tracker.forget(file, 1);
    expect(tracker.table.live).toBe(live);
  });

  it("counts lookups and forgets as a Map does, and is empty when all is forgotten", () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ enter: fc.nat(30), kind: fc.constantFrom(1, 2, 3, 4) }) },
      {
        weight: 2,
        arbitrary: fc.record({ forget: fc.nat(), count: fc.integer({ min: -1, max: 4 }) }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const tracker = trackerOf(40);
        const counts = new Map<NodeId, number>();
        const keys = new Map<NodeId, string>();
        const gone = new Set<NodeId>();
        for (const step of steps) {
          if ("enter" in step) {
            const targetBytes = Buffer.from(`target ${step.enter}`);
            const fields = { kind: step.kind, index: step.enter, targetBytes };
            const child = childOf(tracker, ROOT_SLOT, fields, step.enter);
            const node = enter(tracker, ROOT_SLOT, child);
            if (node === 0) {
              expect(counts.size).toBe(39);
              continue;
            }
            expect(gone.has(node)).toBe(false);
            const key = `${step.kind} ${step.enter}`;
            expect(keys.get(node) ?? key).toBe(key);
            keys.set(node, key);
            counts.set(node, (counts.get(node) ?? 0) + 1);
          } else {
            const nodes = [...counts.keys()];
            const node = nodes[step.forget % Math.max(nodes.length, 1)] ?? (99 as NodeId);
            tracker.forget(node, step.count);
            const left = (counts.get(node) ?? 0) - Math.max(step.count, 0);
            if (left > 0) counts.set(node, left);
            else if (counts.delete(node)) gone.add(node);
          }
          expect(tracker.table.live).toBe(counts.size + 1);
          expect(new Set(keys.values()).size).toBeGreaterThanOrEqual(counts.size);
          for (const node of gone) expect(tracker.table.slotOf(node)).toBe(0);
        }
        for (const [node, count] of counts) {
          expect(tracker.table.lookups(tracker.table.slotOf(node))).toBe(count);
          tracker.forget(node, count);
        }
        expect(tracker.table.live).toBe(1);
      }),
    );
  });

  it("forgets all but the root on reset()", () => {
    const tracker = trackerOf();
    const node = enter(tracker, ROOT_SLOT, childOf(tracker, ROOT_SLOT, {}));
    tracker.reset(2);
    expect(tracker.table.slotOf(node)).toBe(0);
    expect(tracker.table.live).toBe(1);
    const again = enter(tracker, ROOT_SLOT, childOf(tracker, ROOT_SLOT, {}));
    expect(again).not.toBe(node);
    expect(tracker.table.lookups(tracker.table.slotOf(again))).toBe(1);
  });
});

/** The inode tracker with a hundred thousand inodes: found again, made and forgotten. */
import { Child } from "../../../src/fs/child.ts";
import { FILE, ROOTS } from "../../../src/fs/inode-kind.ts";
import { numberChild } from "../../../src/fs/inode-number.ts";
import { InodeTable, ROOT_SLOT } from "../../../src/fs/inode-table.ts";
import { InodeTracker } from "../../../src/fs/inode-tracker.ts";
import { TextArena } from "../../../src/fs/text-arena.ts";
import { seededBytes } from "../bench-tree.ts";
import { type MicroResult, stopwatch } from "./stopwatch.ts";

const INODES = 1 << 17;
/** Odd: stepping by it visits every inode. */
const STEP = 40_503;

export function inodes(): MicroResult[] {
  const table = new InodeTable(2 * INODES, 1);
  table.setRoot(ROOTS, 0, 1);
  const tracker = new InodeTracker(table, new TextArena(), 0x2468_ace0);
  const digests = seededBytes(7, 2 * INODES * 32);
  const child = new Child();
  child.kind = FILE;
  child.size = 10;
  child.digestBytes = digests;
  const describe = (index: number) => {
    child.digestStart = 32 * index;
    numberChild(child, table.inoLow(ROOT_SLOT), table.inoHigh(ROOT_SLOT));
  };
  for (let index = 0; index < INODES; index++) {
    describe(index);
    tracker.remember(tracker.add(ROOT_SLOT, child, 1));
  }
  let at = 0;
  return [
    stopwatch("inode tracker: find one of 131,072", (steps) => {
      for (let i = 0; i < steps; i++) {
        at = (at + STEP) & (INODES - 1);
        describe(at);
        if (tracker.find(ROOT_SLOT, child) === 0) throw new Error("an inode got lost");
      }
    }),
    stopwatch("inode tracker: add, remember and forget", (steps) => {
      for (let i = 0; i < steps; i++) {
        at = (at + STEP) & (INODES - 1);
        describe(INODES + at);
        const slot = tracker.add(ROOT_SLOT, child, 1);
        tracker.remember(slot);
        tracker.forget(table.nodeOf(slot), 1);
      }
    }),
  ];
}

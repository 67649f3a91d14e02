/**
 * A writer refuses to go on in a segment that is shorter than what was stored in it, or of which
 * the index does not know how much that was. Then nobody could write what mends the store: the
 * slots of such segments get new ones.
 */
import type { DatabaseSync } from "node:sqlite";
import { openIndex } from "../disk-index.ts";
import { SLOTS, segmentPath } from "../disk-layout.ts";
import { StoreError } from "../errors.ts";
import { inTransaction } from "../object-rows.ts";
import { SegmentTable } from "../segment-table.ts";
import { WriterSlots } from "../writer-slots.ts";
import { fileBytes } from "./segment-plan.ts";

const WAIT_MILLISECONDS = 60_000;

/** @throws StoreBusy when others write all the time; StoreError */
export async function leaveLostSegments(directory: string): Promise<void> {
  const database = openIndex(directory, "write");
  try {
    if (lostSlots(database, directory).length === 0) return;
    using _slots = await WriterSlots.takeAll(directory, WAIT_MILLISECONDS);
    inTransaction(database, () => {
      const leave = database.prepare("DELETE FROM slots WHERE slot = ?");
      for (const slot of lostSlots(database, directory)) leave.run(slot);
    });
  } finally {
    database.close();
  }
}

function lostSlots(database: DatabaseSync, directory: string): number[] {
  const table = new SegmentTable(database);
  const lost: number[] = [];
  for (let slot = 0; slot < SLOTS; slot += 1) {
    try {
      const end = table.end(slot);
      if (end === undefined || fileBytes(segmentPath(directory, end.segment)) >= end.length)
        continue;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
    lost.push(slot);
  }
  return lost;
}

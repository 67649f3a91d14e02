/** The moment in which a collection deletes. */
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openIndex } from "../../../src/store/disk-index.ts";
import { DiskObjects } from "../../../src/store/disk-objects.ts";
import { Deletion } from "../../../src/store/upkeep/deletion.ts";
import { takeLease } from "../../../src/store/upkeep/lease.ts";
import { Marker } from "../../../src/store/upkeep/marker.ts";
import { Sweep } from "../../../src/store/upkeep/sweep.ts";
import { Turns } from "../../../src/store/upkeep/turns.ts";
import { WriterSlots } from "../../../src/store/writer-slots.ts";
import { temporaryFolder } from "../temporary.ts";
import { openSmall, putRoot, reachable, stored } from "./small-stores.ts";

/** A collection that has every slot, and is told when to mark. */
async function begin(folder: string, mark: (marker: Marker) => Promise<void>) {
  const database = openIndex(folder, "write");
  const objects = new DiskObjects(folder, database);
  const slots = await WriterSlots.takeAll(folder, 1000);
  onTestFinished(() => {
    objects[Symbol.dispose]();
    database.close();
    slots[Symbol.dispose]();
  });
  const turns = new Turns(undefined, () => {});
  const marker = new Marker(database, objects, 0, turns);
  const sweep = new Sweep(database, marker, turns);
  return new Deletion({
    directory: folder,
    database,
    marker,
    sweep,
    mark: async () => {
      await mark(marker);
      return { leases: 0, forgettable: [] };
    },
    wasteShare: 0,
    millisecondsMax: 0,
  });
}

test("a lease that came after the marking undoes the deletion, until it was marked for", async () => {
  const folder = join(temporaryFolder(), "store");
  using store = openSmall(folder);
  const tree = await putRoot(store, "tree", {
    a: { bytes: 10, seed: 1 },
    b: { c: { target: "x" } },
  });
  await putRoot(store, "other", { d: { e: { target: "y" } } });
  const before = stored(folder);
  const leases: Disposable[] = [];
  let marked = 0;
  const deletion = await begin(folder, async (marker) => {
    marked += 1;
    if (marked === 2) {
      // What was deleted without it is back.
      expect(stored(folder)).toEqual(before);
      marker.addRoot(tree, false);
    }
    await marker.mark();
    if (marked === 1) leases.push(takeLease(folder, { roots: [tree] }));
  });
  expect(await deletion.some()).toBeDefined();
  expect(marked).toBe(2);
  expect(stored(folder)).toEqual(await reachable(store, [tree]));
  for (const lease of leases) lease[Symbol.dispose]();
});

/** The moment in which a collection deletes. */
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openIndex } from "../../../src/store/disk-index.ts";
import { DiskObjects } from "../../../src/store/disk-objects.ts";
import { deleteNames } from "../../../src/store/upkeep/deletion.ts";
import { takeLease } from "../../../src/store/upkeep/lease.ts";
import { Marker } from "../../../src/store/upkeep/marker.ts";
import { Sweep } from "../../../src/store/upkeep/sweep.ts";
import { Turns } from "../../../src/store/upkeep/turns.ts";
import { WriterSlots } from "../../../src/store/writer-slots.ts";
import { temporaryFolder } from "../temporary.ts";
import { openSmall, putRoot, stored } from "./small-stores.ts";

async function begin(folder: string) {
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
  return { marker, attempt: () => deleteNames(folder, database, marker, sweep, []) };
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
  const { marker, attempt } = await begin(folder);
  await marker.mark();
  using _lease = takeLease(folder, { roots: [tree] });
  expect(attempt()).toBe(false);
  expect(stored(folder)).toEqual(before);
  marker.addRoot(tree, false);
  await marker.mark();
  expect(attempt()).toBe(true);
  // The chunk stays until chunks are deleted.
  expect(stored(folder).size).toBe(3);
});

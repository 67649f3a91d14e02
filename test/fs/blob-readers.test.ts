import { describe, expect, it } from "vitest";
import { EIO } from "../../src/base/errno.ts";
import { type Logger, silentLogger } from "../../src/base/logger.ts";
import { MISSING } from "../../src/base/missing.ts";
import { BlobReaders } from "../../src/fs/blob-readers.ts";
import { FILE, ROOTS } from "../../src/fs/inode-kind.ts";
import { InodeTable } from "../../src/fs/inode-table.ts";
import { FakeStore } from "./fake-store.ts";

function setUp(capacity: number, logger: Logger = silentLogger) {
  const store = new FakeStore();
  const table = new InodeTable(1000, 1);
  table.setRoot(ROOTS, 0, 1);
  const readers = new BlobReaders(store, table, logger, capacity);
  const slotOf = (content: string, size = content.length): number => {
    const slot = table.allocate(FILE);
    table.setDigest(slot, store.file(content).digest.bytes, 0);
    table.setSize(slot, size);
    return slot;
  };
  /** Bytes of the blob in a slot, or the status instead of one. */
  const sizeOf = (slot: number): number => {
    const blob = readers.get(slot);
    return typeof blob === "number" ? blob : blob.size;
  };
  return { store, table, readers, slotOf, sizeOf };
}

describe("BlobReaders", () => {
  it("opens a blob once while it is among the last used", () => {
    const { store, readers, slotOf, sizeOf } = setUp(3);
    const slots = ["a", "bb", "ccc", "dddd"].map((content) => slotOf(content));
    for (const slot of slots.slice(0, 3)) readers.get(slot);
    readers.get(slots[0] as number);
    expect(store.blobOpens).toBe(3);
    expect(sizeOf(slots[3] as number)).toBe(4);
    expect(sizeOf(slots[0] as number)).toBe(1);
    expect(store.blobOpens).toBe(4);
    expect(sizeOf(slots[1] as number)).toBe(2);
    expect(store.blobOpens).toBe(5);
    expect(readers.count).toBe(3);
  });

  it("does not give a slot's earlier blob to the inode that has the slot now", () => {
    const { table, readers, slotOf, sizeOf } = setUp(3);
    const slot = slotOf("old");
    readers.get(slot);
    table.free(slot);
    expect(slotOf("newer")).toBe(slot);
    expect(sizeOf(slot)).toBe(5);
  });

  it("gives -EIO for a missing, rotten or wrongly sized blob, and logs why", () => {
    const messages: string[] = [];
    const { store, table, readers, slotOf, sizeOf } = setUp(3, {
      log: (_, text) => messages.push(text),
    });
    const wrong = slotOf("content", 8);
    const rotten = slotOf("rotten");
    store.rotten.add(store.file("rotten").digest.hex);
    const missing = table.allocate(FILE);
    for (const slot of [wrong, rotten, missing]) expect(sizeOf(slot)).toBe(-EIO);
    expect(messages).toEqual([
      "blob is not as long as stated",
      "blob is unreadable",
      "blob is missing",
    ]);
    expect(readers.count).toBe(0);
  });

  it("gives MISSING while a blob is being fetched, and then the blob", () => {
    const { store, readers, slotOf, sizeOf } = setUp(3);
    const slot = slotOf("elsewhere");
    store.takeAway(store.file("elsewhere").digest);
    expect(sizeOf(slot)).toBe(MISSING);
    expect(sizeOf(slot)).toBe(MISSING);
    expect(readers.count).toBe(0);
    store.bringBack();
    expect(sizeOf(slot)).toBe(9);
  });

  it("holds nothing after clear()", () => {
    const { store, readers, slotOf, sizeOf } = setUp(2);
    const slot = slotOf("a");
    readers.get(slot);
    readers.clear();
    expect(readers.count).toBe(0);
    expect(sizeOf(slot)).toBe(1);
    expect(store.blobOpens).toBe(2);
  });
});

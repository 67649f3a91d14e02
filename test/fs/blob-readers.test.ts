import { describe, expect, it } from "vitest";
import { type Logger, silentLogger } from "../../src/base/logger.ts";
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
  return { store, table, readers, slotOf };
}

describe("BlobReaders", () => {
  it("opens a blob once while it is among the last used", () => {
    const { store, readers, slotOf } = setUp(3);
    const slots = ["a", "bb", "ccc", "dddd"].map((content) => slotOf(content));
    for (const slot of slots.slice(0, 3)) readers.get(slot);
    readers.get(slots[0] as number);
    expect(store.blobOpens).toBe(3);
    expect(readers.get(slots[3] as number)?.size).toBe(4);
    expect(readers.get(slots[0] as number)?.size).toBe(1);
    expect(store.blobOpens).toBe(4);
    expect(readers.get(slots[1] as number)?.size).toBe(2);
    expect(store.blobOpens).toBe(5);
    expect(readers.count).toBe(3);
  });

  it("does not give a slot's earlier blob to the inode that has the slot now", () => {
    const { table, readers, slotOf } = setUp(3);
    const slot = slotOf("old");
    readers.get(slot);
    table.free(slot);
    expect(slotOf("newer")).toBe(slot);
    expect(readers.get(slot)?.size).toBe(5);
  });

  it("gives undefined for a missing, rotten or wrongly sized blob, and logs why", () => {
    const messages: string[] = [];
    const { store, table, readers, slotOf } = setUp(3, { log: (_, text) => messages.push(text) });
    const wrong = slotOf("content", 8);
    const rotten = slotOf("rotten");
    store.rotten.add(store.file("rotten").digest.hex);
    const missing = table.allocate(FILE);
    for (const slot of [wrong, rotten, missing]) expect(readers.get(slot)).toBeUndefined();
    expect(messages).toEqual([
      "blob is not as long as stated",
      "blob is unreadable",
      "blob is missing",
    ]);
    expect(readers.count).toBe(0);
  });

  it("holds nothing after clear()", () => {
    const { store, readers, slotOf } = setUp(2);
    const slot = slotOf("a");
    readers.get(slot);
    readers.clear();
    expect(readers.count).toBe(0);
    expect(readers.get(slot)?.size).toBe(1);
    expect(store.blobOpens).toBe(2);
  });
});

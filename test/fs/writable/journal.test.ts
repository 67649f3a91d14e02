import { describe, expect, it } from "vitest";
import { EIO, ENOSPC } from "../../../src/base/errno.ts";
import { SYNCING, WAITING } from "../../../src/base/waiting.ts";
import { ROWS_MAX, ROWS_TO_WRITE } from "../../../src/fs/writable/journal.ts";
import { newStatistics } from "../../../src/fuse/file-system.ts";
import { FakeStore } from "../fake-store.ts";
import { FakeLayer } from "./fake-layer.ts";
import { afterCrash, ROOT, type Share, shareOf } from "./writing-kernel.ts";

function share(layer = new FakeLayer()) {
  const store = new FakeStore();
  const root = store.tree([["file", store.file("of the base")]]);
  const made = shareOf(store, root, layer);
  // The root's row.
  made.kernel.flush();
  const tickets: [ticket: number, errno: number][] = [];
  made.kernel.changes.onProgress = (ticket, errno) => tickets.push([ticket, errno]);
  return { store, root, ...made, tickets };
}

describe("batches of a writable share", () => {
  it("tick() writes what has waited for a second, durably, and then says that nothing is due", () => {
    const { kernel, layer } = share();
    expect(kernel.changes.tick(0)).toBe(-1);
    kernel.create(ROOT, "name");
    expect(kernel.changes.tick(1000)).toBe(1000);
    expect(kernel.changes.tick(1999)).toBe(1);
    expect(layer.batches).toHaveLength(0);
    kernel.changes.tick(2000);
    expect(layer.batches.map(({ durable }) => durable)).toEqual([true]);
    kernel.settle();
    expect(kernel.changes.tick(9000)).toBe(-1);
  });

  it("fsync() is answered when the batch with its change is durable; others go with it", () => {
    const { kernel, layer, tickets } = share();
    const node = kernel.create(ROOT, "name");
    expect(kernel.changes.fsync(node, false)).toBe(SYNCING);
    const first = kernel.changes.ticket.last;
    expect(layer.batches).toHaveLength(1);
    kernel.write(node, 0, "more");
    expect(kernel.changes.fsync(node, false)).toBe(SYNCING);
    const second = kernel.changes.ticket.last;
    kernel.write(node, 0, "most");
    expect(kernel.changes.fsync(node, false)).toBe(SYNCING);
    expect(kernel.changes.ticket.last).toBe(second);
    // Both wait for one batch, which waits for the first.
    expect(layer.batches).toHaveLength(1);
    layer.settleNext();
    kernel.changes.layerChanged();
    expect(tickets).toEqual([[first, 0]]);
    expect(layer.batches).toHaveLength(1);
    layer.settleNext();
    kernel.changes.layerChanged();
    expect(tickets.at(-1)).toEqual([second, 0]);
    expect(kernel.changes.fsync(node, false)).toBe(0);
    expect(kernel.changes.syncfs()).toBe(0);
  });

  it("what fsync() has answered is there after a crash", () => {
    const { kernel, store, root, fs, layer } = share();
    const node = kernel.create(ROOT, "kept");
    kernel.write(node, 0, "kept");
    kernel.changes.fsync(node, false);
    kernel.settle();
    kernel.write(node, 0, "lost");
    kernel.changes.fsync(node, false);
    const again: Share = afterCrash(store, root, { kernel, fs, layer });
    expect(again.kernel.contentOf(again.kernel.walk("kept").nodeid).toString()).toBe("kept");
  });

  it("a commit gets all that was changed before it, and holds what comes after", () => {
    const { kernel, layer } = share();
    kernel.create(ROOT, "before");
    layer.hold();
    kernel.changes.layerChanged();
    expect([layer.batches.length, layer.helds]).toEqual([1, 1]);
    const node = kernel.create(ROOT, "after");
    expect(kernel.changes.fsync(node, false)).toBe(SYNCING);
    expect(layer.batches).toHaveLength(1);
    layer.settleNext();
    kernel.changes.layerChanged();
    layer.release();
    kernel.changes.layerChanged();
    expect(layer.batches).toHaveLength(1);
    kernel.settle();
    expect(kernel.changes.syncfs()).toBe(0);
  });

  it("names are written when they are many, and wait when they are too many", () => {
    const { kernel, layer } = share();
    const made = () => {
      try {
        kernel.create(ROOT, `name-${count}`);
        return 0;
      } catch (error) {
        return Number(String(error).split(": ").at(-1));
      }
    };
    let count = 0;
    while (layer.batches.length === 0) {
      expect(made()).toBe(0);
      count += 1;
    }
    expect(count).toBeLessThanOrEqual(ROWS_TO_WRITE);
    let status = 0;
    for (; status === 0 && count <= ROWS_MAX * 2; count++) status = made();
    expect(status).toBe(WAITING);
    kernel.settle();
    expect(made()).toBe(0);
  });

  it("a layer that fails refuses changes with its errno, shows what there is, and ends all waits", () => {
    const { kernel, layer, tickets } = share();
    const node = kernel.create(ROOT, "name");
    kernel.write(node, 0, "shown");
    expect(kernel.changes.fsync(node, false)).toBe(SYNCING);
    const { last } = kernel.changes.ticket;
    layer.errno = EIO;
    kernel.settle();
    expect(tickets.at(-1)?.[0]).toBeGreaterThanOrEqual(last);
    expect(tickets.at(-1)?.[1]).toBe(EIO);
    expect(kernel.write(node, 0, "x")).toBe(-EIO);
    expect(kernel.unlink(ROOT, "name")).toBe(-EIO);
    expect(kernel.changes.fsync(node, false)).toBe(-EIO);
    expect(kernel.contentOf(node).toString()).toBe("shown");
    expect(kernel.changes.tick(1e9)).toBe(-1);
  });

  it("a full layer refuses names and bytes with ENOSPC, and statfs() says so", () => {
    const layer = new FakeLayer();
    layer.limits = { layerBytes: 1024 * 1024, memoryBytes: 0 };
    const { kernel, fs } = share(layer);
    const node = kernel.create(ROOT, "big");
    const chunk = Buffer.alloc(64 * 1024, 1);
    let written = 0;
    for (let offset = 0; offset < 4 * 1024 * 1024; offset += chunk.length) {
      written = kernel.write(node, offset, chunk);
      if (written < 0) break;
    }
    expect(written).toBe(-ENOSPC);
    kernel.flush();
    const statistics = newStatistics();
    expect(fs.statfs(ROOT, statistics)).toBe(0);
    expect(statistics.blocks).toBeLessThanOrEqual((1024 * 1024) / 4096);
    expect(statistics.freeBlocks).toBeLessThan(16);
    expect(kernel.unlink(ROOT, "big")).toBe(0);
    fs.forget(node, 1);
    kernel.flush();
    kernel.flush();
    expect(kernel.write(kernel.create(ROOT, "again"), 0, chunk)).toBe(chunk.length);
  });

  it("a removed file gives its room back, though nobody has read it since the start", () => {
    const { kernel, store, root, layer } = share();
    kernel.write(kernel.create(ROOT, "big"), 0, Buffer.alloc(1024 * 1024, 1));
    kernel.flush();
    const next = new FakeLayer(layer.disk);
    next.limits = { layerBytes: 2 * 1024 * 1024, memoryBytes: 0 };
    const again = shareOf(store, root, next);
    const free = (): number => {
      const statistics = newStatistics();
      again.fs.statfs(ROOT, statistics);
      return statistics.freeBlocks;
    };
    expect(free()).toBeLessThan(300);
    expect(again.kernel.unlink(ROOT, "big")).toBe(0);
    again.kernel.flush();
    again.kernel.flush();
    expect(free()).toBeGreaterThan(500);
    expect(again.layer.disk.pieces.size).toBe(0);
  });

  it("a sparse file takes no more blocks after a restart than before", () => {
    const { kernel, store, root, fs, layer } = share();
    const node = kernel.create(ROOT, "sparse");
    kernel.write(node, 100 * 1024 * 1024, "end");
    kernel.flush();
    expect(kernel.attributes(node).blocks).toBe(8);
    const again = afterCrash(store, root, { kernel, fs, layer }).kernel;
    expect(again.walk("sparse").attributes.blocks).toBe(8);
  });

  it("long attributes are written before they are many, and wait when they are too many", () => {
    const { kernel, layer } = share();
    const node = kernel.create(ROOT, "name");
    const value = Buffer.alloc(60_000, 1);
    let status = 0;
    let count = 0;
    for (; layer.batches.length === 0; count++) kernel.setxattr(node, "user.long", value);
    expect(count * value.length).toBeLessThan(8 * 1024 * 1024);
    for (; status === 0 && count < 10_000; count++) {
      status = kernel.setxattr(node, "user.long", value);
    }
    expect(status).toBe(WAITING);
    kernel.settle();
    expect(kernel.setxattr(node, "user.long", "short")).toBe(0);
    expect(kernel.xattr(node, "user.long")).toBe("short");
  });

  it("a symlink's target is the layer's to remember once it has it", () => {
    const { kernel, store, root, fs, layer } = share();
    const node = kernel.symlink(ROOT, "link", "where it leads");
    kernel.flush();
    expect(kernel.readlink(node).toString()).toBe("where it leads");
    expect(kernel.link(node, ROOT, "second")).toBe(0);
    kernel.flush();
    const again = afterCrash(store, root, { kernel, fs, layer }).kernel;
    expect(again.readlink(again.walk("second").nodeid).toString()).toBe("where it leads");
  });
});

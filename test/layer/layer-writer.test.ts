/** Batches reach the files of a layer; what a full disk does to them. */
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { MessageChannel } from "node:worker_threads";
import { SharedMemory } from "node-vhost-user";
import { expect, onTestFinished, test } from "vitest";
import type { HostAddress } from "../../src/base/brands.ts";
import { EIO, ENOSPC } from "../../src/base/errno.ts";
import { silentLogger } from "../../src/base/logger.ts";
import type { LayerBatch } from "../../src/layer/batch.ts";
import { DeviceLayer } from "../../src/layer/device-layer.ts";
import { openLayerDatabase } from "../../src/layer/layer-database.ts";
import { databasePath, dataPath } from "../../src/layer/layer-files.ts";
import { LayerWriter } from "../../src/layer/layer-writer.ts";
import { LOG_BYTES } from "../../src/layer/write-ahead-log.ts";
import { mayMount, smallDisk } from "../store/small-disk.ts";
import { noise } from "../store/temporary.ts";
import { inodeRow, NO_CHANGES, testLayer } from "./layer-rows.ts";

const MEGABYTE = 1024 * 1024;
const MEMORY_BYTES = 4 * MEGABYTE;

/** A layer, its writer, and a device thread's view of it; the memory holds noise. */
function openWriter(folder?: string) {
  const layer = testLayer(folder);
  const held = layer.open();
  const shared = SharedMemory.create(MEMORY_BYTES);
  const memory = shared.bytes;
  memory.set(noise(MEMORY_BYTES, 3));
  const { port1, port2 } = new MessageChannel();
  const device = new DeviceLayer({
    directory: layer.directory,
    memoryAddress: shared.address,
    memoryBytes: MEMORY_BYTES,
    layerBytes: undefined,
    port: port1,
  });
  let writer = new LayerWriter(layer.directory, memory, silentLogger);
  onTestFinished(() => {
    device[Symbol.dispose]();
    port2.close();
    writer[Symbol.dispose]();
    held[Symbol.dispose]();
    shared[Symbol.dispose]();
  });
  let id = 0;
  return {
    directory: layer.directory,
    memory,
    device,
    get writer() {
      return writer;
    },
    /** As if the process had ended and another had come. */
    reopen() {
      writer[Symbol.dispose]();
      writer = new LayerWriter(layer.directory, memory, silentLogger);
    },
    write(changes: Partial<LayerBatch>) {
      id += 1;
      return writer.write({ ...NO_CHANGES, ...changes, id });
    },
    /** Through the mapping, as a reply would; undefined: it cannot be read. */
    read(position: number, length: number) {
      const address = device.data.address(position, length) as HostAddress;
      const at = MEMORY_BYTES - length;
      if (device.memory.copyMapped(address, at, length) !== 0) return undefined;
      return memory.slice(at);
    },
  };
}

test("contents lie where the batch says, rows are there, and both are the next time", () => {
  const layer = openWriter();
  const writes = Float64Array.of(100, 5000, 9, 3 * MEGABYTE, 70_000, 2_000_000);
  expect(layer.write({ writes, inodes: [inodeRow(2)], nextInode: 3 })).toBe(0);
  for (const _ of [1, 2]) {
    expect(layer.read(9, 5000)).toEqual(layer.memory.slice(100, 5100));
    expect(layer.read(2_000_000, 1000)).toEqual(layer.memory.slice(3 * MEGABYTE).slice(0, 1000));
    expect(layer.device.reader.inode(2)).toEqual(inodeRow(2));
    expect(layer.device.reader.nextInode).toBe(3);
    layer.reopen();
  }
});

test("a position is read beyond the first GiB, but not across it", () => {
  const layer = openWriter();
  const far = 5 * 1024 * MEGABYTE + 123;
  expect(layer.write({ writes: Float64Array.of(0, 4096, far) })).toBe(0);
  expect(layer.read(far, 4096)).toEqual(layer.memory.slice(0, 4096));
  expect(layer.device.data.address(1024 * MEGABYTE - 10, 20)).toBe(0);
  expect(layer.device.data.address(-1, 20)).toBe(0);
  expect(layer.device.data.address(2 ** 50, 20)).toBe(0);
});

test("what lies beyond the end of the contents is an error, not a crash", () => {
  const layer = openWriter();
  expect(layer.device.memory.copyMapped(layer.device.data.address(0, 1) as HostAddress, 0, 1)).toBe(
    -EIO,
  );
});

test("a durable batch without rows commits what the one before has left in the log only", () => {
  const layer = openWriter();
  using database = openLayerDatabase(layer.directory, "read");
  const version = () => database.prepare("PRAGMA data_version").get()?.["data_version"];
  layer.write({ inodes: [inodeRow(2)], durable: false });
  const undurable = version();
  layer.write({});
  const durable = version();
  expect(durable).not.toBe(undurable);
  layer.write({});
  expect(version()).toBe(durable);
});

test("what is overwritten in place by a durable batch can be read, whatever came before it", () => {
  const layer = openWriter();
  const inodes = [inodeRow(2)];
  layer.write({ writes: Float64Array.of(0, 8192, 0), inodes });
  layer.write({ writes: Float64Array.of(65_536, 4096, 4096), inodes });
  expect(layer.read(4096, 4096)).toEqual(layer.memory.slice(65_536, 65_536 + 4096));
  layer.write({ writes: Float64Array.of(8192, 4096, 1 << 20), durable: false });
  layer.write({ writes: Float64Array.of(70_000, 4096, 0), inodes });
  expect(layer.read(0, 4096)).toEqual(layer.memory.slice(70_000, 74_096));
  expect(layer.read(1 << 20, 4096)).toEqual(layer.memory.slice(8192, 12_288));
});

test("freed room is given back once a durable batch has said so", () => {
  const layer = openWriter();
  const path = dataPath(layer.directory);
  layer.write({ writes: Float64Array.of(0, MEGABYTE, 0, 0, MEGABYTE, 2 * MEGABYTE) });
  const { blocks, size } = statSync(path);
  layer.write({ durable: false, freed: Float64Array.of(0, MEGABYTE), removedInodes: [2] });
  layer.writer.tidy();
  expect(statSync(path).blocks).toBe(blocks);
  layer.write({ durable: true });
  layer.writer.tidy();
  expect(statSync(path).blocks).toBe(blocks / 2);
  expect(statSync(path).size).toBe(size);
  expect(layer.read(0, 10)).toEqual(new Uint8Array(10));
});

test("the write-ahead log does not grow for ever, and has its first size after a clean end", () => {
  const layer = openWriter();
  const path = `${databasePath(layer.directory)}-wal`;
  const value = noise(60_000, 1);
  for (let round = 0; round < 40; round += 1) {
    const xattrs = Array.from({ length: 20 }, (_, inode) => ({
      inode,
      name: value.slice(0, 9),
      value,
    }));
    expect(layer.write({ xattrs })).toBe(0);
    layer.writer.tidy();
  }
  expect(statSync(path).size).toBeLessThan(24 * MEGABYTE);
  expect(layer.writer.room.metadataBytes).toBeGreaterThan(20 * value.length);
  layer.reopen();
  expect(statSync(path).size).toBe(LOG_BYTES);
});

test.skipIf(!mayMount)(
  "a batch that finds no room can be tried again, or given up with all later ones",
  () => {
    const disk = smallDisk(10);
    const layer = openWriter(disk);
    const contents = (index: number) => ({
      writes: Float64Array.of(0, MEMORY_BYTES, index * MEMORY_BYTES),
    });
    expect(layer.write(contents(0))).toBe(0);
    expect(layer.write(contents(1))).toBe(0);
    const third = { ...contents(2), inodes: [inodeRow(3)] };
    expect(layer.write(third)).toBe(ENOSPC);
    expect(layer.device.reader.inode(3)).toBeUndefined();
    execFileSync("mount", ["-o", "remount,size=14m", disk]);
    expect(layer.write(third)).toBe(0);
    expect(layer.write(contents(3))).toBe(ENOSPC);
    layer.writer.giveUp(ENOSPC);
    expect(layer.write({ inodes: [inodeRow(4)] })).toBe(ENOSPC);
    layer.reopen();
    expect(layer.device.reader.inode(3)).toEqual(inodeRow(3));
    expect(layer.device.reader.inode(4)).toBeUndefined();
    expect(layer.read(2 * MEMORY_BYTES, 100)).toEqual(layer.memory.slice(0, 100));
  },
);

test.skipIf(!mayMount)(
  "a disk that is full of rows fails the batch, and takes none of them",
  () => {
    const layer = openWriter(smallDisk(4));
    const xattr = (inode: number) => ({ inode, name: noise(9, 1), value: noise(60_000, inode) });
    expect(layer.write({ xattrs: [xattr(1)] })).toBe(0);
    const xattrs = Array.from({ length: 100 }, (_, index) => xattr(index + 2));
    expect(layer.write({ xattrs, inodes: [inodeRow(3)] })).toBe(ENOSPC);
    expect(layer.device.reader.inode(3)).toBeUndefined();
    expect(layer.device.reader.xattrs(1)).toHaveLength(1);
    expect(layer.device.reader.xattrs(2)).toHaveLength(0);
  },
);

test("a writer that ends waits for no command that still reads an old state", () => {
  const opened = openWriter();
  opened.write({ inodes: [inodeRow(1)] });
  const database = openLayerDatabase(opened.directory, "read");
  onTestFinished(() => database.close());
  database.exec("BEGIN");
  const count = () => database.prepare("SELECT count(*) AS n FROM inodes").get();
  expect(count()).toEqual({ n: 1 });
  opened.write({ inodes: [inodeRow(2)] });
  // The log is cut then, unless somebody reads what is in it.
  opened.reopen();
  expect(count()).toEqual({ n: 1 });
  database.exec("COMMIT");
  expect(count()).toEqual({ n: 2 });
}, 10_000);

/** A layer thread, as the device thread and the control thread see it. */
import { existsSync } from "node:fs";
import { EventFd, NativeBlock, PollSet } from "node-vhost-user";
import { expect, onTestFinished, test } from "vitest";
import type { HostAddress } from "../../src/base/brands.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { LayerWorker } from "../../src/daemon/layer-worker.ts";
import type { LayerBatch } from "../../src/layer/batch.ts";
import { DeviceLayer } from "../../src/layer/device-layer.ts";
import { openLayerDatabase } from "../../src/layer/layer-database.ts";
import { databasePath } from "../../src/layer/layer-files.ts";
import { RowReader } from "../../src/layer/row-reader.ts";
import { inodeRow, NO_CHANGES, testLayer } from "../layer/layer-rows.ts";
import { noise } from "../store/temporary.ts";

const MEMORY_BYTES = 2 * 1024 * 1024;

async function startLayer() {
  const layer = testLayer();
  const held = layer.open();
  const { directory } = layer;
  const memory = new NativeBlock(MEMORY_BYTES);
  const wake = new EventFd();
  const wasKilled = false;
  const options = {
    directory,
    wasKilled,
    memory,
    memoryBytes: MEMORY_BYTES,
    wake,
    logger: silentLogger,
  };
  const worker = new LayerWorker(options);
  await worker.ready;
  const device = new DeviceLayer({
    directory,
    memoryAddress: memory.address,
    memoryBytes: MEMORY_BYTES,
    layerBytes: undefined,
    port: worker.devicePort,
  });
  const poll = new PollSet(1);
  poll.set(0, wake.fd);
  const events: string[] = [];
  const listener = {
    settled: (id: number, durable: boolean, errno: number) =>
      events.push(`settled ${id} ${durable} ${errno}`),
    hold: () => events.push("hold"),
    release: () => events.push("release"),
  };
  let ended = false;
  const end = async () => {
    if (ended) return;
    ended = true;
    // As in a daemon: the device thread ends first.
    device[Symbol.dispose]();
    await worker.end();
    held[Symbol.dispose]();
    poll[Symbol.dispose]();
    wake[Symbol.dispose]();
    memory[Symbol.dispose]();
  };
  onTestFinished(end);
  return {
    directory,
    worker,
    device,
    end,
    submit: (id: number, changes: Partial<LayerBatch> = {}) => {
      device.submit({ ...NO_CHANGES, ...changes, id });
      device.flush();
    },
    /** What has come once there are `count` events, as the device thread waits for them. */
    take(count: number): string[] {
      const deadline = performance.now() + 20_000;
      while (events.length < count && performance.now() < deadline) {
        poll.wait(1000);
        wake.drain();
        device.take(listener);
      }
      return events.splice(0);
    },
  };
}

test("batches are settled in order, and their contents and rows can be read then", async () => {
  const { device, submit, take } = await startLayer();
  device.memory.bytes.set(noise(50_000, 1));
  submit(1, { writes: Float64Array.of(10, 20_000, 4096), inodes: [inodeRow(2)] });
  submit(2, { durable: false, inodes: [inodeRow(3)] });
  expect(take(2)).toEqual(["settled 1 true 0", "settled 2 false 0"]);
  expect(device.reader.inode(3)).toEqual(inodeRow(3));
  const address = device.data.address(4096, 20_000) as HostAddress;
  expect(device.memory.copyMapped(address, 100_000, 20_000)).toBe(0);
  expect(device.memory.bytes.slice(100_000, 120_000)).toEqual(
    device.memory.bytes.slice(10, 20_010),
  );
  expect(device.freeBytes).toBeGreaterThan(0);
  expect(device.metadataBytes).toBeGreaterThan(0);
});

test("a hold is asked for, held, pinned and released", async () => {
  const { device, worker, submit, take } = await startLayer();
  submit(1);
  take(1);
  let isHeld = false;
  const holding = worker.hold().then(() => {
    isHeld = true;
  });
  expect(take(1)).toEqual(["hold"]);
  submit(2);
  expect(take(1)).toEqual(["settled 2 true 0"]);
  expect(isHeld).toBe(false);
  device.held();
  device.flush();
  await holding;
  worker.pinned();
  expect(take(1)).toEqual(["settled 2 true 0"]);
  worker.release();
  expect(take(1)).toEqual(["release"]);
});

test("a layer whose thread is gone has failed, with batches under way and without", async () => {
  const { device, submit, take } = await startLayer();
  submit(1);
  expect(take(1)).toEqual(["settled 1 true 0"]);
  device.lost();
  expect(take(1)).toEqual(["settled 1 false 5"]);
  device.submit({ ...NO_CHANGES, id: 2 });
  device.submit({ ...NO_CHANGES, id: 3 });
  device.lost();
  expect(take(2)).toEqual(["settled 2 false 5", "settled 3 false 5"]);
});

test("at the end everything that was sent is in the layer, and its log is merged", async () => {
  const { directory, submit, end, worker } = await startLayer();
  for (let id = 1; id <= 50; id += 1) submit(id, { inodes: [inodeRow(id + 1)], nextInode: id + 2 });
  await end();
  expect(existsSync(`${databasePath(directory)}-wal`)).toBe(false);
  await expect(worker.hold()).rejects.toThrow("not served any more");
  const again = lastRows(directory);
  expect(again).toEqual({ nextInode: 52, last: inodeRow(51) });
});

function lastRows(directory: string) {
  using database = openLayerDatabase(directory, "read");
  const reader = new RowReader(database);
  return { nextInode: reader.nextInode, last: reader.inode(51) };
}

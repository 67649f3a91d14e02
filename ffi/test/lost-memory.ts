/** Run by guest-faults.test.ts: loses memory in the way that its argument says; prints "ok". */
import assert from "node:assert/strict";
import { ftruncateSync } from "node:fs";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { guestMemoryFaulted, NativeCopy, REQUEST, SharedMemory } from "node-vhost-user";
import { FrontEnd, MIB, ring, state, USER } from "./front-end.ts";

const PAGE = 4096;

function lose(use: (frontEnd: FrontEnd, bytes: Uint8Array, host: number) => void): void {
  using frontEnd = new FrontEnd();
  using memory = SharedMemory.create(MIB);
  frontEnd.negotiate();
  frontEnd.shareMemory(memory);
  const region = frontEnd.device.memory.regions[0]!;
  const bytes = new Uint8Array(region.windows[0]!.buffer);
  bytes[0] = 1;
  bytes[MIB - 1] = 2;
  assert.equal(guestMemoryFaulted(), false);
  ftruncateSync(memory.fd, 0);
  use(frontEnd, bytes, region.hostAddress);
}

function touch(): void {
  lose((_frontEnd, bytes) => {
    assert.equal(bytes[0], 0);
    bytes[MIB - 1] = 3;
    assert.equal(bytes[MIB - 1], 3);
    assert.equal(guestMemoryFaulted(), true);
    assert.equal(guestMemoryFaulted(), false);
  });
}

const CASES: Record<string, () => void> = {
  touch,
  library: () => {
    lose((frontEnd) => {
      frontEnd.tell(REQUEST.SET_VRING_NUM, state(0, 16));
      assert.equal(frontEnd.send(REQUEST.SET_VRING_ADDR, ring(0, USER, 16)), "refused");
      assert.match(frontEnd.log[0]!, /memory is gone/);
    });
  },
  copy: () => {
    lose((_frontEnd, _bytes, host) => {
      using source = SharedMemory.create(2 * PAGE);
      using copy = new NativeCopy();
      copy.copies.set([source.address, host, PAGE, source.address, host + MIB - PAGE, PAGE]);
      assert.equal(copy.run(0, 2, false), 2);
      assert.equal(guestMemoryFaulted(), true);
    });
  },
  foreign: () => {
    touch(); // The guard is at work; this memory was never registered with it.
    using memory = SharedMemory.create(PAGE);
    ftruncateSync(memory.fd, 0);
    memory.bytes[0] = 1;
  },
};

if (isMainThread && process.argv[2] === "worker") {
  const worker = new Worker(new URL(import.meta.url), { workerData: "touch" });
  worker.on("exit", (code) => {
    assert.equal(code, 0);
    assert.equal(guestMemoryFaulted(), false);
    process.stdout.write("ok\n");
  });
} else {
  CASES[workerData ?? process.argv[2]]!();
  if (isMainThread) process.stdout.write("ok\n");
}

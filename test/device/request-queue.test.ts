import { drainFd, EventFd } from "node-vhost-user";
import { afterEach, describe, expect, test } from "vitest";
import { VRING_DESC_F_WRITE, vringAvail, vringDesc, vringUsed } from "../../src/abi/virtio.ts";
import { silentLogger } from "../../src/base/logger.ts";
import type { Writable } from "../../src/base/segments.ts";
import { ParkedRequests } from "../../src/device/parked-requests.ts";
import { RequestQueue, UNSEEN_BYTES_MAX } from "../../src/device/request-queue.ts";
import type { FuseServer } from "../../src/fuse/server.ts";
import { Misses } from "../../src/store/misses.ts";
import { GuestMemory } from "../../src/virtio/guest-memory.ts";

const SIZE = 8;
const HOST = 0x7f00_0000_0000;
const AVAIL_AT = SIZE * vringDesc.size;
const USED_AT = 1024;
const BUFFER_AT = 4096;
const REPLY_BYTES = UNSEEN_BYTES_MAX / 2;

const call = new EventFd();
const kick = new EventFd();
afterEach(() => void call.drain());

/** A ring with `count` requests available, all into one large buffer. */
function ringOf(count: number, flags: number) {
  const buffer = new ArrayBuffer(BUFFER_AT + REPLY_BYTES);
  const view = new DataView(buffer);
  for (let head = 0; head < count; head++) {
    const fields = { addr: BUFFER_AT, len: REPLY_BYTES, flags };
    vringDesc.write(view, head * vringDesc.size, fields);
    view.setUint16(AVAIL_AT + vringAvail.size + 2 * head, head, true);
  }
  view.setUint16(AVAIL_AT + vringAvail.at.idx, count, true);
  const memory = new GuestMemory([{ guestAddress: 0, hostAddress: HOST, buffer }]);
  const usedIdx = () => view.getUint16(USED_AT + vringUsed.at.idx, true);
  return { memory, usedIdx };
}

/** Serves the ring once; what the driver could see of the used ring, and hear, at each request. */
function observe(count: number, signalsEarly: boolean, flags = VRING_DESC_F_WRITE) {
  const { memory, usedIdx } = ringOf(count, flags);
  const seen: number[] = [];
  const heard: number[] = [];
  const server = {
    handle: (_request: unknown, reply: Writable) => {
      seen.push(usedIdx());
      heard.push(drainFd(call.fd));
      return reply.length;
    },
  } as unknown as FuseServer;
  const native = { copies: new Float64Array(0), run: (_: number, end: number) => end };
  const parked = new ParkedRequests({
    misses: new Misses(),
    timeoutMilliseconds: 0,
    logger: silentLogger,
    post: () => {},
  });
  const queue = new RequestQueue(1, signalsEarly, server, native, parked, silentLogger);
  queue.follow(memory, {
    size: SIZE,
    descriptorTable: HOST,
    availRing: HOST + AVAIL_AT,
    usedRing: HOST + USED_AT,
    lastAvail: 0,
    kickFd: kick.fd,
    callFd: call.fd,
    indirect: false,
    eventIdx: false,
  });
  const answered = queue.serve();
  return { answered, seen, heard, usedIdx: usedIdx(), heardAtEnd: drainFd(call.fd) };
}

describe("RequestQueue", () => {
  test("shows a batch once, and signals once, where the driver shares its CPU", () => {
    const { answered, seen, heard, usedIdx, heardAtEnd } = observe(5, false);
    expect(answered).toBe(5);
    expect(seen).toEqual([0, 0, 0, 0, 0]);
    expect(heard).toEqual([0, 0, 0, 0, 0]);
    expect(usedIdx).toBe(5);
    expect(heardAtEnd).toBe(1);
  });

  test("shows large replies before the end of their batch to a driver with a CPU of its own", () => {
    const { seen, heard, usedIdx, heardAtEnd } = observe(5, true);
    expect(seen).toEqual([0, 0, 2, 2, 4]);
    expect(heard).toEqual([0, 0, 1, 0, 1]);
    expect(usedIdx).toBe(5);
    expect(heardAtEnd).toBe(1);
  });

  test("does so with replies to large requests, too", () => {
    const { seen, heard, usedIdx } = observe(5, true, 0);
    expect(seen).toEqual([0, 0, 2, 2, 4]);
    expect(heard).toEqual([0, 0, 1, 0, 1]);
    expect(usedIdx).toBe(5);
    expect(observe(5, false, 0).seen).toEqual([0, 0, 0, 0, 0]);
  });
});

/** Requests that are parked, as the ring sees them: a queue over real memory, a server that is not. */
import { EventFd } from "node-vhost-user";
import { describe, expect, test } from "vitest";
import { VRING_DESC_F_WRITE, vringAvail, vringDesc, vringUsed } from "../../src/abi/virtio.ts";
import { EINTR, EIO } from "../../src/base/errno.ts";
import { silentLogger } from "../../src/base/logger.ts";
import type { Readable, Writable } from "../../src/base/segments.ts";
import { blake3 } from "../../src/castore/blake3.ts";
import type { Want } from "../../src/device/messages.ts";
import { ParkedRequests } from "../../src/device/parked-requests.ts";
import { BATCH_CHAINS_MAX, RequestQueue } from "../../src/device/request-queue.ts";
import { type FuseServer, PARKED } from "../../src/fuse/server.ts";
import { Misses } from "../../src/store/misses.ts";
import { GuestMemory } from "../../src/virtio/guest-memory.ts";

const SIZE = 256;
const HOST = 0x7f00_0000_0000;
const AVAIL_AT = SIZE * vringDesc.size;
const USED_AT = AVAIL_AT + 1024;
const BUFFER_AT = 16 * 1024;
const REPLY_BYTES = 64;
const kick = new EventFd();

/**
 * A ring in memory; the room of request `head` has `64 + head` bytes, by which the server knows it.
 * Requests whose head is in `lacking` lack the blob of that number.
 */
function setUp() {
  const buffer = new ArrayBuffer(BUFFER_AT + SIZE * 512);
  const view = new DataView(buffer);
  for (let head = 0; head < SIZE; head++) {
    vringDesc.write(view, head * vringDesc.size, {
      addr: BUFFER_AT + head * 512,
      len: REPLY_BYTES + head,
      flags: VRING_DESC_F_WRITE,
    });
  }
  const lacking = new Set<number>();
  const misses = new Misses();
  const wanted: Want[] = [];
  const unwanted: number[] = [];
  const refused: [head: number, errno: number][] = [];
  const server = {
    parkedFor: "missing",
    handle: (_: Readable, { length }: Writable) => {
      const head = length - REPLY_BYTES;
      if (!lacking.has(head)) return head + 1;
      misses.add("blob", blake3(Uint8Array.of(head)).bytes, 0, false);
      return PARKED;
    },
    refuse: (_: Readable, { length }: Writable, errno: number = EIO) => {
      refused.push([length - REPLY_BYTES, errno]);
      return 16;
    },
  } as unknown as FuseServer;
  const parked = new ParkedRequests({
    misses,
    timeoutMilliseconds: 1000,
    logger: silentLogger,
    post: (more, less) => {
      wanted.push(...more);
      unwanted.push(...less);
    },
  });
  const native = { copies: new Float64Array(0), run: (_: number, end: number) => end };
  const makeMemory = () => new GuestMemory([{ guestAddress: 0, hostAddress: HOST, buffer }]);
  const queue = new RequestQueue(1, false, server, native, parked, silentLogger);
  const follow = (memory = makeMemory(), lastAvail = 0) =>
    queue.follow(memory, {
      size: SIZE,
      descriptorTable: HOST,
      availRing: HOST + AVAIL_AT,
      usedRing: HOST + USED_AT,
      lastAvail,
      kickFd: kick.fd,
      callFd: -1,
      indirect: false,
      eventIdx: false,
    });
  follow();
  let availIdx = 0;
  const push = (...heads: number[]) => {
    for (const head of heads) {
      view.setUint16(AVAIL_AT + vringAvail.size + 2 * (availIdx % SIZE), head, true);
      availIdx += 1;
    }
    view.setUint16(AVAIL_AT + vringAvail.at.idx, availIdx, true);
  };
  let usedIdx = 0;
  /** [head, written] of what came back since the last time. */
  const used = () => {
    const elements: [number, number][] = [];
    for (; usedIdx !== view.getUint16(USED_AT + vringUsed.at.idx, true); usedIdx += 1) {
      const at = USED_AT + vringUsed.size + 8 * (usedIdx % SIZE);
      elements.push([view.getUint32(at, true), view.getUint32(at + 4, true)]);
    }
    return elements;
  };
  /** The blob of that number arrives, or cannot be had. */
  const settle = (number: number, stored = true) => {
    parked.flush();
    const digest = blake3(Uint8Array.of(number));
    const want = wanted.findLast((one) => digest.equalsAt(one.digest, 0))!;
    if (stored) lacking.delete(number);
    parked.settled(want.id, stored);
  };
  return {
    queue,
    parked,
    lacking,
    refused,
    wanted,
    unwanted,
    follow,
    makeMemory,
    push,
    used,
    settle,
  };
}

const serveAll = (queue: RequestQueue) => {
  while (queue.serve() > 0);
};

describe("a parked request", () => {
  test("lets others pass, and is answered out of order when what it lacks has come", () => {
    const { queue, lacking, push, used, settle } = setUp();
    lacking.add(2).add(3);
    push(1, 2, 3, 4);
    serveAll(queue);
    expect(used()).toEqual([
      [1, 2],
      [4, 5],
    ]);
    push(1);
    settle(3);
    serveAll(queue);
    expect(used()).toEqual([
      [3, 4],
      [1, 2],
    ]);
    settle(2);
    serveAll(queue);
    expect(used()).toEqual([[2, 3]]);
  });

  test("is refused with EIO when what it lacks is not to be had", () => {
    const { queue, lacking, push, used, settle, refused } = setUp();
    lacking.add(2);
    push(2);
    serveAll(queue);
    settle(2, false);
    serveAll(queue);
    expect(used()).toEqual([[2, 16]]);
    expect(refused).toEqual([[2, EIO]]);
  });

  test("keeps its head: a driver that makes it available again breaks the ring", () => {
    const { queue, lacking, push, used } = setUp();
    lacking.add(2);
    push(2);
    serveAll(queue);
    push(2);
    serveAll(queue);
    expect(used()).toEqual([]);
    expect(queue.kickFd).toBe(-1);
  });

  test("stays parked over a change of the memory table, and over memory that is away", () => {
    const { queue, lacking, push, used, settle, follow } = setUp();
    lacking.add(2).add(3);
    push(1, 2, 3);
    serveAll(queue);
    follow();
    settle(2);
    queue.pause();
    expect(queue.serve()).toBe(0);
    settle(3);
    expect(queue.lastAvail).toBe(3);
    follow();
    serveAll(queue);
    expect(used()).toEqual([
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
    lacking.add(9);
    push(9, 4);
    serveAll(queue);
    expect(used()).toEqual([[4, 5]]);
  });

  test("is forgotten when the ring is dropped, and what it wanted is given up", () => {
    const { queue, parked, lacking, push, used, unwanted, wanted, follow } = setUp();
    lacking.add(2).add(3);
    push(2, 3);
    serveAll(queue);
    parked.flush();
    parked.settled(wanted[1]!.id, true);
    queue.stop();
    parked.flush();
    expect(unwanted).toEqual([wanted[0]!.id]);
    expect([parked.waiting, parked.wants]).toEqual([0, 0]);
    follow(undefined, 2);
    serveAll(queue);
    expect(used()).toEqual([]);
  });

  test("a flood of them leaves the other requests served in between", () => {
    const { queue, lacking, push, used, settle } = setUp();
    const flood = Array.from({ length: 200 }, (_, index) => index);
    for (const head of flood) lacking.add(head);
    push(...flood, 250);
    serveAll(queue);
    expect(used()).toEqual([[250, 251]]);
    for (const head of flood) settle(head);
    push(251);
    const answered: number[] = [];
    for (let round = 0; round < 10; round++) {
      const count = queue.serve();
      expect(count).toBeLessThanOrEqual(BATCH_CHAINS_MAX);
      answered.push(...used().map(([head]) => head));
    }
    expect(answered.sort((a, b) => a - b)).toEqual([...flood, 251]);
  });
});

describe("a ring that is about to stop", () => {
  test("waits for what is on its way, answers it, and refuses the rest with EINTR", () => {
    const { queue, lacking, push, used, settle, refused, parked } = setUp();
    for (const head of [1, 2, 3, 4]) lacking.add(head);
    push(1, 2, 3, 4, 5);
    serveAll(queue);
    settle(4);
    const coming = [() => settle(2), () => settle(1)];
    queue.finish(() => {
      const next = coming.shift();
      next?.();
      return next !== undefined;
    });
    expect(used()).toEqual([
      [5, 6],
      [4, 5],
      [2, 3],
      [1, 2],
      [3, 16],
    ]);
    expect(refused).toEqual([[3, EINTR]]);
    expect([queue.lastAvail, queue.usedIdx]).toEqual([5, 5]);
    expect([parked.waiting, parked.wants]).toEqual([0, 0]);
  });

  test("does not wait when nothing is parked", () => {
    const { queue, push } = setUp();
    push(1);
    serveAll(queue);
    queue.finish(() => {
      throw new Error("waited");
    });
  });

  test("goes on waiting for what turns out to lack more", () => {
    const { queue, lacking, push, used, wanted, parked } = setUp();
    lacking.add(1);
    push(1);
    serveAll(queue);
    let waits = 0;
    queue.finish(() => {
      parked.flush();
      waits += 1;
      if (waits === 3) lacking.clear();
      parked.settled(wanted.at(-1)!.id, true);
      return waits < 10;
    });
    expect(waits).toBe(3);
    expect(used()).toEqual([[1, 2]]);
  });
});

/** Requests that are parked, as the ring sees them: a queue over real memory, a server that is not. */
import { EventFd } from "node-vhost-user";
import { describe, expect, test } from "vitest";
import { VRING_DESC_F_WRITE, vringAvail, vringDesc, vringUsed } from "../../src/abi/virtio.ts";
import { EINTR, EIO, ENOSPC } from "../../src/base/errno.ts";
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
  const waiting = new Set<number>();
  /** Tickets by head: of requests that are performed but for the disk. */
  const syncing = new Map<number, number>();
  const handled: number[] = [];
  const concluded: [head: number, errno: number][] = [];
  const server = {
    parkedFor: "missing",
    ticket: 0,
    handle: (_: Readable, { length }: Writable) => {
      const head = length - REPLY_BYTES;
      handled.push(head);
      server.ticket = syncing.get(head) ?? 0;
      server.parkedFor = "missing";
      if (server.ticket > 0) server.parkedFor = "syncing";
      else if (waiting.has(head)) server.parkedFor = "waiting";
      if (server.parkedFor !== "missing") return PARKED;
      if (!lacking.has(head)) return head + 1;
      misses.add("blob", blake3(Uint8Array.of(head)).bytes, 0, false);
      return PARKED;
    },
    refuse: (_: Readable, { length }: Writable, errno: number = EIO) => {
      refused.push([length - REPLY_BYTES, errno]);
      return 16;
    },
    conclude: (_: Readable, { length }: Writable, errno: number) => {
      concluded.push([length - REPLY_BYTES, errno]);
      return 17;
    },
  };
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
  const fuse = server as unknown as FuseServer;
  const queue = new RequestQueue(1, false, fuse, native, parked, silentLogger);
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
    waiting,
    syncing,
    handled,
    concluded,
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

describe("a request that waits for the layer", () => {
  test("is run again when the layer has got on, as often as it takes", () => {
    const { queue, parked, waiting, push, used, handled } = setUp();
    waiting.add(2);
    push(1, 2, 3);
    serveAll(queue);
    expect(used().map(([head]) => head)).toEqual([1, 3]);
    for (let round = 0; round < 100; round++) {
      parked.layer.progressed(0, 0);
      serveAll(queue);
    }
    waiting.clear();
    parked.layer.progressed(0, 0);
    serveAll(queue);
    expect(used()).toEqual([[2, 3]]);
    expect(handled.filter((head) => head === 2).length).toBe(102);
    expect(parked.waiting).toBe(0);
  });

  test("is concluded when its ticket settles, and not run again", () => {
    const { queue, parked, syncing, push, used, handled, concluded } = setUp();
    syncing.set(2, 7).set(3, 8);
    push(2, 3);
    serveAll(queue);
    parked.layer.progressed(7, 0);
    parked.layer.progressed(8, ENOSPC);
    serveAll(queue);
    expect(used()).toEqual([
      [2, 17],
      [3, 17],
    ]);
    expect(concluded).toEqual([
      [2, 0],
      [3, ENOSPC],
    ]);
    expect(handled).toEqual([2, 3]);
  });

  test("may lack something first, then wait, and then be performed but for the disk", () => {
    const { queue, parked, lacking, waiting, syncing, settle, push, used, concluded } = setUp();
    lacking.add(2);
    push(2);
    serveAll(queue);
    waiting.add(2);
    settle(2);
    serveAll(queue);
    waiting.clear();
    syncing.set(2, 1);
    parked.layer.progressed(0, 0);
    serveAll(queue);
    expect(used()).toEqual([]);
    parked.layer.progressed(1, 0);
    serveAll(queue);
    expect([used(), concluded]).toEqual([[[2, 17]], [[2, 0]]]);
    expect(parked.waiting).toBe(0);
  });

  test("is forgotten when the ring is dropped", () => {
    const { queue, parked, waiting, syncing, push, used, follow, handled } = setUp();
    waiting.add(2);
    syncing.set(3, 1);
    push(2, 3);
    serveAll(queue);
    queue.stop();
    expect(parked.waiting).toBe(0);
    parked.layer.progressed(1, 0);
    follow(undefined, 2);
    serveAll(queue);
    expect([used(), handled]).toEqual([[], [2, 3]]);
  });

  test("is answered before a ring stops: by what comes in time, or with EINTR", () => {
    const { queue, parked, waiting, syncing, push, used, concluded, refused } = setUp();
    waiting.add(1).add(2);
    syncing.set(3, 1).set(4, 2);
    push(1, 2, 3, 4);
    serveAll(queue);
    waiting.delete(1);
    let waits = 0;
    queue.finish(() => {
      waits += 1;
      if (waits === 1) parked.layer.progressed(1, 0);
      return waits === 1;
    });
    expect(
      used()
        .map(([head]) => head)
        .sort(),
    ).toEqual([1, 2, 3, 4]);
    expect(concluded).toEqual([
      [3, 0],
      [4, EINTR],
    ]);
    expect(refused).toEqual([[2, EINTR]]);
    expect(parked.waiting).toBe(0);
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

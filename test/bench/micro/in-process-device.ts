/**
 * A device in the generator's own thread: request queue, FUSE server and file system as the device
 * thread has them, without sockets, eventfds and threads. File contents are not copied: what is left is the
 * JavaScript.
 */
import type { Logger } from "../../../src/base/logger.ts";
import type { DirectoryNode } from "../../../src/castore/node.ts";
import { ParkedRequests } from "../../../src/device/parked-requests.ts";
import { RequestQueue } from "../../../src/device/request-queue.ts";
import { CastoreFileSystem } from "../../../src/fs/castore-file-system.ts";
import { FuseServer } from "../../../src/fuse/server.ts";
import type { LocalReader } from "../../../src/store/local-reader.ts";
import { Misses } from "../../../src/store/misses.ts";
import { GuestMemory } from "../../../src/virtio/guest-memory.ts";
import type { DriverQueue } from "../../frontend/driver-queue.ts";
import { FuseClient } from "../../frontend/fuse-client.ts";
import { FlatRequest, FlatRoom } from "../../fuse/flat-segments.ts";
import type { Waiter } from "../pump.ts";

/** Guest memory's made-up place in this process: nothing is ever reached through it. */
const HOST = 0x7f00_0000_0000;

/** Numbers in the table of copies, which nobody makes. */
const COPIES = 3 * 4096;

const NO_FD = -1;

export class InProcessDevice implements Waiter {
  readonly #queue: RequestQueue;
  readonly #server: FuseServer;

  constructor(queue: DriverQueue, reader: LocalReader, root: DirectoryNode, logger: Logger) {
    const { ring } = queue;
    const { buffer, byteOffset, byteLength } = ring.region.bytes;
    if (byteOffset !== 0 || byteLength !== buffer.byteLength) throw new Error("a region in parts");
    const { guestAddress } = ring.region;
    const memory = new GuestMemory([
      { guestAddress, hostAddress: HOST, buffer: buffer as ArrayBuffer },
    ]);
    const hostOf = (address: number) => HOST + address - guestAddress;
    const fileSystem = new CastoreFileSystem(reader, {
      root,
      listRoot: false,
      showXattr: false,
      logger,
    });
    this.#server = new FuseServer(fileSystem, { logger });
    const native = { copies: new Float64Array(COPIES), run: (_: number, end: number) => end };
    const parked = new ParkedRequests({
      misses: new Misses(),
      timeoutMilliseconds: 0,
      logger,
      post: () => {},
    });
    this.#queue = new RequestQueue(1, true, this.#server, native, parked, logger);
    this.#queue.follow(memory, {
      size: ring.size,
      descriptorTable: hostOf(ring.descriptorTable),
      availRing: hostOf(ring.availRing),
      usedRing: hostOf(ring.usedRing),
      lastAvail: 0,
      kickFd: NO_FD,
      callFd: NO_FD,
      eventIdx: ring.eventIdx,
      indirect: true,
    });
  }

  /** A client whose requests go to the server past the queue. */
  client(): FuseClient {
    return new FuseClient((request, roomBytes) => {
      const room = new FlatRoom(roomBytes);
      const usedLength = this.#server.handle(new FlatRequest(request), room);
      return { usedLength, room: room.bytes, scribbled: false };
    });
  }

  /** Answers whatever is there. */
  wait(): void {
    while (this.#queue.serve() > 0);
    this.#queue.enableNotifications();
  }
}

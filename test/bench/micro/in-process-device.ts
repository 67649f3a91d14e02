/**
 * A device in the generator's own thread: virtqueue, FUSE server and file system as the device thread
 * has them, without sockets, eventfds and threads. File contents are not copied: what is left is the
 * JavaScript.
 */
import type { Logger } from "../../../src/base/logger.ts";
import type { DirectoryNode } from "../../../src/castore/node.ts";
import { CastoreFileSystem } from "../../../src/fs/castore-file-system.ts";
import { FuseServer } from "../../../src/fuse/server.ts";
import type { LocalReader } from "../../../src/store/local-reader.ts";
import { GuestMemory } from "../../../src/virtio/guest-memory.ts";
import { NONE, SplitQueue } from "../../../src/virtio/split-queue.ts";
import type { DriverQueue } from "../../frontend/driver-queue.ts";
import { FuseClient } from "../../frontend/fuse-client.ts";
import { FlatRequest, FlatRoom } from "../../fuse/flat-segments.ts";
import type { Waiter } from "../pump.ts";

/** Guest memory's made-up place in this process: nothing is ever reached through it. */
const HOST = 0x7f00_0000_0000;

export class InProcessDevice implements Waiter {
  readonly #queue: SplitQueue;
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
    this.#queue = new SplitQueue(
      memory,
      {
        size: ring.size,
        descriptorTable: hostOf(ring.descriptorTable),
        availRing: hostOf(ring.availRing),
        usedRing: hostOf(ring.usedRing),
        lastAvail: 0,
        eventIdx: ring.eventIdx,
        indirect: true,
      },
      { iov: new Float64Array(2 * ring.size), scatter: () => 0 },
    );
    const fileSystem = new CastoreFileSystem(reader, {
      root,
      listRoot: false,
      showXattr: false,
      logger,
    });
    this.#server = new FuseServer(fileSystem, { logger });
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
    const queue = this.#queue;
    for (let head = queue.next(); head !== NONE; head = queue.next()) {
      const { readable, writable } = queue.chain;
      queue.complete(head, this.#server.handle(readable, writable));
    }
    queue.publish();
    queue.enableNotifications();
  }
}

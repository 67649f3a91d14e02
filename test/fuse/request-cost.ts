/**
 * Measures what a request costs through virtqueue and FUSE server, over plain memory and with a file
 * system that does next to nothing. Asserts nothing:
 *
 *     node --trace-gc test/fuse/request-cost.ts [--direct]
 *
 * After the first second no collection should show: the steady state allocates nothing.
 * `--direct` chains descriptors in the ring instead of indirect tables.
 */
import {
  fuseAttrOut,
  fuseCreateIn,
  fuseEntryOut,
  fuseGetattrIn,
  fuseInitOut,
  fuseSetattrIn,
  fuseWriteIn,
  fuseWriteOut,
} from "../../src/abi/fuse.ts";
import * as abi from "../../src/abi/fuse-constants.ts";
import { vringDesc } from "../../src/abi/virtio.ts";
import type { HostAddress, NodeId } from "../../src/base/brands.ts";
import { silentLogger } from "../../src/base/logger.ts";
import type { ByteSink } from "../../src/base/segments.ts";
import type { Attributes, Entry, NameBytes } from "../../src/fuse/file-system.ts";
import type { ByteSource, NewInode } from "../../src/fuse/modifications.ts";
import { CREATED_BYTES } from "../../src/fuse/name-operations.ts";
import { FuseServer } from "../../src/fuse/server.ts";
import { CopyList } from "../../src/virtio/copy-list.ts";
import { GuestMemory } from "../../src/virtio/guest-memory.ts";
import { SplitQueue } from "../../src/virtio/split-queue.ts";
import { INDIRECT, NEXT, WRITE } from "../virtio/fake-driver.ts";
import { args, INIT_ALL, readArgs, requestBytes } from "./kernel.ts";
import { RecordingModifications } from "./recording-modifications.ts";
import { StubFileSystem } from "./stub-file-system.ts";

const SIZE = 128;
const BATCH = 16;
const HOST = 0x7f00_0000_0000;
const MEMORY_BYTES = 1 << 26;
/** High up, as most of a large guest's memory is: addresses that are no small integers. */
const GUEST = 6 * 1024 ** 3;
/** Where the request's memory begins: each head has a stretch of its own. */
const STRIDE = 1 << 18;
const DATA = 1 << 20;

class InstantModifications extends RecordingModifications {
  readonly #memory = new Uint8Array(1 << 20);

  override create(
    _parent: NodeId,
    _name: NameBytes,
    _inode: NewInode,
    _flags: number,
    entry: Entry,
  ) {
    entry.node[0] = 7;
    return 0;
  }

  override setattr(): number {
    return 0;
  }

  override rename(): number {
    return 0;
  }

  override write(_node: NodeId, _offset: number, source: ByteSource): number {
    return source.copy(0, this.#memory, 0, source.length);
  }
}

/** Answers everything without looking anything up, and takes everything without keeping it. */
class InstantFileSystem extends StubFileSystem {
  readonly #page = new Uint8Array(4096);
  readonly modifications = new InstantModifications(this);

  override lookup(_parent: NodeId, name: NameBytes, entry: Entry): number {
    entry.node[0] = name.end - name.start;
    entry.validSeconds = 1;
    return this.getattr(entry.nodeid, entry.attributes);
  }

  override getattr(node: NodeId, attributes: Attributes): number {
    attributes.inoLow = node;
    attributes.inoHigh = 0;
    attributes.size = 4096;
    attributes.blocks = 8;
    attributes.mode = 0o100444;
    attributes.nlink = 1;
    attributes.uid = 0;
    attributes.gid = 0;
    attributes.blksize = 4096;
    attributes.validSeconds = 1;
    return 0;
  }

  override read(_node: NodeId, offset: number, length: number, sink: ByteSink): number {
    if (offset === 0) return sink.append(this.#page, 0, Math.min(length, 4096));
    return sink.appendMapped(0 as HostAddress, length);
  }
}

const buffer = new ArrayBuffer(MEMORY_BYTES);
const bytes = new Uint8Array(buffer);
const view = new DataView(buffer);
const memory = new GuestMemory([{ guestAddress: GUEST, hostAddress: HOST, buffer }]);
const avail = new Uint16Array(buffer, 0x10000, 3 + SIZE);
const indirect = !process.argv.includes("--direct");
const copies = new CopyList({
  copies: new Float64Array(3 * 1024),
  run: (_, end) => end,
});
const server = new FuseServer(new InstantFileSystem(), { logger: silentLogger });
const queue = new SplitQueue(
  memory,
  {
    size: SIZE,
    descriptorTable: HOST,
    availRing: HOST + 0x10000,
    usedRing: HOST + 0x20000,
    lastAvail: 0,
    eventIdx: true,
    indirect: true,
  },
  copies,
);

/** Lays the same request at every head, as Linux does: headers apart from the rest. */
function lay(request: Uint8Array, room: number, pieces = 1): void {
  for (let slot = 0; slot < BATCH; slot++) {
    const at = DATA + slot * STRIDE;
    bytes.set(request, at);
    const parts: [address: number, length: number, flags: number][] = [
      [at, 40, 0],
      [at + 40, request.length - 40, 0],
      [at + 4096, 16, WRITE],
    ];
    for (let piece = 0; piece < pieces; piece++) {
      parts.push([at + 8192 + piece * 8192, room / pieces, WRITE]);
    }
    const table = indirect ? at + 2048 : 0;
    const first = indirect ? 0 : slot * parts.length;
    for (const [index, [addr, len, flags]] of parts.entries()) {
      const more = index + 1 < parts.length;
      const next = more ? first + index + 1 : 0;
      const where = table + (first + index) * vringDesc.size;
      vringDesc.write(view, where, {
        addr: GUEST + addr,
        len,
        flags: flags | (more ? NEXT : 0),
        next,
      });
    }
    if (indirect) {
      const len = parts.length * vringDesc.size;
      vringDesc.write(view, slot * vringDesc.size, {
        addr: GUEST + table,
        len,
        flags: INDIRECT,
      });
    }
    for (let lap = 0; lap < SIZE; lap += BATCH) avail[2 + lap + slot] = first;
  }
}

let availIdx = 0;

function serveBatch(): void {
  availIdx = (availIdx + BATCH) & 0xffff;
  Atomics.store(avail, 1, availIdx);
  for (let head = queue.next(); head >= 0; head = queue.next()) {
    const { readable, writable } = queue.chain;
    queue.complete(head, server.handle(readable, writable));
  }
  queue.publish();
  queue.enableNotifications();
}

function measure(name: string, request: Uint8Array, room: number, pieces = 1): void {
  lay(request, room, pieces);
  const batches = 40_000;
  for (let batch = 0; batch < batches; batch++) serveBatch();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const start = process.hrtime.bigint();
    for (let batch = 0; batch < batches; batch++) serveBatch();
    const nanoseconds = Number(process.hrtime.bigint() - start);
    best = Math.min(best, nanoseconds / (batches * BATCH));
  }
  process.stdout.write(`${name.padEnd(28)}${best.toFixed(0)} ns a request\n`);
}

lay(requestBytes(abi.FUSE_INIT, 0, INIT_ALL), fuseInitOut.size);
serveBatch();
const getattr = requestBytes(abi.FUSE_GETATTR, 1, args(fuseGetattrIn, {}));
measure("getattr", getattr, fuseAttrOut.size);
measure(
  "lookup, 12 byte name",
  requestBytes(abi.FUSE_LOOKUP, 1, "libcrypto.so"),
  fuseEntryOut.size,
);
measure("statfs", requestBytes(abi.FUSE_STATFS, 1), 80);
measure("read, 4 KiB from memory", requestBytes(abi.FUSE_READ, 2, readArgs(0, 4096)), 4096);
measure("read, 4 KiB mapped", requestBytes(abi.FUSE_READ, 2, readArgs(4096, 4096)), 4096);
measure(
  "create",
  requestBytes(abi.FUSE_CREATE, 1, args(fuseCreateIn, {}), "libcrypto.so"),
  CREATED_BYTES,
);
measure(
  "setattr",
  requestBytes(abi.FUSE_SETATTR, 1, args(fuseSetattrIn, { valid: 1 })),
  fuseAttrOut.size,
);
measure("rename", requestBytes(abi.FUSE_RENAME2, 1, new Uint8Array(16), "libcrypto.so", "new"), 1);
measure(
  "write, 4 KiB",
  requestBytes(abi.FUSE_WRITE, 1, args(fuseWriteIn, { size: 4096 }), new Uint8Array(4096)),
  fuseWriteOut.size,
);
if (indirect) {
  const large = requestBytes(abi.FUSE_READ, 2, readArgs(4096, 131_072));
  measure("read, 128 KiB in 16, mapped", large, 131_072, 16);
}
measure("getattr again", getattr, fuseAttrOut.size);

/**
 * The fast way to send FUSE requests: `depth` slots on one queue, each with its chain laid out once
 * in guest memory, so that sending a request is a few stores. Nothing here allocates, makes strings
 * or throws after construction. Chains are cut as Linux cuts them:
 *
 *   header (40) │ arguments │ reply header (16) │ reply arguments  or  data pages of 4 KiB each
 *   header (40) │ arguments │ payload pages of 4 KiB each │ reply header (16) │ reply arguments
 *
 * A slot's chain lies in an indirect table of its own, or, without INDIRECT_DESC, in a stretch of
 * the ring's table. The pages of a slot lie in descending order, so that no device can merge them.
 */

import {
  fuseEntryOut,
  fuseForgetIn,
  fuseGetattrIn,
  fuseInHeader,
  fuseOpenIn,
  fuseOpenOut,
  fuseOutHeader,
  fuseReadIn,
  fuseReleaseIn,
} from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import {
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
} from "../../src/abi/virtio.ts";
import type { DriverQueue } from "./driver-queue.ts";
import { DESCRIPTOR_BYTES, NOTHING, writeDescriptor } from "./split-ring-driver.ts";
import type { SyntheticMemory, SyntheticRegion } from "./synthetic-memory.ts";

const PAGE = 4096;
/** Places in a slot's chain. */
const HEADER = 0;
const ARGUMENTS = 1;
const REPLY_HEADER = 2;
const REPLY_ARGUMENTS = 3;
const FIRST_PAGE = 4;
/** Room for a request (header, arguments, name), and for a reply's header and arguments. */
const REQUEST_BYTES = 1024;
const REPLY_BYTES = 1024;
const TWO_32 = 2 ** 32;

export interface LanePlan {
  /** Requests that may be with the device at a time. */
  readonly depth: number;
  /** The largest READ or READDIR of a slot, in bytes. */
  readonly dataBytes: number;
  readonly indirect: boolean;
}

export class RequestLane {
  readonly queue: DriverQueue;
  readonly depth: number;
  readonly region: SyntheticRegion;
  /** Requests that are with the device. */
  inFlight = 0;

  readonly #pages: number;
  readonly #stride: number;
  readonly #indirect: boolean;
  /** Per slot, offsets in the region: chain, request, reply, and the pages one after another. */
  readonly #chains: Uint32Array;
  readonly #requests: Uint32Array;
  readonly #replies: Uint32Array;
  readonly #pageOffsets: Uint32Array;
  /** Per slot: the page that ends the data now, or -1; and how many requests it carried. */
  readonly #lastPages: Int32Array;
  /** Per slot: the flags of its pages, which are a reply's (for the device to write) or a payload's. */
  readonly #pageFlags: Uint16Array;
  readonly #sequences: Uint32Array;
  readonly #words32: Uint32Array;
  readonly #bytes: Uint8Array;

  constructor(memory: SyntheticMemory, queue: DriverQueue, plan: LanePlan) {
    const { depth } = plan;
    this.queue = queue;
    this.depth = depth;
    this.region = queue.ring.region;
    this.#indirect = plan.indirect;
    this.#pages = Math.ceil(plan.dataBytes / PAGE);
    this.#stride = FIRST_PAGE + this.#pages;
    const needed = plan.indirect ? depth : depth * this.#stride;
    if (needed > queue.ring.size) throw new RangeError(`${needed} descriptors do not fit the ring`);
    this.#chains = new Uint32Array(depth);
    this.#requests = new Uint32Array(depth);
    this.#replies = new Uint32Array(depth);
    this.#pageOffsets = new Uint32Array(depth * this.#pages);
    this.#lastPages = new Int32Array(depth).fill(-1);
    this.#pageFlags = new Uint16Array(depth).fill(VRING_DESC_F_WRITE);
    this.#sequences = new Uint32Array(depth);
    this.#words32 = this.region.words32;
    this.#bytes = this.region.bytes;
    for (let slot = 0; slot < depth; slot++) this.#layOut(memory, slot);
  }

  #layOut(memory: SyntheticMemory, slot: number): void {
    const { region, queue } = this;
    const base = region.guestAddress;
    const tableBytes = this.#stride * DESCRIPTOR_BYTES;
    const table = this.#indirect
      ? memory.allocate(tableBytes, DESCRIPTOR_BYTES, region)
      : queue.ring.descriptorTable + slot * tableBytes;
    const request = memory.allocate(REQUEST_BYTES, 64, region);
    const reply = memory.allocate(REPLY_BYTES, 64, region);
    const pages = memory.allocatePages(this.#pages, region);
    this.#chains[slot] = table - base;
    this.#requests[slot] = request - base;
    this.#replies[slot] = reply - base;
    const first = this.#indirect ? 0 : slot * this.#stride;
    const lay = (place: number, address: number, length: number, flags: number, next: number) =>
      writeDescriptor(
        region,
        table - base + place * DESCRIPTOR_BYTES,
        address,
        length,
        flags | VRING_DESC_F_NEXT,
        first + next,
      );
    lay(HEADER, request, fuseInHeader.size, 0, ARGUMENTS);
    lay(ARGUMENTS, request + fuseInHeader.size, 0, 0, REPLY_HEADER);
    lay(REPLY_HEADER, reply, fuseOutHeader.size, VRING_DESC_F_WRITE, REPLY_ARGUMENTS);
    lay(REPLY_ARGUMENTS, reply + fuseOutHeader.size, 0, VRING_DESC_F_WRITE, FIRST_PAGE);
    pages.forEach((address, index) => {
      this.#pageOffsets[slot * this.#pages + index] = address - base;
      lay(FIRST_PAGE + index, address, PAGE, VRING_DESC_F_WRITE, FIRST_PAGE + index + 1);
    });
    if (this.#indirect) {
      queue.ring.setDescriptor(slot, table, tableBytes, VRING_DESC_F_INDIRECT);
    }
  }

  /** Asks for attributes: GETATTR. */
  getattr(slot: number, nodeid: number): void {
    const words = this.argumentWords(slot);
    this.#words32.fill(0, words, words + fuseGetattrIn.size / 4);
    this.submit(slot, op.FUSE_GETATTR, nodeid, fuseGetattrIn.size, 104);
  }

  /** Looks up `name[start, end)`: LOOKUP. */
  lookup(slot: number, parent: number, name: Uint8Array, start = 0, end = name.length): void {
    const args = this.putName(slot, 0, name, start, end);
    this.submit(slot, op.FUSE_LOOKUP, parent, args, fuseEntryOut.size);
  }

  /** FORGET, which has no reply: the chain comes back empty. */
  forget(slot: number, nodeid: number, count: number): void {
    const words = this.argumentWords(slot);
    this.#words32[words] = count;
    this.#words32[words + 1] = 0;
    this.submit(slot, op.FUSE_FORGET, nodeid, fuseForgetIn.size, -1);
  }

  readlink(slot: number, nodeid: number): void {
    this.#submitData(slot, op.FUSE_READLINK, nodeid, 0, Math.min(PAGE, this.#pages * PAGE));
  }

  open(slot: number, nodeid: number, flags: number): void {
    this.#openWith(slot, op.FUSE_OPEN, nodeid, flags);
  }

  opendir(slot: number, nodeid: number): void {
    this.#openWith(slot, op.FUSE_OPENDIR, nodeid, 0);
  }

  release(slot: number, nodeid: number, fh: number): void {
    this.#releaseWith(slot, op.FUSE_RELEASE, nodeid, fh);
  }

  releasedir(slot: number, nodeid: number, fh: number): void {
    this.#releaseWith(slot, op.FUSE_RELEASEDIR, nodeid, fh);
  }

  /** READ of `size` bytes, into pages. */
  read(slot: number, nodeid: number, fh: number, offset: number, size: number): void {
    this.#readWith(slot, op.FUSE_READ, nodeid, fh, offset % TWO_32, (offset / TWO_32) | 0, size);
  }

  /** READDIR from an offset that is opaque, hence two halves. */
  readdir(slot: number, nodeid: number, fh: number, low: number, high: number, size: number): void {
    this.#readWith(slot, op.FUSE_READDIR, nodeid, fh, low, high, size);
  }

  readdirplus(
    slot: number,
    nodeid: number,
    fh: number,
    low: number,
    high: number,
    size: number,
  ): void {
    this.#readWith(slot, op.FUSE_READDIRPLUS, nodeid, fh, low, high, size);
  }

  /** Shows the device every submitted request, in one batch. */
  flush(): void {
    this.queue.flush();
  }

  /** The slot of an answered request, or NOTHING. */
  poll(): number {
    const head = this.queue.ring.pop();
    if (head === NOTHING) return NOTHING;
    this.inFlight--;
    return this.#indirect ? head : (head / this.#stride) | 0;
  }

  /** The slot of the next answered request; NOTHING when time is up or the device is gone. */
  wait(timeoutMilliseconds: number): number {
    const slot = this.poll();
    if (slot !== NOTHING) return slot;
    return this.queue.wait(timeoutMilliseconds) ? this.poll() : NOTHING;
  }

  /** 0, or the negated errno, of an answered request. */
  error(slot: number): number {
    return this.#words32[(this.#replies[slot]! >>> 2) + 1]! | 0;
  }

  /** Bytes of the reply behind its header. */
  replyBytes(slot: number): number {
    return this.#words32[this.#replies[slot]! >>> 2]! - fuseOutHeader.size;
  }

  /** True when the reply carries this slot's own unique: to be asked outside timed parts. */
  isOwnReply(slot: number): boolean {
    const word = (this.#replies[slot]! >>> 2) + 2;
    return this.#words32[word] === this.#sequences[slot] && this.#words32[word + 1] === slot;
  }

  /** Offset in the region of the reply's struct (`fuse_entry_out`, `fuse_attr_out` …). */
  replyAt(slot: number): number {
    return this.#replies[slot]! + fuseOutHeader.size;
  }

  /** Offset in the region of a page of the reply's data. */
  pageAt(slot: number, page: number): number {
    return this.#pageOffsets[slot * this.#pages + page]!;
  }

  /** Copies `length` bytes of a reply's data, from `from` on, to `target` at `start`. */
  copyData(slot: number, from: number, length: number, target: Uint8Array, start: number): void {
    for (let done = 0; done < length; ) {
      const at = from + done;
      const inPage = at % PAGE;
      const count = Math.min(PAGE - inPage, length - done);
      const offset = this.pageAt(slot, (at / PAGE) | 0) + inPage;
      target.set(this.#bytes.subarray(offset, offset + count), start + done);
      done += count;
    }
  }

  #openWith(slot: number, opcode: number, nodeid: number, flags: number): void {
    const words = this.argumentWords(slot);
    this.#words32[words] = flags;
    this.#words32[words + 1] = 0;
    this.submit(slot, opcode, nodeid, fuseOpenIn.size, fuseOpenOut.size);
  }

  #releaseWith(slot: number, opcode: number, nodeid: number, fh: number): void {
    const words = this.argumentWords(slot);
    this.#words32.fill(0, words, words + fuseReleaseIn.size / 4);
    this.putU64(words, fh);
    this.submit(slot, opcode, nodeid, fuseReleaseIn.size, 0);
  }

  #readWith(
    slot: number,
    opcode: number,
    nodeid: number,
    fh: number,
    offsetLow: number,
    offsetHigh: number,
    size: number,
  ): void {
    const words = this.argumentWords(slot);
    this.putU64(words, fh);
    this.#words32[words + fuseReadIn.at.offset / 4] = offsetLow;
    this.#words32[words + fuseReadIn.at.offset / 4 + 1] = offsetHigh;
    this.#words32[words + fuseReadIn.at.size / 4] = size;
    this.#words32.fill(0, words + fuseReadIn.at.read_flags / 4, words + fuseReadIn.size / 4);
    this.#submitData(slot, opcode, nodeid, fuseReadIn.size, size);
  }

  /** A request whose reply is a header and `replyBytes` of arguments; -1: no reply at all. */
  submit(slot: number, opcode: number, nodeid: number, args: number, replyBytes: number): void {
    const afterHeader = replyBytes > 0 ? REPLY_ARGUMENTS : -1;
    this.#setReply(slot, REPLY_ARGUMENTS, replyBytes, -1);
    if (replyBytes >= 0) this.#setReply(slot, REPLY_HEADER, fuseOutHeader.size, afterHeader);
    this.#finish(slot, opcode, nodeid, args, replyBytes < 0 ? -1 : REPLY_HEADER);
  }

  /** A request that carries `size` bytes of payload in its pages; its reply is as of `submit`. */
  submitPayload(
    slot: number,
    opcode: number,
    nodeid: number,
    args: number,
    size: number,
    replyBytes: number,
  ): void {
    this.#endPages(slot, size, 0, REPLY_HEADER);
    this.#setReply(slot, REPLY_ARGUMENTS, replyBytes, -1);
    this.#setReply(slot, REPLY_HEADER, fuseOutHeader.size, REPLY_ARGUMENTS);
    this.#finish(slot, opcode, nodeid, args, FIRST_PAGE, size);
  }

  /** A request whose reply is a header and data, in pages. */
  #submitData(slot: number, opcode: number, nodeid: number, args: number, size: number): void {
    this.#endPages(slot, size, VRING_DESC_F_WRITE, -1);
    this.#setReply(slot, REPLY_HEADER, fuseOutHeader.size, size > 0 ? FIRST_PAGE : -1);
    this.#finish(slot, opcode, nodeid, args, REPLY_HEADER);
  }

  /** Has the pages carry `size` bytes, `after` follow the last one, and all have these flags. */
  #endPages(slot: number, size: number, flags: number, after: number): void {
    if (this.#pageFlags[slot] !== flags) {
      for (let page = 0; page < this.#pages; page++) {
        this.#link(slot, FIRST_PAGE + page, PAGE, flags, FIRST_PAGE + page + 1);
      }
      this.#pageFlags[slot] = flags;
      this.#lastPages[slot] = -1;
    }
    const last = (((size + PAGE - 1) / PAGE) | 0) - 1;
    const before = this.#lastPages[slot]!;
    if (before >= 0 && before !== last) {
      this.#link(slot, FIRST_PAGE + before, PAGE, flags, FIRST_PAGE + before + 1);
    }
    this.#lastPages[slot] = last;
    if (last >= 0) this.#link(slot, FIRST_PAGE + last, size - last * PAGE, flags, after);
  }

  /**
   * Writes the header, links it with what follows it, and puts the chain into the avail ring. The
   * header counts `payload` bytes beside the arguments.
   */
  #finish(
    slot: number,
    opcode: number,
    nodeid: number,
    args: number,
    next: number,
    payload = 0,
  ): void {
    const words = this.#words32;
    const header = this.#requests[slot]! >>> 2;
    const sequence = (this.#sequences[slot]! + 1) >>> 0;
    this.#sequences[slot] = sequence;
    words[header] = fuseInHeader.size + args + payload;
    words[header + 1] = opcode;
    words[header + 2] = sequence;
    words[header + 3] = slot;
    this.putU64(header + 4, nodeid);
    this.#link(slot, HEADER, fuseInHeader.size, 0, args > 0 ? ARGUMENTS : next);
    if (args > 0) this.#link(slot, ARGUMENTS, args, 0, next);
    this.queue.ring.push(this.#indirect ? slot : slot * this.#stride);
    this.inFlight++;
  }

  #setReply(slot: number, place: number, length: number, next: number): void {
    this.#link(slot, place, length, VRING_DESC_F_WRITE, next);
  }

  /** Sets length, flags and successor of one descriptor; its address stays. */
  #link(slot: number, place: number, length: number, flags: number, next: number): void {
    const word = (this.#chains[slot]! >>> 2) + place * (DESCRIPTOR_BYTES / 4) + 2;
    const target = this.#indirect ? next : slot * this.#stride + next;
    this.#words32[word] = length;
    this.#words32[word + 1] = next < 0 ? flags : (flags | VRING_DESC_F_NEXT | (target << 16)) >>> 0;
  }

  /** Index in the region's 32-bit words of the slot's arguments. */
  argumentWords(slot: number): number {
    return (this.#requests[slot]! + fuseInHeader.size) >>> 2;
  }

  putU64(word: number, value: number): void {
    this.#words32[word] = value % TWO_32;
    this.#words32[word + 1] = value / TWO_32;
  }

  /** Puts `name[start, end)` and a NUL behind `at` bytes of arguments; returns their length then. */
  putName(slot: number, at: number, name: Uint8Array, start: number, end: number): number {
    const first = this.#requests[slot]! + fuseInHeader.size + at;
    for (let index = start; index < end; index++) this.#bytes[first + index - start] = name[index]!;
    this.#bytes[first + end - start] = 0;
    return at + end - start + 1;
  }
}

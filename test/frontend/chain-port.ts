/**
 * Sends one run of bytes as a descriptor chain of any shape and collects the reply, watching the
 * bytes around it: every piece lies between canaries, the room for the reply is filled with a
 * pattern, and after the chain is back nothing may have changed but the first `usedLength` bytes
 * of the room, or the reply says that it was. For tests; the load generator has `RequestLane`.
 */
import {
  VRING_DESC_F_INDIRECT,
  VRING_DESC_F_NEXT,
  VRING_DESC_F_WRITE,
} from "../../src/abi/virtio.ts";
import { type ChainShape, cut, LINUX_SHAPE } from "./chain-shape.ts";
import type { DriverQueue } from "./driver-queue.ts";
import { DESCRIPTOR_BYTES, NOTHING, writeDescriptor } from "./split-ring-driver.ts";
import type { SyntheticMemory } from "./synthetic-memory.ts";

/** How long a device may take to return a chain before a test gives up on it. */
export const ANSWER_MILLISECONDS = 20_000;

const CANARY = 0xa5;
const CANARY_BYTES = 32;
const UNTOUCHED = 0xc3;
/** In a "tail" chain this many descriptors stand in the ring's table before the indirect one. */
const TAIL_DIRECT = 2;

/** A stretch of guest memory that one descriptor names. */
export interface Piece {
  readonly address: number;
  readonly length: number;
  readonly writable: boolean;
}

export interface PostedChain {
  readonly head: number;
  /** Descriptors taken in the ring's table, head first. */
  readonly descriptors: readonly number[];
  readonly pieces: readonly Piece[];
}

export interface ChainReply {
  /** What the used ring says. */
  readonly usedLength: number;
  /** The whole room for the reply, as the device left it. */
  readonly room: Uint8Array;
  /** Bytes behind the used length changed, which is allowed (virtio 1.2 §2.7.8.2) but not tidy. */
  readonly scribbled: boolean;
}

/** The device did not return a chain in time, or hung up. */
export class NoAnswer extends Error {
  override readonly name = "NoAnswer";
}

/** The device wrote where it must not. */
export class TouchedOutside extends Error {
  override readonly name = "TouchedOutside";
}

export class ChainPort {
  readonly memory: SyntheticMemory;
  readonly queue: DriverQueue;
  /** Where pieces are laid; a test may set it to straddle two regions. */
  arenaStart: number;
  readonly #inFlight = new Map<number, PostedChain>();
  readonly #free: number[];
  #next: number;

  constructor(memory: SyntheticMemory, queue: DriverQueue, arenaStart: number) {
    this.memory = memory;
    this.queue = queue;
    this.arenaStart = arenaStart;
    this.#next = arenaStart;
    this.#free = Array.from({ length: queue.ring.size }, (_, index) => queue.ring.size - 1 - index);
  }

  /** Posts, kicks, waits and checks. @throws NoAnswer, TouchedOutside. */
  transact(
    request: Uint8Array,
    replyRoom: number,
    shape: ChainShape = LINUX_SHAPE,
    timeoutMilliseconds = ANSWER_MILLISECONDS,
  ): ChainReply {
    const chain = this.post(request, replyRoom, shape);
    this.queue.flush();
    const { head, reply } = this.collect(timeoutMilliseconds);
    if (head !== chain.head) throw new NoAnswer(`chain ${head} came back instead of ${chain.head}`);
    return reply;
  }

  /** Lays out a chain and pushes it to the avail ring, unpublished. */
  post(request: Uint8Array, replyRoom: number, shape: ChainShape = LINUX_SHAPE): PostedChain {
    if (this.#inFlight.size === 0) this.#next = this.arenaStart;
    const pieces: Piece[] = [];
    let done = 0;
    for (const length of cut(request.length, shape.readable)) {
      const address = this.#place(length, CANARY);
      this.memory.write(address, request.subarray(done, done + length));
      pieces.push({ address, length, writable: false });
      done += length;
    }
    for (const length of cut(replyRoom, shape.writable)) {
      pieces.push({ address: this.#place(length, UNTOUCHED), length, writable: true });
    }
    return this.postPieces(pieces, shape.placement);
  }

  /** Pushes a chain of given pieces, unpublished. */
  postPieces(pieces: readonly Piece[], placement: ChainShape["placement"]): PostedChain {
    const direct =
      placement === "direct" ? pieces.length : placement === "indirect" ? 0 : TAIL_DIRECT;
    const inTable = pieces.slice(0, direct);
    const beyond = pieces.slice(direct);
    const count = inTable.length + (beyond.length > 0 ? 1 : 0);
    if (count > this.#free.length) throw new RangeError("not enough free descriptors");
    const descriptors = this.#free.splice(this.#free.length - count, count);
    inTable.forEach((piece, index) => {
      const next = descriptors[index + 1];
      this.queue.ring.setDescriptor(
        descriptors[index]!,
        piece.address,
        piece.length,
        (piece.writable ? VRING_DESC_F_WRITE : 0) | (next === undefined ? 0 : VRING_DESC_F_NEXT),
        next ?? 0,
      );
    });
    if (beyond.length > 0) {
      this.queue.ring.setDescriptor(
        descriptors.at(-1)!,
        this.layIndirect(beyond),
        beyond.length * DESCRIPTOR_BYTES,
        VRING_DESC_F_INDIRECT,
      );
    }
    const chain = { head: descriptors[0]!, descriptors, pieces };
    this.#inFlight.set(chain.head, chain);
    this.queue.ring.push(chain.head);
    return chain;
  }

  /** Writes an indirect table; returns its guest address. */
  layIndirect(pieces: readonly Piece[]): number {
    const table = this.#alignedTable(pieces.length * DESCRIPTOR_BYTES);
    const region = this.memory.regionOf(table);
    pieces.forEach((piece, index) => {
      const last = index === pieces.length - 1;
      writeDescriptor(
        region,
        table - region.guestAddress + index * DESCRIPTOR_BYTES,
        piece.address,
        piece.length,
        (piece.writable ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT),
        last ? 0 : index + 1,
      );
    });
    return table;
  }

  /** Takes the next returned chain. @throws NoAnswer, TouchedOutside. */
  collect(timeoutMilliseconds = ANSWER_MILLISECONDS): { head: number; reply: ChainReply } {
    const head = this.queue.take(timeoutMilliseconds);
    if (head === NOTHING) throw new NoAnswer(`no chain came back in ${timeoutMilliseconds} ms`);
    const chain = this.#inFlight.get(head);
    if (chain === undefined) throw new NoAnswer(`chain ${head} came back but was never sent`);
    this.#inFlight.delete(head);
    this.#free.push(...chain.descriptors);
    return { head, reply: this.#readReply(chain, this.queue.ring.usedLength) };
  }

  /** Chains that are with the device. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Takes back every chain, as a driver does when it resets the device. */
  abandon(): void {
    for (const chain of this.#inFlight.values()) this.#free.push(...chain.descriptors);
    this.#inFlight.clear();
  }

  #readReply(chain: PostedChain, usedLength: number): ChainReply {
    const parts = chain.pieces.filter((piece) => piece.writable);
    for (const piece of chain.pieces) this.#checkCanary(piece);
    const room = new Uint8Array(parts.reduce((sum, piece) => sum + piece.length, 0));
    let done = 0;
    for (const piece of parts) {
      room.set(this.memory.read(piece.address, piece.length), done);
      done += piece.length;
    }
    if (usedLength > room.length) {
      throw new TouchedOutside(`used length ${usedLength} of a room of ${room.length} bytes`);
    }
    const scribbled = room.subarray(usedLength).some((byte) => byte !== UNTOUCHED);
    return { usedLength, room, scribbled };
  }

  #checkCanary(piece: Piece): void {
    const after = this.memory.read(piece.address + piece.length, CANARY_BYTES);
    const before = this.memory.read(piece.address - CANARY_BYTES, CANARY_BYTES);
    if (after.every((byte) => byte === CANARY) && before.every((byte) => byte === CANARY)) return;
    throw new TouchedOutside(`bytes around the piece at 0x${piece.address.toString(16)} changed`);
  }

  /** Reserves a piece with canaries on both sides, at an odd distance from the last. */
  #place(length: number, fill: number): number {
    const address = this.#next + CANARY_BYTES + 1;
    this.memory.write(this.#next, new Uint8Array(length + 2 * CANARY_BYTES + 1).fill(CANARY));
    if (fill !== CANARY) this.memory.write(address, new Uint8Array(length).fill(fill));
    this.#next = address + length + CANARY_BYTES;
    return address;
  }

  #alignedTable(bytes: number): number {
    let table = Math.ceil(this.#next / DESCRIPTOR_BYTES) * DESCRIPTOR_BYTES;
    const region = this.memory.regionOf(table);
    const end = region.guestAddress + region.size;
    if (table + bytes > end) table = end;
    this.#next = table + bytes;
    return table;
  }
}

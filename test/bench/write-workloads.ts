/** WRITE, and WRITE with FSYNC. Each payload is stamped, and what was written is read afterwards. */
import { sendFsync, sendWrite, writtenBytes } from "../frontend/modifying-requests.ts";
import type { RequestLane } from "../frontend/request-lane.ts";
import { BLOCK_BYTES, FileModel } from "./file-model.ts";
import { FINISHED, UNFINISHED, type Workload, WRONG } from "./pump.ts";
import type { WriteFacts } from "./write-tree.ts";

/**
 * WRITE of 4 KiB at a time, in a scattered order. No two streams write the same blocks: which of two
 * writes under way wins would be left open.
 */
export class RandomWriteLoad implements Workload {
  readonly #file: FileModel;
  readonly #streams: number;
  readonly #blocksPerStream: number;
  #state = 0x2545_f491;

  constructor(facts: WriteFacts, streams: number) {
    this.#file = facts.big;
    this.#streams = streams;
    this.#blocksPerStream = Math.floor(facts.big.blocks / streams);
  }

  prepare(lane: RequestLane): void {
    FileModel.prepare(lane, BLOCK_BYTES);
  }

  send(lane: RequestLane, slot: number, stream: number): void {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    const block = ((state >>> 0) % this.#blocksPerStream) * this.#streams + stream;
    const file = this.#file;
    file.stamp(lane, slot, block, 1);
    sendWrite(lane, slot, file.nodeid, file.fh, block * BLOCK_BYTES, BLOCK_BYTES);
  }

  receive(lane: RequestLane, slot: number): number {
    return lane.error(slot) === 0 && writtenBytes(lane, slot) === BLOCK_BYTES ? FINISHED : WRONG;
  }

  verify(lane: RequestLane): void {
    this.#file.verify(lane);
  }
}

/** WRITE of `bytes` at a time, over the whole file, again and again. */
export class SequentialWriteLoad implements Workload {
  readonly #file: FileModel;
  readonly #bytes: number;
  readonly #span: number;
  #offset = 0;

  constructor(facts: WriteFacts, bytes: number) {
    this.#file = facts.big;
    this.#bytes = bytes;
    this.#span = facts.big.blocks * BLOCK_BYTES;
  }

  prepare(lane: RequestLane): void {
    FileModel.prepare(lane, this.#bytes);
  }

  send(lane: RequestLane, slot: number): void {
    const file = this.#file;
    file.stamp(lane, slot, this.#offset / BLOCK_BYTES, this.#bytes / BLOCK_BYTES);
    sendWrite(lane, slot, file.nodeid, file.fh, this.#offset, this.#bytes);
    this.#offset = (this.#offset + this.#bytes) % this.#span;
  }

  receive(lane: RequestLane, slot: number): number {
    return lane.error(slot) === 0 && writtenBytes(lane, slot) === this.#bytes ? FINISHED : WRONG;
  }

  verify(lane: RequestLane): void {
    this.#file.verify(lane);
  }
}

/** Every stream writes 4 KiB to a file of its own and wants it on the disk: two requests. */
export class FsyncLoad implements Workload {
  readonly #logs: readonly FileModel[];
  readonly #block: Uint32Array;
  readonly #hasWritten: Uint8Array;

  constructor(facts: WriteFacts, streams: number) {
    this.#logs = facts.logs.slice(0, streams);
    this.#block = new Uint32Array(streams);
    this.#hasWritten = new Uint8Array(streams);
  }

  prepare(lane: RequestLane): void {
    FileModel.prepare(lane, BLOCK_BYTES);
  }

  send(lane: RequestLane, slot: number, stream: number): void {
    const file = this.#logs[stream]!;
    if (this.#hasWritten[stream] === 1) {
      sendFsync(lane, slot, file.nodeid, file.fh);
      return;
    }
    const block = (this.#block[stream]! + 1) % file.blocks;
    this.#block[stream] = block;
    file.stamp(lane, slot, block, 1);
    sendWrite(lane, slot, file.nodeid, file.fh, block * BLOCK_BYTES, BLOCK_BYTES);
  }

  receive(lane: RequestLane, slot: number, stream: number): number {
    if (this.#hasWritten[stream] === 1) {
      this.#hasWritten[stream] = 0;
      return lane.error(slot) === 0 ? FINISHED : WRONG;
    }
    if (lane.error(slot) !== 0 || writtenBytes(lane, slot) !== BLOCK_BYTES) return WRONG;
    this.#hasWritten[stream] = 1;
    return UNFINISHED;
  }

  verify(lane: RequestLane): void {
    for (const file of this.#logs) file.verify(lane);
  }
}

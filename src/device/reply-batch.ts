/**
 * Replies that are written but for their copies from file mappings, in the order in which the driver
 * is to see them. The copies of a whole batch are made by one native call; then heads go back.
 */
import { PARKED } from "../fuse/server.ts";
import type { CopyList } from "../virtio/copy-list.ts";
import type { SplitQueue } from "../virtio/split-queue.ts";

/**
 * Reply bytes on their way to the driver, from which on they are written past this processor's
 * caches: they would not stay there until the driver takes them, and in vain read what they overwrite.
 */
export const STREAMED_BYTES_MIN = 8 * 1024 * 1024;

/** In place of the bytes written: a copy of this reply has failed. */
const FAILED = 0xffff_ffff;

export class ReplyBatch {
  readonly #copies: CopyList;
  readonly #heads: Uint16Array;
  readonly #written: Uint32Array;
  /** Where in the list of copies each reply's end. */
  readonly #ends: Uint32Array;
  /** Replies in the batch. */
  count = 0;
  /** Their bytes. */
  bytes = 0;

  /** `capacity` replies at the most. */
  constructor(copies: CopyList, capacity: number) {
    this.#copies = copies;
    this.#heads = new Uint16Array(capacity);
    this.#written = new Uint32Array(capacity);
    this.#ends = new Uint32Array(capacity);
  }

  /** Puts off the copies from now on. Whatever an earlier batch left is dropped. */
  begin(): void {
    this.#copies.clear();
    this.#copies.deferring = true;
    this.count = 0;
    this.bytes = 0;
  }

  /** Takes the reply of `head`: `written` bytes, copies included. */
  add(head: number, written: number): void {
    const index = this.count;
    this.#heads[index] = head;
    this.#written[index] = written;
    this.#ends[index] = this.#copies.count;
    this.count = index + 1;
    this.bytes += written;
  }

  /** Few more copies can be put off: `complete` first. */
  get isCrowded(): boolean {
    return this.#copies.isCrowded;
  }

  /**
   * Makes the copies and gives the heads back. A request whose copy failed is answered `again`, from
   * its start and copying at once; that returns the bytes written, or PARKED.
   */
  complete(ring: SplitQueue, again: (head: number) => number): void {
    this.#makeCopies(ring.backlog);
    for (let index = 0; index < this.count; index++) {
      const head = this.#heads[index]!;
      let written = this.#written[index]!;
      if (written === FAILED) written = again(head);
      if (written !== PARKED) ring.complete(head, written);
    }
  }

  #makeCopies(backlog: number): void {
    const copies = this.#copies;
    const end = copies.count;
    if (end > 0) {
      const streaming = this.bytes * (1 + backlog / this.count) >= STREAMED_BYTES_MIN;
      let at = copies.run(0, streaming);
      for (let index = 0; at < end; index++) {
        if (this.#ends[index]! <= at) continue;
        this.#written[index] = FAILED;
        at = copies.run(this.#ends[index]!, streaming);
      }
    }
    copies.makeAtOnce();
  }
}

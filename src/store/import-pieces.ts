/**
 * Files that do not fit a slot, piece by piece. This worker reads and finds the cuts, which can only
 * be done in order. Hashing the chunks, and the file as a whole, is left to other workers where
 * the file is worth it.
 */
import { fstatSync, type Stats } from "node:fs";
import type { MessagePort } from "node:worker_threads";
import type { Cutter } from "./fastcdc.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import { hashChunks, takeOn, WholeHash } from "./import-helper.ts";
import type { ToHelper } from "./import-messages.ts";
import { isUnchanged, readFully } from "./import-open.ts";
import { RECORD, SLOT_CONTENT_BYTES } from "./import-slots.ts";
import type { SlotSupply } from "./import-supply.ts";

/** Files from this size on are shared with other workers. */
export const SHARED_FILE_BYTES_MIN = 32 * 1024 * 1024;

export class PieceReader {
  readonly #supply: SlotSupply;
  readonly #cutter: Cutter;
  readonly #helpers: readonly MessagePort[];
  readonly #whole: WholeHash;
  #turn = 0;

  constructor(supply: SlotSupply, cutter: Cutter, helpers: readonly MessagePort[]) {
    this.#supply = supply;
    this.#cutter = cutter;
    this.#helpers = helpers;
    this.#whole = new WholeHash(supply.filler.slots);
  }

  /** Imports a file of any size. False: it changed meanwhile, and what was recorded is void. */
  async read(fd: number, before: Stats): Promise<boolean> {
    const { filler } = this.#supply;
    const { bytes } = filler.slots;
    const shared = before.size >= SHARED_FILE_BYTES_MIN && this.#helpers.length > 0;
    let position = 0;
    /** What is left over behind the last cut: it begins the next piece. */
    let rest = filler.at;
    let restEnd = rest;
    for (;;) {
      await this.#supply.next();
      const begin = filler.at;
      bytes.copyWithin(begin, rest, restEnd);
      const kept = restEnd - rest;
      const length = readFully(fd, bytes, begin + kept, SLOT_CONTENT_BYTES - kept, position);
      const ended = kept + length < SLOT_CONTENT_BYTES;
      const isFirst = position === 0;
      position += length;
      if (ended && !isUnchanged(before, fstatSync(fd))) {
        if (shared) this.#wholeHelper.postMessage({ kind: "forget" } satisfies ToHelper);
        else this.#whole.forget();
        filler.word(RECORD.again);
        return false;
      }
      restEnd = begin + kept + length;
      rest = this.#recordPiece(begin, restEnd, ended, isFirst);
      const digestAt = ended ? this.#recordEnd(before) : undefined;
      if (shared) this.#handOut(digestAt);
      else this.#hash(digestAt);
      if (ended) {
        await this.#supply.flush();
        return true;
      }
    }
  }

  /** Records the chunks that `[begin, end)` begins with; returns where they end. */
  #recordPiece(begin: number, end: number, ended: boolean, isFirst: boolean): number {
    const { filler } = this.#supply;
    const needed = ended ? 1 : CHUNK_BYTES_MAX;
    filler.word(RECORD.piece);
    const count = filler.wordLater();
    let at = begin;
    let chunks = 0;
    // No file is without a chunk.
    while (end - at >= needed || (ended && isFirst && chunks === 0)) {
      const size = this.#cutter.firstChunkLength(at, end);
      filler.digestLater();
      filler.word(size);
      chunks += 1;
      at += size;
    }
    filler.slots.words[count] = chunks;
    return at;
  }

  /** Returns at which byte the digest of the file belongs. */
  #recordEnd(status: Stats): number {
    const { filler } = this.#supply;
    filler.word(RECORD.end);
    filler.status(status);
    return filler.digestLater();
  }

  #hash(digestAt: number | undefined): void {
    const { slots, slot } = this.#supply.filler;
    hashChunks(slots, slot);
    this.#whole.hash(slot, digestAt);
  }

  #handOut(digestAt: number | undefined): void {
    const { slots, slot } = this.#supply.filler;
    takeOn(slots, slot, 2);
    const whole = digestAt === undefined ? { slot } : { slot, digestAt };
    this.#wholeHelper.postMessage({ kind: "whole", ...whole } satisfies ToHelper);
    this.#chunkHelper().postMessage({ kind: "chunks", slot } satisfies ToHelper);
  }

  /** One does the file as a whole, from its first byte to its last; the others do chunks in turn. */
  get #wholeHelper(): MessagePort {
    return this.#helpers[0]!;
  }

  #chunkHelper(): MessagePort {
    if (this.#helpers.length === 1) return this.#wholeHelper;
    this.#turn = (this.#turn + 1) % (this.#helpers.length - 1);
    return this.#helpers[1 + this.#turn]!;
  }
}

/**
 * A worker's own work in an import: reads files, cuts and hashes them, and leaves contents and
 * digests in its slots, where the main thread takes them.
 */
import { closeSync, fstatSync, type Stats } from "node:fs";
import type { MessagePort } from "node:worker_threads";
import { blake3 } from "../castore/blake3.ts";
import { CHUNK_BYTES_MIN, Cutter } from "./fastcdc.ts";
import type { FileFailure } from "./import-messages.ts";
import { unpackPaths } from "./import-messages.ts";
import { FILE_ATTEMPTS_MAX, isUnchanged, openFile, readFully } from "./import-open.ts";
import { PieceReader } from "./import-pieces.ts";
import {
  CHUNK_WORDS,
  DIGEST_WORDS,
  RECORD,
  SLOT_CONTENT_BYTES,
  STATUS_WORDS,
} from "./import-slots.ts";
import type { SlotSupply } from "./import-supply.ts";

/** Of the record of a file that fits a slot. */
const FILE_WORDS_MAX =
  2 + STATUS_WORDS + Math.ceil(SLOT_CONTENT_BYTES / CHUNK_BYTES_MIN) * CHUNK_WORDS + DIGEST_WORDS;

type Outcome = "done" | "changed" | "large";

export class Gatherer {
  readonly #supply: SlotSupply;
  readonly #pieces: PieceReader;
  readonly #cutter: Cutter;
  readonly #fail: (failure: FileFailure) => void;
  readonly #jobs: Uint8Array[] = [];
  #running = false;
  #failed = false;

  /** `fail` is called before the record of a file that cannot be imported is sent off. */
  constructor(
    supply: SlotSupply,
    helpers: readonly MessagePort[],
    fail: (failure: FileFailure) => void,
  ) {
    this.#supply = supply;
    this.#cutter = new Cutter(supply.filler.slots.memory);
    this.#pieces = new PieceReader(supply, this.#cutter, helpers);
    this.#fail = fail;
  }

  /** Imports these files after those that were given before. */
  async take(packedPaths: Uint8Array): Promise<void> {
    this.#jobs.push(packedPaths);
    if (this.#running) return;
    this.#running = true;
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) {
      for (const path of unpackPaths(job)) {
        if (this.#failed) return;
        await this.#import(path);
      }
      await this.#supply.flush();
    }
    this.#running = false;
  }

  async #import(path: Buffer): Promise<void> {
    try {
      for (let attempt = 0; attempt < FILE_ATTEMPTS_MAX; attempt += 1) {
        if ((await this.#attempt(path)) === "done") return;
      }
      await this.#refuse({ message: "the file changes" });
    } catch (error) {
      const { code, syscall, message } = error as NodeJS.ErrnoException;
      if (code === undefined || syscall === undefined) throw error;
      await this.#refuse({ message, code, syscall });
    }
  }

  async #attempt(path: Buffer): Promise<Outcome> {
    const fd = openFile(path);
    try {
      const before = fstatSync(fd);
      if (!before.isFile()) {
        await this.#makeRoom(0);
        this.#supply.filler.word(RECORD.notAFile);
        return "done";
      }
      if (before.size < SLOT_CONTENT_BYTES) {
        await this.#makeRoom(before.size);
        const outcome = this.#small(fd, before);
        if (outcome !== "large") return outcome;
      }
      return (await this.#pieces.read(fd, before)) ? "done" : "changed";
    } finally {
      closeSync(fd);
    }
  }

  /** Takes a file that fits what is left of the slot. */
  #small(fd: number, before: Stats): Outcome {
    const { filler } = this.#supply;
    const { bytes } = filler.slots;
    const begin = filler.at;
    const { room } = filler;
    const length = readFully(fd, bytes, begin, room, 0);
    // It has grown, or its file system does not tell the size.
    if (length === room) return "large";
    if (!isUnchanged(before, fstatSync(fd))) return "changed";
    const end = begin + length;
    const first = this.#cutter.firstChunkLength(begin, end);
    filler.word(RECORD.file);
    const chunks = filler.wordLater();
    filler.status(before);
    let count = 0;
    for (let at = begin, size = first; count === 0 || at < end; count += 1) {
      filler.chunk(blake3(bytes.subarray(at, at + size)).bytes, size);
      at += size;
      size = this.#cutter.firstChunkLength(at, end);
    }
    if (count > 1) filler.digest(blake3(bytes.subarray(begin, end)).bytes);
    filler.slots.words[chunks] = count;
    filler.at = end;
    return "done";
  }

  /** Begins another slot unless a file of `size` bytes, and its end, fit this one. */
  async #makeRoom(size: number): Promise<void> {
    const { isFilling, filler } = this.#supply;
    if (isFilling && filler.room > size && filler.hasWords(FILE_WORDS_MAX)) return;
    await this.#supply.next();
  }

  /** Ends all work, with a record that says so. */
  async #refuse(failure: FileFailure): Promise<void> {
    this.#failed = true;
    await this.#makeRoom(0);
    this.#fail(failure);
    this.#supply.filler.word(RECORD.failed);
    await this.#supply.flush();
  }
}

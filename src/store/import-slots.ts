/**
 * The memory that the threads of an import share. It is divided into slots, and every slot belongs
 * to one worker. The worker fills a slot with the contents of files, and writes down in records what
 * they are; then the main thread takes everything out of it and gives it back. A slot is never
 * written to by one side while the other reads it, so nothing is copied and nothing is locked.
 *
 *     slot = [ hands │ end │ records … ][ contents, one behind the other … ]
 *
 * Records are rows of 32-bit words; what they mean is said at `RECORD`.
 */
import { DIGEST_BYTES } from "../castore/digest.ts";
import type { CutMemory } from "./fastcdc.ts";
import { createCutMemory } from "./fastcdc.ts";
import { CUT_DATA_AT } from "./fastcdc-module.ts";
import type { FileStatus } from "./import-file.ts";

export const SLOT_BYTES = 2 * 1024 * 1024;
const RECORD_AREA_BYTES = 64 * 1024;
/** Contents that a slot has room for. */
export const SLOT_CONTENT_BYTES = SLOT_BYTES - RECORD_AREA_BYTES;
/** Words that a slot has room for, before its contents. */
export const SLOT_WORDS = RECORD_AREA_BYTES / 4;

/** Helpers that are still at work in the slot, and the worker itself. */
export const HANDS_WORD = 0;
/** The word behind the last record. */
export const END_WORD = 1;
export const FIRST_RECORD_WORD = 2;

export const DIGEST_WORDS = DIGEST_BYTES / 4;
/** Digest and size. */
export const CHUNK_WORDS = DIGEST_WORDS + 1;

/** The first word of a record. */
export const RECORD = {
  /** kind, chunks, STATUS, chunks × CHUNK, digest of the blob if it has several chunks. */
  file: 1,
  /** kind, chunks, chunks × CHUNK: a piece of a file that is larger than a slot. */
  piece: 2,
  /** kind, STATUS, digest: the pieces before it were all of the file. */
  end: 3,
  /** kind: the pieces before it do not count, the file changed; it begins anew. */
  again: 4,
  /** kind: what was listed as a file is none. */
  notAFile: 5,
  /** kind: the file cannot be imported. The worker has said why, and does nothing more. */
  failed: 6,
} as const;

/** STATUS: mode, user, group, number of names. */
export const STATUS_WORDS = 4;

export class ImportSlots {
  /** Can be posted to other threads. */
  readonly memory: CutMemory;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;

  constructor(memory: CutMemory) {
    this.memory = memory;
    this.bytes = new Uint8Array(memory.buffer);
    this.words = new Int32Array(memory.buffer);
  }

  static create(slots: number): ImportSlots {
    return new ImportSlots(createCutMemory(slots * SLOT_BYTES));
  }

  /** The index in `words` of the first word of a slot. */
  wordsAt(slot: number): number {
    return (CUT_DATA_AT + slot * SLOT_BYTES) / 4;
  }

  /** The index in `bytes` of the first byte of a slot's contents. */
  contentsAt(slot: number): number {
    return CUT_DATA_AT + slot * SLOT_BYTES + RECORD_AREA_BYTES;
  }
}

/** Writes records into one slot after the other, and knows how much room is left. */
export class SlotFiller {
  readonly slots: ImportSlots;
  #slot = -1;
  #begin = 0;
  #word = 0;
  /** Where in `slots.bytes` the next contents go. */
  at = 0;

  constructor(slots: ImportSlots) {
    this.slots = slots;
  }

  get slot(): number {
    return this.#slot;
  }

  /** Goes on with a slot that is free. */
  begin(slot: number): void {
    this.#slot = slot;
    this.#begin = this.slots.wordsAt(slot);
    this.#word = this.#begin + FIRST_RECORD_WORD;
    this.at = this.slots.contentsAt(slot);
    this.slots.words[this.#begin + HANDS_WORD] = 1;
  }

  /** Bytes of contents that still fit. */
  get room(): number {
    return this.slots.contentsAt(this.#slot) + SLOT_CONTENT_BYTES - this.at;
  }

  /** True when so many words of records still fit. */
  hasWords(words: number): boolean {
    return this.#word - this.#begin + words <= SLOT_WORDS;
  }

  word(value: number): void {
    this.slots.words[this.#word] = value;
    this.#word += 1;
  }

  digest(bytes: Uint8Array): void {
    this.slots.bytes.set(bytes, this.#word * 4);
    this.#word += DIGEST_WORDS;
  }

  chunk(digest: Uint8Array, size: number): void {
    this.digest(digest);
    this.word(size);
  }

  status({ mode, uid, gid, nlink }: FileStatus): void {
    this.word(mode);
    this.word(uid);
    this.word(gid);
    this.word(nlink);
  }

  /** Leaves out a word, and says which of `slots.words` it is. */
  wordLater(): number {
    this.#word += 1;
    return this.#word - 1;
  }

  /** Leaves out a digest, and says at which of `slots.bytes` it begins. */
  digestLater(): number {
    this.#word += DIGEST_WORDS;
    return (this.#word - DIGEST_WORDS) * 4;
  }

  /** Ends the records. */
  end(): void {
    this.slots.words[this.#begin + END_WORD] = this.#word - this.#begin;
  }
}

/**
 * Hashing what lies in slots: a worker's own, or those of another worker, which it helps with a
 * large file. That one reads and cuts, others hash, so that the file is imported as fast as the
 * slowest of these goes, and not as fast as all of them one after the other.
 */
import type { MessagePort } from "node:worker_threads";
import type { Hasher } from "../castore/blake3.ts";
import { blake3, createHasher } from "../castore/blake3.ts";
import type { ToHelper } from "./import-messages.ts";
import type { ImportSlots } from "./import-slots.ts";
import { CHUNK_WORDS, FIRST_RECORD_WORD, HANDS_WORD } from "./import-slots.ts";

/** Called when nobody is at work in the slot any more. */
export type SlotReady = (slot: number) => void;

/** Does what the worker at the other end of `port` asks for. */
export function helpWith(slots: ImportSlots, port: MessagePort, ready: SlotReady): void {
  const whole = new WholeHash(slots);
  port.on("message", (message: ToHelper) => {
    if (message.kind === "forget") return whole.forget();
    if (message.kind === "chunks") hashChunks(slots, message.slot);
    else whole.hash(message.slot, message.digestAt);
    letGo(slots, message.slot, ready);
  });
}

/** Says that `hands` more are at work in the slot. */
export function takeOn(slots: ImportSlots, slot: number, hands: number): void {
  Atomics.add(slots.words, slots.wordsAt(slot) + HANDS_WORD, hands);
}

/** Says that one of those who were at work in the slot is done. */
export function letGo(slots: ImportSlots, slot: number, ready: SlotReady): void {
  const before = Atomics.sub(slots.words, slots.wordsAt(slot) + HANDS_WORD, 1);
  if (before === 1) ready(slot);
}

/** Writes the digest of each chunk of the piece in the slot. */
export function hashChunks(slots: ImportSlots, slot: number): void {
  const { bytes, words } = slots;
  let at = slots.contentsAt(slot);
  for (const word of chunkWords(slots, slot)) {
    const end = at + words[word + CHUNK_WORDS - 1]!;
    bytes.set(blake3(bytes.subarray(at, end)).bytes, word * 4);
    at = end;
  }
}

/** The hash of one file after the other, piece by piece. */
export class WholeHash {
  readonly #slots: ImportSlots;
  #hasher: Hasher | undefined;

  constructor(slots: ImportSlots) {
    this.#slots = slots;
  }

  /** Takes the piece in the slot; `digestAt`: it is the last, and the digest goes to that byte. */
  hash(slot: number, digestAt: number | undefined): void {
    const { bytes, words } = this.#slots;
    const begin = this.#slots.contentsAt(slot);
    let end = begin;
    for (const word of chunkWords(this.#slots, slot)) end += words[word + CHUNK_WORDS - 1]!;
    this.#hasher ??= createHasher();
    this.#hasher.update(bytes.subarray(begin, end));
    if (digestAt === undefined) return;
    bytes.set(this.#hasher.digest().bytes, digestAt);
    this.#hasher = undefined;
  }

  /** The file begins anew. */
  forget(): void {
    this.#hasher = undefined;
  }
}

/** The word at which each chunk begins of the piece that the slot's first record is of. */
function* chunkWords(slots: ImportSlots, slot: number): Generator<number> {
  const record = slots.wordsAt(slot) + FIRST_RECORD_WORD;
  const chunks = slots.words[record + 1]!;
  for (let i = 0; i < chunks; i += 1) yield record + 2 + i * CHUNK_WORDS;
}

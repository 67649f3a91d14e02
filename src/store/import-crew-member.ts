/** One worker of an import: what it was given, and what it has found. */
import type { Worker } from "node:worker_threads";
import { Digest } from "../castore/digest.ts";
import type { FileStatus } from "./import-file.ts";
import type { FileFailure, ToImportThread } from "./import-messages.ts";
import { packPaths } from "./import-messages.ts";
import type { ImportSlots } from "./import-slots.ts";
import { DIGEST_WORDS, END_WORD, FIRST_RECORD_WORD, RECORD, STATUS_WORDS } from "./import-slots.ts";
import type { BlobStat, Chunk } from "./services.ts";

/** Files that go to a worker in one message. */
const BATCH_FILES_MAX = 64;
/** Files that a worker has been given, and the main thread has not taken yet. */
const FILES_AHEAD_MAX = 4 * BATCH_FILES_MAX;

/** What a worker found of a file. Contents begin at `at` of the slots' bytes, chunk after chunk. */
export type Found =
  | {
      readonly kind: "file";
      readonly blob: BlobStat & Chunk;
      readonly status: FileStatus;
      readonly at: number;
    }
  | { readonly kind: "piece"; readonly chunks: readonly Chunk[]; readonly at: number }
  | { readonly kind: "end"; readonly digest: Digest; readonly status: FileStatus }
  | { readonly kind: "again" }
  | { readonly kind: "not a file" }
  | { readonly kind: "failed"; readonly failure: FileFailure };

export class CrewMember {
  readonly #worker: Worker;
  readonly #slots: ImportSlots;
  readonly #first: number;
  readonly #ready: boolean[];
  readonly #batch: Buffer[] = [];
  readonly #ended: Promise<void>;
  /** The slot, of this worker's, that is read next; or now, when `#word` is not at its end. */
  #slot = 0;
  #isOpen = false;
  #word = 0;
  #end = 0;
  #at = 0;
  #files = 0;
  #failure: FileFailure = { message: "unknown" };

  /** It owns the `count` slots from `first` on. */
  constructor(worker: Worker, slots: ImportSlots, first: number, count: number) {
    this.#worker = worker;
    this.#slots = slots;
    this.#first = first;
    this.#ready = new Array<boolean>(count).fill(false);
    this.#ended = new Promise((resolve) => {
      worker.once("exit", () => resolve());
    });
  }

  /** Files that it was given, and were not taken back. */
  get files(): number {
    return this.#files;
  }

  get hasRoom(): boolean {
    return this.#files < FILES_AHEAD_MAX;
  }

  /** Gives it another file. False: that made a batch full, which was sent. */
  add(path: Buffer): boolean {
    this.#batch.push(path);
    this.#files += 1;
    if (this.#batch.length < BATCH_FILES_MAX) return true;
    this.send();
    return false;
  }

  /** Sends the batch, as it is. */
  send(): void {
    const paths = packPaths(this.#batch.splice(0));
    this.#worker.postMessage({ kind: "files", paths } satisfies ToImportThread, [paths.buffer]);
  }

  /** One of its slots is full. */
  ready(slot: number): void {
    this.#ready[slot - this.#first] = true;
  }

  /** The file that it fails at next fails for this reason. */
  failed(failure: FileFailure): void {
    this.#failure = failure;
  }

  /** What comes next of the files that it was given, in that order. Undefined: nothing yet. */
  take(): Found | undefined {
    while (this.#isOpen || this.#ready[this.#slot]) {
      if (!this.#isOpen) this.#open();
      if (this.#word < this.#end) return this.#read();
      this.release();
    }
    return undefined;
  }

  /** Tells that what was taken last is not needed any more. */
  release(): void {
    if (!this.#isOpen || this.#word < this.#end) return;
    this.#isOpen = false;
    this.#ready[this.#slot] = false;
    this.#slot = (this.#slot + 1) % this.#ready.length;
    this.#worker.postMessage({ kind: "free" } satisfies ToImportThread);
  }

  /** Ends the worker, at the latest when it is done with the slot that it is filling. */
  async end(): Promise<void> {
    // Not terminate(): the process may crash when that meets a thread that is just starting.
    this.#worker.postMessage({ kind: "end" } satisfies ToImportThread);
    await this.#ended;
  }

  #open(): void {
    const slot = this.#first + this.#slot;
    const begin = this.#slots.wordsAt(slot);
    this.#isOpen = true;
    this.#word = begin + FIRST_RECORD_WORD;
    this.#end = begin + this.#slots.words[begin + END_WORD]!;
    this.#at = this.#slots.contentsAt(slot);
  }

  #read(): Found {
    const kind = this.#next();
    if (kind === RECORD.piece) {
      const at = this.#at;
      return { kind: "piece", chunks: this.#chunks(this.#next()), at };
    }
    if (kind === RECORD.again) return { kind: "again" };
    this.#files -= 1;
    if (kind === RECORD.file) return this.#file();
    if (kind === RECORD.end) {
      const status = this.#status();
      return { kind: "end", status, digest: this.#digest() };
    }
    if (kind === RECORD.notAFile) return { kind: "not a file" };
    return { kind: "failed", failure: this.#failure };
  }

  #file(): Found {
    const at = this.#at;
    const count = this.#next();
    const status = this.#status();
    const chunks = this.#chunks(count);
    const digest = count === 1 ? chunks[0]!.digest : this.#digest();
    return { kind: "file", status, at, blob: { digest, size: this.#at - at, chunks } };
  }

  #chunks(count: number): Chunk[] {
    const chunks: Chunk[] = [];
    for (let i = 0; i < count; i += 1) {
      const digest = this.#digest();
      const size = this.#next();
      chunks.push({ digest, size });
      this.#at += size;
    }
    return chunks;
  }

  #status(): FileStatus {
    const { words } = this.#slots;
    const at = this.#word;
    this.#word += STATUS_WORDS;
    return { mode: words[at]!, uid: words[at + 1]!, gid: words[at + 2]!, nlink: words[at + 3]! };
  }

  #digest(): Digest {
    this.#word += DIGEST_WORDS;
    return Digest.at(this.#slots.bytes, (this.#word - DIGEST_WORDS) * 4);
  }

  #next(): number {
    this.#word += 1;
    return this.#slots.words[this.#word - 1]!;
  }
}

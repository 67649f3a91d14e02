/**
 * The blobs of the base that extents refer to, by number: each once, however many files refer to it.
 * Readers are opened when they are needed, and all let go of when there are too many.
 */
import { EIO } from "../../base/errno.ts";
import type { ByteSink } from "../../base/segments.ts";
import type { Base } from "../../layer/extent-code.ts";
import type { BlobReader } from "../../store/local-reader.ts";

/** Opens a blob of the base, or says why not: -EIO (logged by then) or MISSING. */
export type OpenBase = (digest: Uint8Array, size: number) => BlobReader | number;

/** Readers kept. */
export const BASE_READERS_MAX = 4096;

export class ReferredBlobs {
  readonly #open: OpenBase;
  readonly #bases: Base[] = [];
  readonly #readers: (BlobReader | undefined)[] = [];
  readonly #numbers = new Map<string, number>();
  #opened = 0;

  constructor(open: OpenBase) {
    this.#open = open;
  }

  /** The number of a blob, from 0 on. */
  number(base: Base): number {
    const key = Buffer.from(base.digest).toString("latin1");
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#bases.length;
    this.#numbers.set(key, number);
    this.#bases.push({ digest: base.digest, size: base.size });
    return number;
  }

  base(number: number): Base {
    return this.#bases[number]!;
  }

  /** Appends a range of a blob to `sink`, as BlobReader.read does. */
  read(number: number, offset: number, length: number, sink: ByteSink): number {
    const reader = this.#readers[number] ?? this.#reader(number);
    return typeof reader === "number" ? reader : reader.read(offset, length, sink);
  }

  /** All readers are void. */
  reopen(): void {
    this.#readers.length = 0;
    this.#opened = 0;
  }

  #reader(number: number): BlobReader | number {
    const { digest, size } = this.#bases[number]!;
    const reader = this.#open(digest, size);
    if (typeof reader === "number") return reader;
    if (reader.size < size) return -EIO;
    if (this.#opened === BASE_READERS_MAX) this.reopen();
    this.#readers[number] = reader;
    this.#opened += 1;
    return reader;
  }
}

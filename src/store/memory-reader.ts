/** The device thread's view of a store in memory, within one thread. */
import { EIO } from "../base/errno.ts";
import { MISSING } from "../base/missing.ts";
import type { ByteSink } from "../base/segments.ts";
import { blake3Matches } from "../castore/blake3.ts";
import { Digest, digestKey } from "../castore/digest.ts";
import { CorruptObject } from "./errors.ts";
import type { BlobReader, LocalReader, RootSource } from "./local-reader.ts";
import type { MemoryContents } from "./memory-contents.ts";
import { nameKey } from "./memory-contents.ts";
import type { Misses } from "./misses.ts";
import type { BlobStat } from "./services.ts";

export class MemoryReader implements LocalReader {
  readonly #contents: MemoryContents;
  readonly #misses: Misses | undefined;

  constructor(contents: MemoryContents, misses?: Misses) {
    this.#contents = contents;
    this.#misses = misses;
  }

  directory(bytes: Uint8Array, start: number): Uint8Array | undefined | typeof MISSING {
    const encoded = this.#contents.directories.get(digestKey(bytes, start));
    const rotten = encoded !== undefined && !blake3Matches(encoded, bytes, start);
    if (encoded !== undefined && !rotten) return encoded;
    if (this.#misses === undefined) {
      if (rotten) throw new CorruptObject("directory", Digest.at(bytes, start));
      return undefined;
    }
    this.#misses.add("directory", bytes, start, rotten);
    return MISSING;
  }

  blob(bytes: Uint8Array, start: number, size?: number): BlobReader | undefined | typeof MISSING {
    const digest = Digest.at(bytes, start);
    const stat = this.#contents.stat(digest);
    if (stat !== undefined) return new MemoryBlob(digest, stat, this.#contents, this.#misses);
    if (this.#misses === undefined) return undefined;
    this.#misses.add("blob", bytes, start, false, undefined, size);
    return MISSING;
  }

  roots(): RootSource {
    return {
      get: (name) => this.#contents.roots.get(nameKey(name)),
      list: () => this.#contents.rootNames(),
    };
  }

  trim(): void {}

  [Symbol.dispose](): void {}
}

class MemoryBlob implements BlobReader {
  readonly size: number;
  readonly #digest: Digest;
  readonly #stat: BlobStat;
  readonly #contents: MemoryContents;
  readonly #misses: Misses | undefined;

  constructor(digest: Digest, stat: BlobStat, contents: MemoryContents, misses?: Misses) {
    this.size = stat.size;
    this.#digest = digest;
    this.#stat = stat;
    this.#contents = contents;
    this.#misses = misses;
  }

  read(offset: number, length: number, sink: ByteSink): number {
    const end = offset + length;
    let status = 0;
    let begin = 0;
    for (const { digest, size } of this.#stat.chunks) {
      const from = Math.max(offset - begin, 0);
      const to = Math.min(end - begin, size);
      if (from < to) {
        const chunk = this.#contents.chunks.get(digest.key);
        if (chunk === undefined) status = this.#missing(digest);
        else if (status === 0) status = sink.append(chunk, from, to - from);
        if (status < 0 && status !== MISSING) return status;
      }
      begin += size;
    }
    return status;
  }

  #missing(chunk: Digest): number {
    if (this.#misses === undefined) return -EIO;
    this.#misses.add("chunk", chunk.bytes, 0, false, this.#digest.bytes);
    return MISSING;
  }
}

/** The device thread's view of a store in memory, within one thread. */
import { EIO } from "../base/errno.ts";
import type { ByteSink } from "../base/segments.ts";
import { blake3Matches } from "../castore/blake3.ts";
import { Digest, digestKey } from "../castore/digest.ts";
import { CorruptObject } from "./errors.ts";
import type { BlobReader, LocalReader, RootSource } from "./local-reader.ts";
import type { MemoryContents } from "./memory-contents.ts";
import { nameKey } from "./memory-contents.ts";

export class MemoryReader implements LocalReader {
  readonly #contents: MemoryContents;

  constructor(contents: MemoryContents) {
    this.#contents = contents;
  }

  directory(bytes: Uint8Array, start: number): Uint8Array | undefined {
    const encoded = this.#contents.directories.get(digestKey(bytes, start));
    if (encoded === undefined || blake3Matches(encoded, bytes, start)) return encoded;
    throw new CorruptObject("directory", Digest.at(bytes, start));
  }

  blob(bytes: Uint8Array, start: number): BlobReader | undefined {
    const stat = this.#contents.stat(Digest.at(bytes, start));
    if (stat === undefined) return undefined;
    const chunks = stat.chunks.map(({ digest }) => this.#contents.chunks.get(digest.key));
    return new MemoryBlob(stat.size, chunks);
  }

  roots(): RootSource {
    return {
      get: (name) => this.#contents.roots.get(nameKey(name)),
      list: () => this.#contents.rootNames(),
    };
  }

  [Symbol.dispose](): void {}
}

class MemoryBlob implements BlobReader {
  readonly size: number;
  readonly #chunks: readonly (Uint8Array | undefined)[];

  constructor(size: number, chunks: readonly (Uint8Array | undefined)[]) {
    this.size = size;
    this.#chunks = chunks;
  }

  read(offset: number, length: number, sink: ByteSink): number {
    const end = offset + length;
    let begin = 0;
    for (const chunk of this.#chunks) {
      if (begin >= end) return 0;
      if (chunk === undefined) return -EIO;
      const from = Math.max(offset - begin, 0);
      const to = Math.min(end - begin, chunk.length);
      if (from < to) {
        const result = sink.append(chunk, from, to - from);
        if (result !== 0) return result;
      }
      begin += chunk.length;
    }
    return 0;
  }
}

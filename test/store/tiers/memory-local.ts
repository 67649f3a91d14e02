/** A local store in memory, as a fetcher sees and fills it. */
import { blake3 } from "../../../src/castore/blake3.ts";
import type { Digest } from "../../../src/castore/digest.ts";
import type { Directory } from "../../../src/castore/directory.ts";
import { decodeDirectory } from "../../../src/castore/proto.ts";
import { CorruptObject, MissingObject } from "../../../src/store/errors.ts";
import { CHUNK_BYTES_MAX } from "../../../src/store/fastcdc.ts";
import type { BlobStat, Chunk } from "../../../src/store/services.ts";
import type { FillOptions, StoreFiller } from "../../../src/store/store-filler.ts";
import type { LocalBlob, LocalObjects } from "../../../src/store/tiers/local-objects.ts";

export class MemoryLocal implements LocalObjects, StoreFiller {
  readonly chunks = new Map<string, Uint8Array>();
  readonly blobs = new Map<string, LocalBlob>();
  readonly directories = new Map<string, Uint8Array>();
  /** Thrown by every put. */
  failure: Error | undefined;
  /** How often each chunk was put. */
  readonly puts = new Map<string, number>();

  chunkSize(digest: Digest): number | undefined {
    return this.chunks.get(digest.key)?.length;
  }

  blob(digest: Digest): LocalBlob | undefined {
    return this.blobs.get(digest.key);
  }

  directoryBytes(digest: Digest): number | undefined {
    return this.directories.get(digest.key)?.length;
  }

  directory(digest: Digest): Directory | undefined {
    const encoded = this.directories.get(digest.key);
    return encoded && decodeDirectory(encoded);
  }

  readChunk({ digest, size }: Chunk): Uint8Array | undefined {
    const bytes = this.chunks.get(digest.key);
    if (bytes === undefined) return undefined;
    if (bytes.length !== size || !blake3(bytes).equals(digest)) {
      throw new CorruptObject("chunk", digest);
    }
    return bytes;
  }

  /** All bytes of a blob; undefined when it is not whole. */
  read(digest: Digest): Buffer | undefined {
    const chunk = this.chunks.get(digest.key);
    if (chunk !== undefined) return Buffer.from(chunk);
    const blob = this.blobs.get(digest.key);
    if (blob?.whole !== true) return undefined;
    return Buffer.concat(blob.chunks.map((part) => this.chunks.get(part.digest.key)!));
  }

  async putChunk({ digest, size }: Chunk, bytes: Uint8Array, options?: FillOptions): Promise<void> {
    if (bytes.length !== size || size > CHUNK_BYTES_MAX || !blake3(bytes).equals(digest)) {
      throw new CorruptObject("chunk", digest);
    }
    await this.#turn();
    this.puts.set(digest.key, (this.puts.get(digest.key) ?? 0) + 1);
    if (options?.replace || !this.chunks.has(digest.key)) {
      this.chunks.set(digest.key, new Uint8Array(bytes));
    }
  }

  async putBlob(
    digest: Digest,
    { size, chunks }: BlobStat,
    whole: boolean,
    options?: FillOptions,
  ): Promise<void> {
    await this.#turn();
    const missing = chunks.find((chunk) => this.chunkSize(chunk.digest) !== chunk.size);
    if (whole && missing !== undefined) throw new MissingObject("chunk", missing.digest);
    if (chunks.length === 1) return;
    const before = this.blobs.get(digest.key);
    if (options?.replace || before === undefined || (whole && !before.whole)) {
      this.blobs.set(digest.key, { size, chunks: [...chunks], whole });
    }
  }

  async dropBlob(digest: Digest): Promise<void> {
    await this.#turn();
    if (this.blobs.get(digest.key)?.whole === false) this.blobs.delete(digest.key);
  }

  async putDirectory(digest: Digest, encoded: Uint8Array, options?: FillOptions): Promise<void> {
    if (!blake3(encoded).equals(digest)) throw new CorruptObject("directory", digest);
    await this.#turn();
    if (options?.replace || !this.directories.has(digest.key)) {
      this.directories.set(digest.key, new Uint8Array(encoded));
    }
  }

  [Symbol.dispose](): void {}

  async #turn(): Promise<void> {
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
  }
}

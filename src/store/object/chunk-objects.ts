/** Chunks as objects: compressed there, and verified here. */
import { blake3Matches } from "../../castore/blake3.ts";
import type { Digest } from "../../castore/digest.ts";
import type { Chunk, RequestOptions } from "../services.ts";
import { asCorruptObject, BadContents } from "./bad-contents.ts";
import type { BoundedObjects } from "./bounded-objects.ts";
import { compress, decompress } from "./compression.ts";
import type { ObjectFolder } from "./object-keys.ts";
import { objectKey } from "./object-keys.ts";

/** Bytes of a chunk that somebody else has cut: the largest that snix can be told to make. */
export const FOREIGN_CHUNK_BYTES_MAX = 4 * 1024 * 1024;
/** What compressing adds to bytes that cannot be compressed: less than this, and a 256th of them. */
const FRAME_BYTES = 64 * 1024;

type ChunkFolder = Extract<ObjectFolder, "chunks" | "chunk">;

export class ChunkObjects {
  readonly #objects: BoundedObjects;
  /** Where the last chunk was that was found. */
  #folder: ChunkFolder = "chunks";

  constructor(objects: BoundedObjects) {
    this.#objects = objects;
  }

  /**
   * The verified bytes of a chunk, wherever it may lie; they are the caller's.
   * @throws CorruptObject, SourceUnavailable
   */
  async get(
    digest: Digest,
    size?: number,
    options?: RequestOptions,
  ): Promise<Uint8Array | undefined> {
    return (
      (await this.getLikely(digest, size, options)) ??
      (await this.getUnlikely(digest, size, options))
    );
  }

  /** The same, but looks only where chunks of this store have been found so far: one request. */
  async getLikely(
    digest: Digest,
    size?: number,
    options?: RequestOptions,
  ): Promise<Uint8Array | undefined> {
    return await this.#get(this.#folder, digest, size, options);
  }

  /** The same, but looks only where `getLikely` does not. */
  async getUnlikely(
    digest: Digest,
    size?: number,
    options?: RequestOptions,
  ): Promise<Uint8Array | undefined> {
    const other = this.#folder === "chunks" ? "chunk" : "chunks";
    const bytes = await this.#get(other, digest, size, options);
    if (bytes !== undefined) this.#folder = other;
    return bytes;
  }

  /** Stores a chunk unless it is there. */
  async put({ digest }: Chunk, bytes: Uint8Array): Promise<void> {
    const key = objectKey("chunks", digest);
    if (await this.#objects.has(key)) return;
    await this.#objects.put(key, await compress(bytes));
  }

  async #get(
    folder: ChunkFolder,
    digest: Digest,
    size: number | undefined,
    options: RequestOptions | undefined,
  ): Promise<Uint8Array | undefined> {
    const key = objectKey(folder, digest);
    const bytesMax = size ?? FOREIGN_CHUNK_BYTES_MAX;
    const frameMax = bytesMax + (bytesMax >>> 8) + FRAME_BYTES;
    try {
      const frame = await this.#objects.read(key, frameMax, options);
      if (frame === undefined) return undefined;
      const bytes = await decompress(frame, bytesMax);
      if (size !== undefined && bytes.length !== size) throw new BadContents("has another length");
      if (!blake3Matches(bytes, digest.bytes, 0)) throw new BadContents("has another digest");
      return bytes;
    } catch (error) {
      throw asCorruptObject(error, "chunk", digest, this.#objects.address(key));
    }
  }
}

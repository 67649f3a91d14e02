/** Blobs in object storage: lists of chunks, and chunks. */
import { blake3 } from "../../castore/blake3.ts";
import type { Digest } from "../../castore/digest.ts";
import { type ChunkPart, ChunkRanges } from "../chunk-ranges.ts";
import { CountedBlobs } from "../counted-blobs.ts";
import { MissingObject } from "../errors.ts";
import { Permits } from "../permits.ts";
import { provenBytes } from "../proven-bytes.ts";
import type { BlobService, BlobStat, ByteRange, Chunk, RequestOptions } from "../services.ts";
import { asCorruptObject } from "./bad-contents.ts";
import { BlobUpload } from "./blob-upload.ts";
import type { BoundedObjects } from "./bounded-objects.ts";
import { decodeList, LIST_BYTES_MAX } from "./chunk-list-object.ts";
import { ChunkObjects } from "./chunk-objects.ts";
import { objectKey } from "./object-keys.ts";
import { readAhead } from "./read-ahead.ts";

/** Bytes of chunks that one reader has fetched or asked for and not taken. */
export const READ_AHEAD_BYTES = 8 * 1024 * 1024;
/** Chunks that are being compressed and uploaded at a time, of all blobs. */
export const UPLOADS_MAX = 16;

const NOTHING = new Uint8Array(0);
const EMPTY_BLOB = blake3(NOTHING);

/** A blob as it was found: the bytes of its one chunk, or its list of several. */
type FoundBlob = Uint8Array | readonly Chunk[];

/**
 * Most blobs are one chunk, and how large that is nobody has written down: so a chunk of that digest
 * is asked for before a list is. One request finds a small blob or a chunk, two find a large blob.
 */
export class ObjectBlobs implements BlobService {
  readonly #objects: BoundedObjects;
  readonly #chunks: ChunkObjects;
  readonly #uploads = new Permits(UPLOADS_MAX);
  /** Who asks how large a blob is reads it next. */
  readonly #counted = new CountedBlobs();

  constructor(objects: BoundedObjects) {
    this.#objects = objects;
    this.#chunks = new ChunkObjects(objects);
  }

  async stat(digest: Digest, options?: RequestOptions): Promise<BlobStat | undefined> {
    const found = await this.#find(digest, options);
    if (found === undefined) return undefined;
    if (!(found instanceof Uint8Array)) {
      return { size: new ChunkRanges(found).size, chunks: found };
    }
    this.#counted.put(digest, found);
    return { size: found.length, chunks: [{ digest, size: found.length }] };
  }

  async *read(
    digest: Digest,
    range: ByteRange = {},
    options?: RequestOptions,
  ): AsyncGenerator<Uint8Array> {
    const found = this.#counted.take(digest) ?? (await this.#find(digest, options));
    if (found === undefined) throw new MissingObject("blob", digest);
    if (found instanceof Uint8Array) {
      const begin = range.offset ?? 0;
      const bytes = found.subarray(begin, begin + (range.length ?? found.length));
      if (bytes.length > 0) yield bytes;
      return;
    }
    const ranges = new ChunkRanges(found);
    const pieces = this.#readChunks(ranges, range, options);
    const { size } = ranges;
    const whole = (range.offset ?? 0) === 0 && (range.length ?? size) >= size;
    // The list is only what somebody says until all chunks of it were hashed.
    yield* whole ? provenBytes(digest, size, pieces, { begin: 0, end: size }) : pieces;
  }

  async put(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<BlobStat & Chunk> {
    const upload = new BlobUpload(this.#objects, this.#chunks, this.#uploads);
    return await upload.run(pieces);
  }

  async #find(digest: Digest, options: RequestOptions | undefined): Promise<FoundBlob | undefined> {
    if (digest.equals(EMPTY_BLOB)) return NOTHING;
    const bytes = await this.#chunks.getLikely(digest, undefined, options);
    if (bytes !== undefined) return bytes;
    const list = await this.#list(digest, options);
    if (list !== undefined && list.length > 1) return list;
    return await this.#chunks.getUnlikely(digest, undefined, options);
  }

  /** Undefined: there is no list. Empty: there is, and the blob is one chunk. */
  async #list(digest: Digest, options?: RequestOptions): Promise<readonly Chunk[] | undefined> {
    const key = objectKey("blobs", digest);
    try {
      const message = await this.#objects.read(key, LIST_BYTES_MAX, options);
      return message && decodeList(digest, message);
    } catch (error) {
      throw asCorruptObject(error, "list of the blob", digest, this.#objects.address(key));
    }
  }

  #readChunks(
    ranges: ChunkRanges,
    range: ByteRange,
    options: RequestOptions | undefined,
  ): AsyncGenerator<Uint8Array> {
    const fetch = async ({ chunk, begin, end }: ChunkPart, signal: AbortSignal) => {
      const bytes = await this.#chunks.get(chunk.digest, chunk.size, { signal });
      if (bytes === undefined) throw new MissingObject("chunk", chunk.digest);
      return bytes.subarray(begin, end);
    };
    return readAhead(ranges.parts(range), fetch, READ_AHEAD_BYTES, options?.signal);
  }
}

/** The BlobService of a gRPC server. */
import { createHasher } from "../../castore/blake3.ts";
import type { Digest } from "../../castore/digest.ts";
import {
  decodeBlobChunk,
  decodeDigestMessage,
  decodeStatBlobResponse,
  encodeBlobChunk,
  encodeDigestMessage,
  encodeStatBlobRequest,
  InvalidMessage,
} from "../../castore/rpc-proto.ts";
import { COUNTED_BLOB_BYTES_MAX, CountedBlobs } from "../counted-blobs.ts";
import { CorruptObject, MissingObject, SourceUnavailable } from "../errors.ts";
import { provenBytes, type Window } from "../proven-bytes.ts";
import { RecentSizes } from "../recent-sizes.ts";
import type { BlobService, BlobStat, ByteRange, Chunk, RequestOptions } from "../services.ts";
import { BLOB_SIZE_HEADER, PIECE_BYTES_MAX } from "./castore-rpc.ts";
import type { GrpcChannel, UnaryAnswer, Upload } from "./grpc-channel.ts";
import { isNotFound, sourceFailure } from "./rpc-failure.ts";
import { ServiceCalls } from "./service-calls.ts";

/**
 * Reads whole blobs in one stream, and ranges chunk by chunk where the server tells of chunks; it
 * has no call for a range, so that a range of a blob that is not split costs the blob. Everything
 * is compared with its digest.
 */
export class GrpcBlobs implements BlobService {
  readonly #source: string;
  readonly #calls: ServiceCalls;
  /** What the server said of blobs and chunks. */
  readonly #sizes = new RecentSizes();
  readonly #counted = new CountedBlobs();

  constructor(channel: GrpcChannel) {
    this.#source = channel.name;
    this.#calls = new ServiceCalls(channel, "BlobService");
  }

  async stat(digest: Digest, options: RequestOptions = {}): Promise<BlobStat | undefined> {
    let answer: UnaryAnswer;
    try {
      answer = await this.#calls.unary("Stat", encodeStatBlobRequest(digest, true), options);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw this.#failure(error, digest);
    }
    const chunks = this.#decoded(() => decodeStatBlobResponse(answer.message));
    const stat = chunks.length > 0 ? listed(digest, chunks) : undefined;
    if (stat !== undefined) {
      for (const chunk of stat.chunks) this.#sizes.putBlob(chunk.digest, chunk.size);
      this.#sizes.putBlob(digest, stat.size);
      return stat;
    }
    const said = headerSize(answer) ?? this.#sizes.blob(digest);
    const size = said ?? (await this.#count(digest, options));
    if (size === undefined) return undefined;
    this.#sizes.putBlob(digest, size);
    return { size, chunks: [{ digest, size }] };
  }

  async *read(
    digest: Digest,
    range: ByteRange = {},
    options: RequestOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const begin = range.offset ?? 0;
    const end = begin + (range.length ?? Number.MAX_SAFE_INTEGER - begin);
    const size = this.#sizes.blob(digest);
    const whole = begin === 0 && end >= (size ?? Number.MAX_SAFE_INTEGER);
    if (whole || (size !== undefined && size <= PIECE_BYTES_MAX)) {
      yield* this.#readWhole(digest, size, { begin, end }, options);
      return;
    }
    const stat = await this.stat(digest, options);
    if (stat === undefined) throw new MissingObject("blob", digest);
    if (begin === end) return;
    let at = 0;
    for (const chunk of stat.chunks) {
      const window = { begin: begin - at, end: end - at };
      at += chunk.size;
      if (window.end <= 0) return;
      if (window.begin >= chunk.size) continue;
      yield* this.#readWhole(chunk.digest, chunk.size, window, options);
    }
  }

  async put(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<BlobStat & Chunk> {
    const hasher = createHasher();
    let size = 0;
    let upload: Upload | undefined;
    let answer: Uint8Array;
    try {
      upload = await this.#calls.upload("Put");
      for await (const piece of pieces) {
        hasher.update(piece);
        size += piece.length;
        for (let at = 0; at < piece.length; at += PIECE_BYTES_MAX) {
          await upload.send(encodeBlobChunk(piece.subarray(at, at + PIECE_BYTES_MAX)));
        }
      }
      answer = await upload.finish();
    } catch (error) {
      upload?.cancel();
      this.#calls.uploadFailed(error);
      throw this.#failure(error);
    }
    const digest = hasher.digest();
    const stored = this.#decoded(() => decodeDigestMessage(answer));
    if (!digest.equalsAt(stored, 0) || stored.length !== digest.bytes.length) {
      throw this.#nonsense(`it stored something else than the blob ${digest}`);
    }
    this.#sizes.putBlob(digest, size);
    const stat = await this.stat(digest);
    if (stat === undefined) throw this.#nonsense(`it lacks the blob ${digest}, just stored`);
    return { digest, ...stat };
  }

  /** The blob or chunk in one stream. */
  async *#readWhole(
    digest: Digest,
    size: number | undefined,
    window: Window,
    { signal }: RequestOptions,
  ): AsyncGenerator<Uint8Array> {
    const counted = this.#counted.take(digest);
    if (counted !== undefined) {
      const part = counted.subarray(Math.max(0, window.begin), Math.max(0, window.end));
      if (part.length > 0) yield part;
      return;
    }
    const messages = this.#calls.serverStream("Read", encodeDigestMessage(digest), { signal });
    try {
      yield* provenBytes(digest, size, this.#pieces(messages), window);
    } catch (error) {
      if (isNotFound(error)) throw new MissingObject("blob", digest, { cause: error });
      throw this.#failure(error, digest);
    }
  }

  /** Bytes of a blob of which the server only says that it is there. */
  async #count(digest: Digest, options: RequestOptions): Promise<number | undefined> {
    const window = { begin: 0, end: Number.MAX_SAFE_INTEGER };
    const kept: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const piece of this.#readWhole(digest, undefined, window, options)) {
        size += piece.length;
        if (size <= COUNTED_BLOB_BYTES_MAX) kept.push(piece);
        else kept.length = 0;
      }
    } catch (error) {
      // It was there a moment ago; a source may lose what it had.
      if (error instanceof MissingObject) return undefined;
      throw error;
    }
    if (size <= COUNTED_BLOB_BYTES_MAX) this.#counted.put(digest, Buffer.concat(kept));
    return size;
  }

  async *#pieces(messages: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const message of messages) yield this.#decoded(() => decodeBlobChunk(message));
  }

  #decoded<Result>(decode: () => Result): Result {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof InvalidMessage)) throw error;
      throw this.#nonsense(error.message, error);
    }
  }

  #failure(error: unknown, digest?: Digest): unknown {
    return sourceFailure(this.#source, error, digest && { what: "blob", digest });
  }

  #nonsense(fault: string, cause?: unknown): SourceUnavailable {
    return new SourceUnavailable(`${this.#source} makes no sense: ${fault}`, { cause });
  }
}

/**
 * A list of chunks that can be one of that blob.
 * @throws CorruptObject
 */
function listed(digest: Digest, chunks: readonly Chunk[]): BlobStat {
  let size = 0;
  for (const chunk of chunks) {
    if (chunk.size === 0 && chunks.length > 1) throw new CorruptObject("list of the blob", digest);
    size += chunk.size;
  }
  const sound =
    Number.isSafeInteger(size) && (chunks.length > 1 || chunks[0]!.digest.equals(digest));
  if (!sound) throw new CorruptObject("list of the blob", digest);
  return { size, chunks };
}

/** What our own server says of a blob's size. */
function headerSize(answer: UnaryAnswer): number | undefined {
  const text = answer.header(BLOB_SIZE_HEADER) ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

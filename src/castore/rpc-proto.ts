/**
 * The messages of castore's gRPC services that are not part of the data model: nothing is ever
 * digested of them, so fields that a newer peer adds are passed over, unlike in `proto.ts`.
 *
 *     message StatBlobRequest { bytes digest = 1; bool send_chunks = 2; bool send_bao = 3; }
 *     message StatBlobResponse { repeated ChunkMeta chunks = 2; bytes bao = 3;
 *                                message ChunkMeta { bytes digest = 1; uint64 size = 2; } }
 *     message ReadBlobRequest { bytes digest = 1; }
 *     message BlobChunk { bytes data = 1; }
 *     message PutBlobResponse { bytes digest = 1; }
 *     message GetDirectoryRequest { oneof by_what { bytes digest = 1; } bool recursive = 2; }
 *     message PutDirectoryResponse { bytes root_digest = 1; }
 */
import { Reader, Writer } from "protobufjs/minimal.js";
import { DIGEST_BYTES, Digest } from "./digest.ts";
import { CastoreError } from "./errors.ts";

/** Bytes that are not the encoding of the message that was expected. */
export class InvalidMessage extends CastoreError {
  override readonly name = "InvalidMessage";
}

/** Digests in requests are raw: whether there are 32 bytes of them is for who answers to say. */
export interface StatBlobRequest {
  readonly digest: Uint8Array;
  readonly sendChunks: boolean;
}

export interface GetDirectoryRequest {
  /** Undefined: the request does not say what it wants. */
  readonly digest: Uint8Array | undefined;
  readonly recursive: boolean;
}

/** A piece of a blob, as `StatBlobResponse` lists them. */
export interface ChunkMeta {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

const NOTHING = new Uint8Array(0);
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

export function encodeStatBlobRequest(digest: Digest, sendChunks: boolean): Uint8Array {
  const writer = Writer.create();
  writer.uint32((1 << 3) | BYTES).bytes(digest.bytes);
  if (sendChunks) writer.uint32((2 << 3) | VARINT).bool(true);
  return writer.finish();
}

/** @throws InvalidMessage */
export function decodeStatBlobRequest(bytes: Uint8Array): StatBlobRequest {
  let digest: Uint8Array = NOTHING;
  let sendChunks = false;
  readFields("StatBlobRequest", bytes, {
    1: bytesField((value) => {
      digest = value;
    }),
    2: boolField((value) => {
      sendChunks = value;
    }),
    3: boolField(() => {}),
  });
  return { digest, sendChunks };
}

/** No chunks: the blob is there, and is not split. */
export function encodeStatBlobResponse(chunks: readonly ChunkMeta[]): Uint8Array {
  const writer = Writer.create();
  for (const { digest, size } of chunks) {
    writer.uint32((2 << 3) | BYTES).fork();
    writer.uint32((1 << 3) | BYTES).bytes(digest.bytes);
    if (size > 0) writer.uint32((2 << 3) | VARINT).uint64(size);
    writer.ldelim();
  }
  return writer.finish();
}

/** @throws InvalidMessage */
export function decodeStatBlobResponse(bytes: Uint8Array): ChunkMeta[] {
  const chunks: ChunkMeta[] = [];
  readFields("StatBlobResponse", bytes, {
    2: bytesField((value) => {
      chunks.push(decodeChunkMeta(value));
    }),
    3: bytesField(() => {}),
  });
  return chunks;
}

/** `ReadBlobRequest`, `PutBlobResponse` and `PutDirectoryResponse`: a digest is all there is. */
export function encodeDigestMessage(digest: Digest): Uint8Array {
  return Writer.create()
    .uint32((1 << 3) | BYTES)
    .bytes(digest.bytes)
    .finish();
}

/**
 * The bytes of the digest, however many.
 * @throws InvalidMessage
 */
export function decodeDigestMessage(bytes: Uint8Array): Uint8Array {
  return decodeSingleField("a message with a digest", bytes);
}

/** Copies `data`. */
export function encodeBlobChunk(data: Uint8Array): Uint8Array {
  const writer = Writer.create();
  if (data.length > 0) writer.uint32((1 << 3) | BYTES).bytes(data);
  return writer.finish();
}

/** Room that any `BlobChunk` takes beside its data. */
export const BLOB_CHUNK_OVERHEAD = 6;

/** The same at the beginning of `target`, which has the room; returns how many bytes it takes. */
export function encodeBlobChunkInto(data: Uint8Array, target: Uint8Array): number {
  if (data.length === 0) return 0;
  let at = 0;
  target[at++] = (1 << 3) | BYTES;
  let length = data.length;
  for (; length > 0x7f; length >>>= 7) target[at++] = (length & 0x7f) | 0x80;
  target[at++] = length;
  target.set(data, at);
  return at + data.length;
}

/**
 * A view of the data in `bytes`.
 * @throws InvalidMessage
 */
export function decodeBlobChunk(bytes: Uint8Array): Uint8Array {
  return decodeSingleField("BlobChunk", bytes);
}

export function encodeGetDirectoryRequest(digest: Digest, recursive: boolean): Uint8Array {
  const writer = Writer.create();
  writer.uint32((1 << 3) | BYTES).bytes(digest.bytes);
  if (recursive) writer.uint32((2 << 3) | VARINT).bool(true);
  return writer.finish();
}

/** @throws InvalidMessage */
export function decodeGetDirectoryRequest(bytes: Uint8Array): GetDirectoryRequest {
  let digest: Uint8Array | undefined;
  let recursive = false;
  readFields("GetDirectoryRequest", bytes, {
    1: bytesField((value) => {
      digest = value;
    }),
    2: boolField((value) => {
      recursive = value;
    }),
  });
  return { digest, recursive };
}

function decodeChunkMeta(bytes: Uint8Array): ChunkMeta {
  let digest: Uint8Array = NOTHING;
  let size = 0;
  readFields("ChunkMeta", bytes, {
    1: bytesField((value) => {
      digest = value;
    }),
    2: {
      wireType: VARINT,
      read(reader) {
        size = readSize(reader);
      },
    },
  });
  if (digest.length !== DIGEST_BYTES) {
    throw new InvalidMessage(`ChunkMeta: the digest has ${digest.length} bytes`);
  }
  return { digest: Digest.from(digest), size };
}

function decodeSingleField(what: string, bytes: Uint8Array): Uint8Array {
  let field: Uint8Array = NOTHING;
  readFields(what, bytes, {
    1: bytesField((value) => {
      field = value;
    }),
  });
  return field;
}

interface FieldReader {
  readonly wireType: number;
  /** Takes the field's value. Of a field that is there twice the last counts. */
  read(reader: Reader): void;
}

function bytesField(take: (value: Uint8Array) => void): FieldReader {
  return { wireType: BYTES, read: (reader) => take(reader.bytes()) };
}

function boolField(take: (value: boolean) => void): FieldReader {
  return { wireType: VARINT, read: (reader) => take(reader.bool()) };
}

/** Reads the fields that have a reader, and passes over others. Throws only InvalidMessage. */
function readFields(
  what: string,
  bytes: Uint8Array,
  fields: Readonly<Record<number, FieldReader>>,
): void {
  try {
    const reader = Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      const field = fields[tag >>> 3];
      if (field === undefined) skipField(what, reader, tag);
      else if (field.wireType === (tag & 7)) field.read(reader);
      else throw new InvalidMessage(`${what}: field ${tag >>> 3} has another type`);
    }
  } catch (error) {
    if (error instanceof InvalidMessage) throw error;
    // What is left is protobufjs running off the end, or a varint of more than ten bytes.
    throw new InvalidMessage(`${what}: ends inside a field`, { cause: error });
  }
}

/** Groups are refused: nobody has sent one in this millennium, and they nest. */
function skipField(what: string, reader: Reader, tag: number): void {
  const wireType = tag & 7;
  const known = [VARINT, FIXED64, BYTES, FIXED32].includes(wireType);
  if (!known || tag >>> 3 === 0) throw new InvalidMessage(`${what}: is not a message`);
  reader.skipType(wireType);
}

/** protobufjs gives a number, or a Long where that package is there. */
function readSize(reader: Reader): number {
  const value: number | { toString(): string } = reader.uint64();
  const size = typeof value === "number" ? value : Number(value.toString());
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new InvalidMessage("ChunkMeta: the size is not a whole number below 2^53");
  }
  return size;
}

/** BlobService, served from a store. */
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import { Digest } from "../../castore/digest.ts";
import {
  BLOB_CHUNK_OVERHEAD,
  decodeBlobChunk,
  decodeDigestMessage,
  decodeStatBlobRequest,
  encodeBlobChunkInto,
  encodeDigestMessage,
  encodeStatBlobResponse,
} from "../../castore/rpc-proto.ts";
import { Chunker, chunkWhole } from "../chunker.ts";
import { MissingObject } from "../errors.ts";
import type { BlobService, BlobStat, Chunk } from "../services.ts";
import type { CallHandlers } from "./call-handler.ts";
import { BLOB_SIZE_HEADER, PIECE_BYTES_MAX } from "./castore-rpc.ts";
import type { ReceiveUpload } from "./receive-upload.ts";
import { RpcFailure } from "./rpc-failure.ts";
import type { WriterShare } from "./shared-writer.ts";

export function blobHandlers(
  handlers: CallHandlers,
  blobs: BlobService,
  receive: ReceiveUpload,
): UntypedServiceImplementation {
  return {
    Stat: handlers.unary("BlobService.Stat", async (message, signal, fields) => {
      const request = decodeStatBlobRequest(message);
      const digest = requestedDigest(request.digest);
      fields["digest"] = digest.toString();
      const stat = await blobs.stat(digest, { signal });
      if (stat === undefined) throw new MissingObject("blob", digest);
      const split = request.sendChunks && stat.chunks.length > 1;
      return {
        message: encodeStatBlobResponse(split ? stat.chunks : []),
        headers: { [BLOB_SIZE_HEADER]: String(stat.size) },
      };
    }),

    Read: handlers.serverStream("BlobService.Read", async (message, sender, signal, fields) => {
      const digest = requestedDigest(decodeDigestMessage(message));
      fields["digest"] = digest.toString();
      let bytes = 0;
      for await (const piece of blobs.read(digest, {}, { signal })) {
        for (let at = 0; at < piece.length; at += PIECE_BYTES_MAX) {
          await sender.sendBorrowed(piece.subarray(at, at + PIECE_BYTES_MAX));
        }
        bytes += piece.length;
        fields["bytes"] = bytes;
      }
    }),

    Put: handlers.upload("BlobService.Put", async (call, signal, fields) => {
      const { digest, size } = await receive(call, signal, async (messages, writer) => {
        const blob = await chunked(messages, writer);
        writer.endBlob(blob);
        await writer.commit();
        return blob;
      });
      fields["digest"] = digest.toString();
      fields["bytes"] = size;
      return { message: encodeDigestMessage(digest) };
    }),
  };
}

const scratch = Buffer.alloc(PIECE_BYTES_MAX + BLOB_CHUNK_OVERHEAD);

/**
 * The message with a piece of a blob, in the one place that there is for it: grpc-js copies it
 * before it asks for the next.
 */
export function serializePiece(piece: Uint8Array): Buffer {
  return scratch.subarray(0, encodeBlobChunkInto(piece, scratch));
}

/** @throws RpcFailure with the status that the reference has for it. */
export function requestedDigest(bytes: Uint8Array): Digest {
  if (bytes.length === 32) return Digest.from(bytes);
  throw new RpcFailure(status.INVALID_ARGUMENT, `invalid digest length: ${bytes.length}`);
}

async function chunked(
  messages: AsyncIterable<Uint8Array>,
  writer: WriterShare,
): Promise<BlobStat & Chunk> {
  const put = (chunk: Chunk, bytes: Uint8Array) => writer.putChunk(chunk, bytes);
  let chunker: Chunker | undefined;
  // Most blobs are one small message: they need no buffer.
  let first: Uint8Array | undefined;
  for await (const message of messages) {
    const piece = decodeBlobChunk(message);
    if (chunker === undefined && first === undefined) {
      first = piece;
      continue;
    }
    chunker ??= new Chunker(put);
    if (first !== undefined) chunker.write(first);
    first = undefined;
    chunker.write(piece);
  }
  return chunker === undefined ? chunkWhole(first ?? new Uint8Array(0), put) : chunker.end();
}

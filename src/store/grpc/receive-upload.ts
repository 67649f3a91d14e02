/** Receives streams to the server, some at a time, with the right to write. */
import { type ServerReadableStream, status } from "@grpc/grpc-js";
import { Permits } from "../permits.ts";
import { receivedMessages, SILENCE_MILLISECONDS_MAX } from "./received-messages.ts";
import { RpcFailure } from "./rpc-failure.ts";
import type { SharedWriter, WriterShare } from "./shared-writer.ts";

/** Uploads at a time; others wait, and nothing is read from them. */
export const UPLOADS_MAX = 64;

export type ReceiveUpload = <Result>(
  call: ServerReadableStream<Buffer, Buffer>,
  signal: AbortSignal,
  step: (messages: AsyncIterable<Uint8Array>, writer: WriterShare) => Promise<Result>,
) => Promise<Result>;

/** Bytes of one upload: nobody may fill the disk with a stream that never ends. */
export const UPLOAD_BYTES_MAX = 256 * 1024 * 1024 * 1024;

export interface UploadLimits {
  readonly uploadsMax?: number;
  readonly uploadBytesMax?: number;
  readonly silenceMillisecondsMax?: number;
}

/** `writer` is undefined where nothing may be written. */
export function receiveUploads(
  writer: SharedWriter | undefined,
  limits: UploadLimits = {},
): ReceiveUpload {
  const { uploadsMax = UPLOADS_MAX, uploadBytesMax = UPLOAD_BYTES_MAX } = limits;
  const { silenceMillisecondsMax = SILENCE_MILLISECONDS_MAX } = limits;
  const permits = new Permits(uploadsMax);
  return async (call, signal, step) => {
    if (writer === undefined) {
      throw new RpcFailure(status.PERMISSION_DENIED, "this server is read-only");
    }
    return await permits.run(signal, () =>
      writer.use((share) => {
        const messages = receivedMessages(call, silenceMillisecondsMax);
        return step(limited(messages, uploadBytesMax), share);
      }),
    );
  };
}

async function* limited(
  messages: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const message of messages) {
    bytes += message.length;
    if (bytes > bytesMax) {
      throw new RpcFailure(status.RESOURCE_EXHAUSTED, `more than ${bytesMax} bytes in one upload`);
    }
    yield message;
  }
}

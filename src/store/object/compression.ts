/** zstd as objects are stored with it: one frame, and a bound to what may come out of it. */
import { pipeline, Readable } from "node:stream";
import { pipeline as allOf } from "node:stream/promises";
import { promisify } from "node:util";
import {
  constants,
  createZstdCompress,
  createZstdDecompress,
  zstdCompress,
  zstdDecompress,
} from "node:zlib";
import { BadContents } from "./bad-contents.ts";

/**
 * Logarithm of how far back a frame may refer, which is how much memory reading it takes: 8 MiB.
 * Writers that go by the default of zstd make it 2 MiB.
 */
const WINDOW_LOG_MAX = 23;
/** Of a frame that does not say how much is in it: what is set aside for each byte of it. */
const LIKELY_RATIO = 4;
const BUFFER_BYTES_MIN = 16 * 1024;
/** When a buffer of `node:zlib` is not filled to its end there will be no other. */
const SPARE_BYTES = 64;

const DECODING = { params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX } };

const compressWhole = promisify(zstdCompress);
const decompressWhole = promisify(zstdDecompress);

export async function compress(bytes: Uint8Array): Promise<Uint8Array> {
  // What cannot be compressed becomes longer by a 256th at the most.
  const chunkSize = bytes.length + (bytes.length >>> 8) + SPARE_BYTES;
  return await compressWhole(bytes, { pledgedSrcSize: bytes.length, chunkSize });
}

/** All of `pieces` as one frame. */
export async function compressAll(pieces: Iterable<Uint8Array>): Promise<Uint8Array> {
  const compressed: Uint8Array[] = [];
  await allOf(pieces, createZstdCompress(), async (frame: AsyncIterable<Uint8Array>) => {
    for await (const piece of frame) compressed.push(piece);
  });
  return Buffer.concat(compressed);
}

/**
 * At most `bytesMax` bytes, which are the caller's.
 * @throws BadContents: it is not a whole frame, or more is in it.
 */
export async function decompress(frame: Uint8Array, bytesMax: number): Promise<Uint8Array> {
  const likely = Math.max(frame.length * LIKELY_RATIO, BUFFER_BYTES_MIN);
  try {
    return await decompressWhole(frame, {
      ...DECODING,
      chunkSize: Math.min(likely, bytesMax) + SPARE_BYTES,
      maxOutputLength: Math.max(bytesMax, 1),
    });
  } catch (error) {
    throw frameFailure(error);
  }
}

/**
 * The same for frames of any length, as they come in; little more is read than is asked for.
 * @throws BadContents, or what `pieces` throw
 */
export async function* decompressing(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const decoder = createZstdDecompress(DECODING);
  // Whoever reads from the decoder learns of every error.
  pipeline(Readable.from(pieces, { highWaterMark: 1 }), decoder, () => {});
  try {
    yield* decoder;
  } catch (error) {
    throw frameFailure(error);
  }
}

/** Errors of `node:zlib` have codes like no others. */
function frameFailure(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (!/^ZSTD_|^Z_|^ERR_BUFFER_TOO_LARGE$/.test(code)) return error;
  const message =
    code === "ERR_BUFFER_TOO_LARGE" ? "holds too many bytes" : "is no whole zstd frame";
  return new BadContents(message, { cause: error });
}

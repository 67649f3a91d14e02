/** Archives that are compressed: gzip and zstd are decompressed as they come, others are not known. */
import { once } from "node:events";
import { addAbortSignal, Readable } from "node:stream";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { ImportError } from "./errors.ts";

/** What a decompressor gives at once, at the most. */
const PIECE_BYTES_MAX = 256 * 1024;
/** Of a zstd archive: how far back it may refer, 2^27 bytes, which have to be kept in memory. */
const ZSTD_WINDOW_LOG_MAX = 27;

/** Bytes by which compressed data is told. */
const MAGIC_BYTES = 4;

type Decompressor = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>;

interface Format {
  readonly name: string;
  /** Its first bytes, in hexadecimal. */
  readonly magic: RegExp;
  readonly create: () => Decompressor;
}

const FORMATS: readonly Format[] = [
  {
    name: "gzip",
    magic: /^1f8b/,
    create: () => createGunzip({ chunkSize: PIECE_BYTES_MAX }),
  },
  {
    name: "zstd",
    // A frame of data, or one that is to be skipped.
    magic: /^(28b52ffd|5.2a4d18)/,
    create: () =>
      createZstdDecompress({
        chunkSize: PIECE_BYTES_MAX,
        params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
      }),
  },
];

/**
 * What `source` gives, decompressed if its first bytes say that it is compressed. Whether that went
 * well is known when all of it has been read.
 * @throws ImportError when it cannot be decompressed; what `source` throws.
 */
export async function* decompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new Input(source[Symbol.asyncIterator]());
  try {
    const format = await input.format();
    if (format === undefined) {
      for (let piece = await input.next(); piece !== undefined; piece = await input.next()) {
        yield piece;
      }
      return;
    }
    // What follows and is not compressed in the same way is padding, and no concern of ours.
    do yield* decompressOne(input, format);
    while ((await input.format()) === format);
    while ((await input.next()) !== undefined);
  } finally {
    await input.close();
  }
}

/** Makes a source that is a stream end when the signal says so, even while nothing comes. */
export function endWith(source: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): void {
  if (signal !== undefined && source instanceof Readable) addAbortSignal(signal, source);
}

/** As much as the decompressor takes: it may stop at the end of a frame. */
async function* decompressOne(input: Input, format: Format): AsyncGenerator<Uint8Array> {
  const decompressor = format.create();
  const feeding = feed(decompressor, input);
  feeding.catch((error) => decompressor.destroy(error));
  try {
    for await (const piece of decompressor) yield piece as Buffer;
  } catch (cause) {
    if (cause === input.failure) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ImportError(`the archive is compressed with ${format.name}, and damaged: ${why}`, {
      cause,
    });
  } finally {
    decompressor.destroy();
  }
  await feeding;
}

async function feed(decompressor: Decompressor, input: Input): Promise<void> {
  const ended = once(decompressor, "close");
  ended.catch(() => {});
  let given = 0;
  for (let piece = await input.next(); piece !== undefined; piece = await input.next()) {
    const taken = new Promise((resolve) => decompressor.write(piece, resolve));
    given += piece.length;
    // It does not answer when it has come to an end in the middle of the piece.
    await Promise.race([taken, ended]);
    const left = given - decompressor.bytesWritten;
    if (left > 0 || decompressor.destroyed) {
      input.giveBack(piece.subarray(piece.length - left));
      return;
    }
  }
  decompressor.end();
}

/** The pieces of a source, of which a part can be given back. */
class Input {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #returned: Uint8Array | undefined;
  /** What the source threw. */
  failure: unknown;

  constructor(pieces: AsyncIterator<Uint8Array>) {
    this.#pieces = pieces;
  }

  /** Undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    const returned = this.#returned;
    this.#returned = undefined;
    if (returned !== undefined) return returned;
    try {
      const next = await this.#pieces.next();
      return next.done === true ? undefined : next.value;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  giveBack(piece: Uint8Array): void {
    this.#returned = piece;
  }

  /** How what comes next is compressed; undefined: not at all, as far as is known here. */
  async format(): Promise<Format | undefined> {
    let head = Buffer.alloc(0);
    while (head.length < MAGIC_BYTES) {
      const piece = await this.next();
      if (piece === undefined) break;
      head = Buffer.concat([head, piece]);
    }
    this.giveBack(head);
    const magic = head.toString("hex", 0, MAGIC_BYTES);
    return FORMATS.find((format) => format.magic.test(magic));
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}

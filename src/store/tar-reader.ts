/**
 * Reads a tar archive as a stream: ustar, GNU (long names, large sizes) and pax. Written here
 * because names must come through as the bytes they are, which the usual packages do not manage in
 * all these variants.
 */
import { ByteQueue } from "./byte-queue.ts";
import { ImportError } from "./errors.ts";
import {
  isZeroBlock,
  readTarHeader,
  TAR_BLOCK_BYTES,
  type TarHeader,
  tarPadding,
} from "./tar-header.ts";

/** Bytes of a long name or of pax records, at the most. */
export const TAR_EXTENSION_BYTES_MAX = 1024 * 1024;

const GNU_LONG_NAME = "L";
const GNU_LONG_LINK = "K";
const PAX_NEXT = "x";
const PAX_GLOBAL = "g";
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
const SPACE = 0x20;

/** Beginnings of files that people take for tar archives. */
const COMPRESSED: readonly (readonly [string, string])[] = [
  ["1f8b", "gzip"],
  ["28b52ffd", "zstd"],
  ["fd377a585a00", "xz"],
  ["425a68", "bzip2"],
];

type Extensions = Map<string, Uint8Array>;

export class TarReader {
  readonly #queue: ByteQueue;
  /** Bytes of the current entry that were not read, and the padding after them. */
  #left = 0;
  #padding = 0;
  #first = true;
  #global: Extensions = new Map();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#queue = new ByteQueue(source);
  }

  /**
   * The next entry, or undefined at the end. What was not read of the one before is passed over.
   * @throws ImportError when this is no tar archive, or a damaged one.
   */
  async next(): Promise<TarHeader | undefined> {
    let extensions: Extensions = new Map(this.#global);
    for (;;) {
      await this.#skip();
      const header = await this.#header();
      if (header === undefined) return undefined;
      if (header.type === GNU_LONG_NAME) {
        extensions.set("path", untilNul(await this.#extension(header)));
      } else if (header.type === GNU_LONG_LINK) {
        extensions.set("linkpath", untilNul(await this.#extension(header)));
      } else if (header.type === PAX_NEXT) {
        for (const [key, value] of paxRecords(await this.#extension(header))) {
          extensions.set(key, value);
        }
      } else if (header.type === PAX_GLOBAL) {
        for (const [key, value] of paxRecords(await this.#extension(header))) {
          this.#global.set(key, value);
        }
        extensions = new Map([...this.#global, ...extensions]);
      } else {
        extend(header, extensions);
        this.#expect(header.size);
        return header;
      }
    }
  }

  /** More contents of the current entry; undefined at their end. Valid until the next call. */
  async read(): Promise<Uint8Array | undefined> {
    if (this.#left === 0) return undefined;
    const some = await this.#queue.some(this.#left);
    if (some === undefined) throw truncated();
    this.#left -= some.length;
    return some;
  }

  async close(): Promise<void> {
    await this.#queue.close();
  }

  async #header(): Promise<TarHeader | undefined> {
    const block = await this.#queue.take(TAR_BLOCK_BYTES);
    if (block === undefined) {
      // Some writers leave out the two empty blocks at the end; nothing at all is no archive.
      if (this.#first) throw damaged("it is too short");
      return undefined;
    }
    if (isZeroBlock(block)) return undefined;
    const header = readTarHeader(block);
    if (typeof header === "string") throw this.#first ? notTar(block) : damaged(header);
    this.#first = false;
    return header;
  }

  async #extension(header: TarHeader): Promise<Uint8Array> {
    if (header.size > TAR_EXTENSION_BYTES_MAX) throw damaged("a name is too long");
    const bytes = await this.#queue.take(header.size);
    if (bytes === undefined) throw truncated();
    const copy = new Uint8Array(bytes);
    this.#expect(header.size);
    this.#left = 0;
    return copy;
  }

  #expect(size: number): void {
    this.#left = size;
    this.#padding = tarPadding(size);
  }

  async #skip(): Promise<void> {
    while ((await this.read()) !== undefined);
    for (; this.#padding > 0; ) {
      const some = await this.#queue.some(this.#padding);
      if (some === undefined) throw truncated();
      this.#padding -= some.length;
    }
  }
}

/** Puts what long-name entries and pax records say in the place of what the header says. */
function extend(header: TarHeader, extensions: Extensions): void {
  header.name = extensions.get("path") ?? header.name;
  header.linkName = extensions.get("linkpath") ?? header.linkName;
  const size = extensions.get("size");
  if (size !== undefined) {
    const text = Buffer.from(size).toString("latin1");
    header.size = Number(text);
    if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(header.size)) {
      throw damaged("a size is no number");
    }
  }
  for (const key of extensions.keys()) {
    if (key.startsWith("GNU.sparse."))
      throw damaged("it has sparse files, which are not supported");
  }
  // Only a file has contents; of links some writers give the size of what they link to.
  if ("123456".includes(header.type)) header.size = 0;
}

/** `LENGTH KEY=VALUE\n`, the length in decimal digits and of all of it; values are bytes. */
function* paxRecords(bytes: Uint8Array): Generator<[key: string, value: Uint8Array]> {
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(SPACE, at);
    const digits = Buffer.from(bytes.subarray(at, Math.max(at, space))).toString("latin1");
    const end = at + Number(digits);
    const equals = bytes.indexOf(EQUALS, space);
    const sound =
      /^[0-9]{1,9}$/.test(digits) &&
      end <= bytes.length &&
      equals > space &&
      equals < end &&
      bytes[end - 1] === NEWLINE;
    if (!sound) throw damaged("a pax record is malformed");
    const key = Buffer.from(bytes.subarray(space + 1, equals)).toString();
    yield [key, bytes.slice(equals + 1, end - 1)];
    at = end;
  }
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function notTar(block: Uint8Array): ImportError {
  const hex = Buffer.from(block.subarray(0, 6)).toString("hex");
  const found = COMPRESSED.find(([magic]) => hex.startsWith(magic));
  if (found === undefined) return new ImportError("this is not a tar archive");
  return new ImportError(`the archive is compressed with ${found[1]}`, {
    remedy: `decompress it first: ${found[1]} -dc ARCHIVE | castorefs import --name NAME -`,
  });
}

function truncated(): ImportError {
  return damaged("it ends too early");
}

function damaged(how: string): ImportError {
  return new ImportError(`the tar archive cannot be imported: ${how}`);
}

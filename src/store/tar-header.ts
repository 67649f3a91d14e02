/**
 * The header block of a tar archive (POSIX.1-1988 ustar, GNU's variant, and what both inherited).
 * Names are bytes. Offsets and lengths of the fields are those of `struct posix_header`.
 */
export const TAR_BLOCK_BYTES = 512;

export interface TarHeader {
  /** The type flag as a character; `0` for a regular file. */
  type: string;
  name: Uint8Array;
  linkName: Uint8Array;
  mode: number;
  uid: number;
  gid: number;
  size: number;
}

const NAME = { at: 0, length: 100 };
const MODE = { at: 100, length: 8 };
const UID = { at: 108, length: 8 };
const GID = { at: 116, length: 8 };
const SIZE = { at: 124, length: 12 };
const MTIME = { at: 136, length: 12 };
const CHECKSUM = { at: 148, length: 8 };
const TYPE_AT = 156;
const LINK_NAME = { at: 157, length: 100 };
const MAGIC = { at: 257, length: 8 };
const PREFIX = { at: 345, length: 155 };

const GNU_MAGIC = "ustar  \0";
const SPACE = 0x20;

interface Field {
  readonly at: number;
  readonly length: number;
}

/** What a block of 512 bytes says; a string says what is wrong with it. */
export function readTarHeader(block: Uint8Array): TarHeader | string {
  if (readNumber(block, CHECKSUM) !== checksum(block)) return "a header has a wrong checksum";
  const type = block[TYPE_AT] === 0 ? "0" : String.fromCharCode(block[TYPE_AT]!);
  const size = readNumber(block, SIZE);
  if (size === undefined) return "a header has no size";
  let name = readBytes(block, NAME);
  const magic = Buffer.from(readField(block, MAGIC)).toString("latin1");
  if (magic.startsWith("ustar\0")) {
    const prefix = readBytes(block, PREFIX);
    if (prefix.length > 0) name = Buffer.concat([prefix, Buffer.from("/"), name]);
  }
  return {
    type,
    name: new Uint8Array(name),
    linkName: new Uint8Array(readBytes(block, LINK_NAME)),
    mode: readNumber(block, MODE) ?? 0,
    uid: readNumber(block, UID) ?? 0,
    gid: readNumber(block, GID) ?? 0,
    size,
  };
}

/** The block for `header`, in GNU's variant; names beyond 100 bytes are cut off. No time, no owner. */
export function writeTarHeader(
  header: Pick<TarHeader, "type" | "name" | "linkName" | "mode" | "size">,
) {
  const block = new Uint8Array(TAR_BLOCK_BYTES);
  block.set(header.name.subarray(0, NAME.length), NAME.at);
  block.set(header.linkName.subarray(0, LINK_NAME.length), LINK_NAME.at);
  writeNumber(block, MODE, header.mode);
  for (const field of [UID, GID, MTIME]) writeNumber(block, field, 0);
  writeNumber(block, SIZE, header.size);
  block[TYPE_AT] = header.type.charCodeAt(0);
  block.set(Buffer.from(GNU_MAGIC, "latin1"), MAGIC.at);
  const sum = checksum(block).toString(8).padStart(6, "0");
  block.set(Buffer.from(`${sum}\0 `, "latin1"), CHECKSUM.at);
  return block;
}

/** Names longer than this do not fit the header. */
export const TAR_NAME_BYTES = NAME.length;

/** Bytes that fill up the last block of `size` bytes. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** The sum of all bytes, with the checksum itself taken as spaces. */
function checksum(block: Uint8Array): number {
  let sum = CHECKSUM.length * SPACE;
  for (let i = 0; i < TAR_BLOCK_BYTES; i += 1) {
    if (i < CHECKSUM.at || i >= CHECKSUM.at + CHECKSUM.length) sum += block[i]!;
  }
  return sum;
}

function readField(block: Uint8Array, { at, length }: Field): Uint8Array {
  return block.subarray(at, at + length);
}

/** The bytes of a field up to its NUL, if it has one. */
function readBytes(block: Uint8Array, field: Field): Uint8Array {
  const bytes = readField(block, field);
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Octal digits, or GNU's big-endian binary with the top bit set. Undefined: neither. */
function readNumber(block: Uint8Array, field: Field): number | undefined {
  const bytes = readField(block, field);
  if ((bytes[0]! & 0x80) !== 0) {
    let value = bytes[0]! & 0x7f;
    for (const byte of bytes.subarray(1)) value = value * 256 + byte;
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = Buffer.from(readBytes(block, field)).toString("latin1").trim();
  if (digits === "") return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

function writeNumber(block: Uint8Array, { at, length }: Field, value: number): void {
  const digits = value.toString(8).padStart(length - 1, "0");
  if (digits.length < length) {
    block.set(Buffer.from(digits, "latin1"), at);
    return;
  }
  let rest = value;
  for (let i = at + length - 1; i > at; i -= 1) {
    block[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  block[at] = 0x80;
}

/**
 * Objects as snix lays them out, made and taken apart by hand: nothing here is shared with the code
 * under test. Frames of zstd are made of blocks that are not compressed, or of one repeated byte.
 */
import { zstdDecompressSync } from "node:zlib";

const MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
/** No checksum, no dictionary, the size is not said; a window of 2 MiB. */
const HEADER = Buffer.from([0x00, 0x58]);
const BLOCK_BYTES_MAX = 128 * 1024;
const RAW = 0;
const REPEATED = 1;

export const NOTHING = Buffer.alloc(0);

/** A frame that holds `bytes`. */
export function frame(bytes: Uint8Array): Buffer {
  const blocks: Buffer[] = [];
  let at = 0;
  do {
    const block = bytes.subarray(at, at + BLOCK_BYTES_MAX);
    at += BLOCK_BYTES_MAX;
    blocks.push(blockHeader(RAW, block.length, at >= bytes.length), Buffer.from(block));
  } while (at < bytes.length);
  return Buffer.concat([MAGIC, HEADER, ...blocks]);
}

/** A frame of four bytes for each 128 KiB of zeros in it. */
export function bomb(blocks: number): Buffer {
  const all = Array.from({ length: blocks }, (_, i) =>
    Buffer.concat([blockHeader(REPEATED, BLOCK_BYTES_MAX, i === blocks - 1), Buffer.alloc(1)]),
  );
  return Buffer.concat([MAGIC, HEADER, ...all]);
}

/** The header of a frame that wants a window of 2^41 bytes. */
export const HUGE_WINDOW = Buffer.concat([MAGIC, Buffer.from([0x00, 0xf8, 0x01, 0x00, 0x00])]);

function blockHeader(type: number, length: number, last: boolean): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((length << 3) | (type << 1) | Number(last), 0, 3);
  return header;
}

export type Folder = "blobs" | "chunks" | "chunk" | "dirs";

export function key(folder: Folder, hex: string): string {
  return `${folder}/b3/${hex.slice(0, 4)}/${hex}`;
}

/** A field of a message, with bytes in it. */
export function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

export interface ListedChunk {
  readonly hex: string;
  readonly size: number;
}

/** The list of a blob's chunks. */
export function list(chunks: readonly ListedChunk[]): Buffer {
  return Buffer.concat(
    chunks.map(({ hex, size }) => {
      const digest = field(1, Buffer.from(hex, "hex"));
      return field(2, Buffer.concat([digest, Buffer.from([0x10]), varint(size)]));
    }),
  );
}

/** The encodings of a tree's directories, root first. */
export function tree(encodings: readonly Uint8Array[]): Buffer {
  const framed = encodings.map((encoded) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(encoded.length);
    return Buffer.concat([length, encoded]);
  });
  return frame(Buffer.concat(framed));
}

export function unframe(object: Uint8Array): Buffer {
  return zstdDecompressSync(object);
}

export function readTree(object: Uint8Array): Buffer[] {
  const bytes = unframe(object);
  const encodings: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    encodings.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return encodings;
}

/** Reads a list that has no field but those of chunks, in the one order that its writer has. */
export function readList(object: Buffer): ListedChunk[] {
  const chunks: ListedChunk[] = [];
  for (let at = 0; at < object.length; ) {
    const length = object[at + 1]!;
    const chunk = object.subarray(at + 2, at + 2 + length);
    if (object[at] !== 0x12 || chunk.readUInt16BE(0) !== 0x0a20 || chunk[34] !== 0x10) {
      throw new Error(`no chunk at ${at}`);
    }
    let size = 0;
    for (let i = 35; i < length; i += 1) size += (chunk[i]! & 127) * 128 ** (i - 35);
    chunks.push({ hex: chunk.toString("hex", 2, 34), size });
    at += 2 + length;
  }
  return chunks;
}

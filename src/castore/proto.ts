/**
 * Where protobuf ends: domain values to and from the messages of package `castore.v1`. Encoding is
 * canonical (fields in order, default values left out), because digests are taken of it; decoding
 * refuses whatever would not encode to the same bytes again.
 *
 *     message DirectoryEntry { bytes name = 1; bytes digest = 2; uint64 size = 3; }
 *     message FileEntry { bytes name = 1; bytes digest = 2; uint64 size = 3; bool executable = 4; }
 *     message SymlinkEntry { bytes name = 1; bytes target = 2; }
 *     message Directory {
 *       repeated DirectoryEntry directories = 1;
 *       repeated FileEntry files = 2;
 *       repeated SymlinkEntry symlinks = 3;
 *     }
 *     message Entry { oneof entry { DirectoryEntry directory = 1; FileEntry file = 2;
 *                                   SymlinkEntry symlink = 3; } }
 */
import { Reader, Writer } from "protobufjs/minimal.js";
import { DIGEST_BYTES, Digest } from "./digest.ts";
import type { DirectoryEntry } from "./directory.ts";
import { DIRECTORY_BYTES_MAX, Directory } from "./directory.ts";
import type { EncodingFault } from "./errors.ts";
import { InvalidEncoding, InvalidNode } from "./errors.ts";
import type { Name } from "./name.ts";
import { compareBytes, parseName } from "./name.ts";
import type { Node } from "./node.ts";
import { directoryNode, fileNode, symlinkNode } from "./node.ts";

/** Wire type 2, length-delimited; and 0, varint. */
const BYTES = 2;
const VARINT = 0;
const FIELD_OF_KIND = { directory: 1, file: 2, symlink: 3 } as const;
const KINDS = ["directory", "file", "symlink"] as const;
const NO_NAME = new Uint8Array(0);
/** Above what a name, a target and their tags can take. */
const ROOT_BYTES_MAX = 8192;

/** @throws InvalidEncoding when it takes more than DIRECTORY_BYTES_MAX. */
export function encodeDirectory(directory: Directory): Uint8Array {
  const writer = Writer.create();
  for (const kind of KINDS) {
    for (const { name, node } of directory.entries) {
      if (node.kind === kind) writeEntry(writer, name, node);
    }
  }
  const bytes = Uint8Array.from(writer.finish());
  if (bytes.length > DIRECTORY_BYTES_MAX) throw new InvalidEncoding("directory", "is too large");
  return bytes;
}

/** @throws InvalidEncoding */
export function decodeDirectory(bytes: Uint8Array): Directory {
  if (bytes.length > DIRECTORY_BYTES_MAX) throw new InvalidEncoding("directory", "is too large");
  const entries = readAll("directory", bytes, parseName);
  for (let i = 1; i < entries.length; i += 1) {
    const before = entries[i - 1]!;
    const entry = entries[i]!;
    if (before.node.kind !== entry.node.kind) continue;
    const order = compareBytes(
      before.name,
      0,
      before.name.length,
      entry.name,
      0,
      entry.name.length,
    );
    if (order === 0) throw new InvalidEncoding("directory", "two entries have the same name");
    if (order > 0) throw new InvalidEncoding("directory", "names are not sorted");
  }
  const directory = Directory.of(entries);
  if (!sameBytes(encodeDirectory(directory), bytes)) {
    throw new InvalidEncoding("directory", "is not canonical");
  }
  return directory;
}

/** A root node as an `Entry` message; without a name unless told, as whoever stores it names it. */
export function encodeEntry(node: Node, name: Uint8Array = NO_NAME): Uint8Array {
  const writer = Writer.create();
  writeEntry(writer, name, node);
  return Uint8Array.from(writer.finish());
}

/**
 * The node of an `Entry` message and its name, which may be empty.
 * @throws InvalidEncoding
 */
export function decodeEntry(bytes: Uint8Array): DirectoryEntry {
  if (bytes.length > ROOT_BYTES_MAX) throw new InvalidEncoding("root node", "is too large");
  const entries = readAll("root node", bytes, parseRootName);
  const entry = entries[0];
  if (entry === undefined || entries.length !== 1) {
    throw new InvalidEncoding("root node", "has not exactly one node");
  }
  if (!sameBytes(encodeEntry(entry.node, entry.name), bytes)) {
    throw new InvalidEncoding("root node", "is not canonical");
  }
  return entry;
}

function writeEntry(writer: Writer, name: Uint8Array, node: Node): void {
  writer.uint32((FIELD_OF_KIND[node.kind] << 3) | BYTES).fork();
  if (name.length > 0) writer.uint32((1 << 3) | BYTES).bytes(name);
  if (node.kind === "symlink") {
    writer.uint32((2 << 3) | BYTES).bytes(node.target);
  } else {
    writer.uint32((2 << 3) | BYTES).bytes(node.digest.bytes);
    if (node.size > 0) writer.uint32((3 << 3) | VARINT).uint64(node.size);
    if (node.kind === "file" && node.executable) writer.uint32((4 << 3) | VARINT).bool(true);
  }
  writer.ldelim();
}

type Message = "directory" | "root node";
type ParseName = (bytes: Uint8Array) => Name;

function parseRootName(bytes: Uint8Array): Name {
  return bytes.length === 0 ? (NO_NAME as Uint8Array as Name) : parseName(bytes);
}

/** Reads entries in the order in which they stand. What it throws is always InvalidEncoding. */
function readAll(message: Message, bytes: Uint8Array, parse: ParseName): DirectoryEntry[] {
  try {
    const reader = Reader.create(bytes);
    const entries: DirectoryEntry[] = [];
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      const kind = KINDS[(tag >>> 3) - 1];
      if (kind === undefined || (tag & 7) !== BYTES) {
        throw new InvalidEncoding(message, "has an unknown field");
      }
      const length = reader.uint32();
      if (reader.pos + length > reader.len) {
        throw new InvalidEncoding(message, "ends inside a field");
      }
      entries.push(readEntry(message, reader, reader.pos + length, kind, parse));
    }
    return entries;
  } catch (error) {
    if (error instanceof InvalidEncoding) throw error;
    if (error instanceof InvalidNode) {
      throw new InvalidEncoding(message, error.fault, { cause: error });
    }
    // What is left is protobufjs running off the end, or a varint of more than ten bytes.
    throw new InvalidEncoding(message, "ends inside a field", { cause: error });
  }
}

function readEntry(
  message: Message,
  reader: Reader,
  end: number,
  kind: Node["kind"],
  parse: ParseName,
): DirectoryEntry {
  let name: Uint8Array = NO_NAME;
  let second: Uint8Array = NO_NAME;
  let size = 0;
  let executable = false;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === ((1 << 3) | BYTES)) name = reader.bytes();
    else if (tag === ((2 << 3) | BYTES)) second = reader.bytes();
    else if (tag === ((3 << 3) | VARINT) && kind !== "symlink") size = readSize(message, reader);
    else if (tag === ((4 << 3) | VARINT) && kind === "file") executable = reader.bool();
    else throw new InvalidEncoding(message, "has an unknown field");
  }
  if (reader.pos !== end) throw new InvalidEncoding(message, "ends inside a field");
  const parsed = parse(name);
  if (kind === "symlink") return { name: parsed, node: symlinkNode(second) };
  if (second.length !== DIGEST_BYTES) fail(message, "digest is not 32 bytes");
  const digest = Digest.at(second, 0);
  if (kind === "directory") return { name: parsed, node: directoryNode(digest, size) };
  return { name: parsed, node: fileNode(digest, size, executable) };
}

/** protobufjs gives a number, or a Long where that package is there. */
function readSize(message: Message, reader: Reader): number {
  const value: number | { toString(): string } = reader.uint64();
  const size = typeof value === "number" ? value : Number(value.toString());
  if (!Number.isSafeInteger(size) || size < 0) {
    fail(message, "size is not a whole number below 2^53");
  }
  return size;
}

function fail(message: Message, fault: EncodingFault): never {
  throw new InvalidEncoding(message, fault);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/**
 * FUSE requests and replies as bytes, from the same tables that the daemon uses. Whatever a test
 * wants to say wrongly can be said here: every header field may be overridden.
 */
import {
  fuseAttr,
  fuseDirent,
  fuseDirentplus,
  fuseEntryOut,
  fuseInHeader,
  fuseOutHeader,
} from "../../src/abi/fuse.ts";
import type { PartialValues, Struct, Values } from "../../src/abi/struct.ts";
import { viewOf } from "./vhost-user-client.ts";

type HeaderFields = PartialValues<(typeof fuseInHeader)["fields"]>;

/** A request: header, then the parts one after another. `len` is right unless overridden. */
export function encodeRequest(
  opcode: number,
  nodeid: number,
  parts: readonly Uint8Array[] = [],
  header: HeaderFields = {},
): Uint8Array {
  const len = parts.reduce((sum, part) => sum + part.length, fuseInHeader.size);
  const bytes = new Uint8Array(len);
  fuseInHeader.write(viewOf(bytes), 0, { len, opcode, nodeid, pid: 1234, ...header });
  let at = fuseInHeader.size;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A struct's bytes. */
export function encode<F extends Struct["fields"]>(
  type: Struct<F>,
  values: PartialValues<F>,
): Uint8Array {
  const bytes = new Uint8Array(type.size);
  type.write(viewOf(bytes), 0, values);
  return bytes;
}

/** A struct from a reply. @throws RangeError when the reply is too short. */
export function decode<F extends Struct["fields"]>(
  type: Struct<F>,
  bytes: Uint8Array,
  at = 0,
): Values<F> {
  return type.read(viewOf(bytes), at);
}

/** As a struct with attributes says them, with the inode number, which may be any 64 bits. */
export type WithIno<T> = Omit<T, "ino"> & { readonly ino: bigint };

/** Takes a struct apart whose inode number lies at `inoAt`: it need not fit a number. */
export function decodeWithIno<F extends Struct["fields"]>(
  type: Struct<F>,
  bytes: Uint8Array,
  inoAt: number,
): { values: Values<F>; ino: bigint } {
  const copy = bytes.slice(0, type.size);
  const ino = viewOf(copy).getBigUint64(inoAt, true);
  copy.fill(0, inoAt, inoAt + 8);
  return { values: decode(type, copy), ino };
}

type AttributeValues = Values<(typeof fuseAttr)["fields"]>;
type EntryValues = Values<(typeof fuseEntryOut)["fields"]>;

export type Attributes = WithIno<AttributeValues>;
export type Entry = Omit<EntryValues, "attr"> & { readonly attr: Attributes };

export function decodeEntry(bytes: Uint8Array): Entry {
  const inoAt = fuseEntryOut.at.attr + fuseAttr.at.ino;
  const { values, ino } = decodeWithIno(fuseEntryOut, bytes, inoAt);
  return { ...values, attr: { ...values.attr, ino } };
}

export function decodeAttributes(bytes: Uint8Array): Attributes {
  const { values, ino } = decodeWithIno(fuseAttr, bytes, fuseAttr.at.ino);
  return { ...values, ino };
}

/** Eight bytes of a request's number. */
export function uniqueOf(sequence: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, sequence, true);
  viewOf(bytes).setUint32(4, 0x5eed_0000, true);
  return bytes;
}

/** A name as LOOKUP and the like carry it: with its NUL. */
export function nameBytes(name: string | Uint8Array): Uint8Array {
  const bytes = typeof name === "string" ? Buffer.from(name) : name;
  const terminated = new Uint8Array(bytes.length + 1);
  terminated.set(bytes);
  return terminated;
}

export interface FuseReply {
  /** 0, or a negated errno. */
  readonly error: number;
  readonly body: Uint8Array;
}

/** A reply that breaks the protocol: a bug of the device. */
export class BadReply extends Error {
  override readonly name = "BadReply";
}

/**
 * Takes a reply apart, checking what every reply must obey: its length is the used length, its
 * unique is the request's, an error is a small negative number with nothing behind it.
 */
export function decodeReply(room: Uint8Array, usedLength: number, request: Uint8Array): FuseReply {
  if (usedLength < fuseOutHeader.size) throw new BadReply(`a reply of ${usedLength} bytes`);
  const { len, error, unique } = decode(fuseOutHeader, room);
  if (len !== usedLength) throw new BadReply(`len ${len}, but used length ${usedLength}`);
  const at = fuseInHeader.at.unique;
  if (Buffer.compare(unique, request.subarray(at, at + 8)) !== 0) {
    throw new BadReply("the reply carries another request's unique");
  }
  if (error > 0 || error < -4095) throw new BadReply(`error ${error}`);
  if (error !== 0 && len !== fuseOutHeader.size) throw new BadReply("an error with a body");
  return { error, body: room.subarray(fuseOutHeader.size, usedLength) };
}

export interface DirectoryEntry {
  readonly name: Buffer;
  readonly ino: bigint;
  readonly type: number;
  /** Opaque: some daemons hand out the host's own, beyond 2^53. */
  readonly next: bigint;
}

export interface DirectoryPlusEntry extends DirectoryEntry {
  readonly entry: Entry;
}

/** The entries of a READDIR reply. */
export function decodeDirents(body: Uint8Array): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  for (let at = 0; at < body.length; ) {
    const entry = direntAt(body, at);
    entries.push(entry);
    at += pad8(fuseDirent.size + entry.name.length);
  }
  return entries;
}

/** The entries of a READDIRPLUS reply. */
export function decodeDirentsPlus(body: Uint8Array): DirectoryPlusEntry[] {
  const entries: DirectoryPlusEntry[] = [];
  for (let at = 0; at < body.length; ) {
    const entry = decodeEntry(body.subarray(at));
    const dirent = direntAt(body, at + fuseDirentplus.at.dirent);
    entries.push({ ...dirent, entry });
    at += pad8(fuseDirentplus.size + dirent.name.length);
  }
  return entries;
}

function direntAt(body: Uint8Array, at: number): DirectoryEntry {
  const view = viewOf(body);
  const length = view.getUint32(at + fuseDirent.at.namelen, true);
  const name = at + fuseDirent.size;
  if (name + length > body.length) throw new BadReply("a directory entry leaves the reply");
  return {
    name: Buffer.from(body.subarray(name, name + length)),
    ino: view.getBigUint64(at + fuseDirent.at.ino, true),
    type: view.getUint32(at + fuseDirent.at.type, true),
    next: view.getBigUint64(at + fuseDirent.at.off, true),
  };
}

function pad8(length: number): number {
  return (length + 7) & ~7;
}

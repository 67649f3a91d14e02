/**
 * One request, copied once out of memory that its sender may still change, and read from the copy
 * with bounds checks. One instance is reused for all requests.
 */
import { fuseInHeader } from "../abi/fuse.ts";
import { copyU64, i64At, u64At } from "../abi/struct.ts";
import type { HostAddress, NodeId } from "../base/brands.ts";
import { EINVAL, ENAMETOOLONG } from "../base/errno.ts";
import type { Readable } from "../base/segments.ts";
import type { NameBytes } from "./file-system.ts";
import type { ByteSource } from "./modifications.ts";

/** Longest name of a directory entry or an extended attribute, in bytes, without the NUL. */
export const NAME_BYTES_MAX = 255;

/** Longest target of a symlink, in bytes, without the NUL: PATH_MAX has one. */
const TARGET_BYTES_MAX = 4095;

/**
 * What is copied of a request at first. Most are shorter; of the longer ones some have names that go
 * on (RENAME, SYMLINK), and some bytes that are copied by whoever takes them (WRITE, SETXATTR) or in
 * pieces (BATCH_FORGET).
 */
const FIRST_BYTES = 512;

/** And in all: the longest is a SYMLINK, a name and a target. */
const COPIED_BYTES = 5120;

const ARGUMENTS = fuseInHeader.size;
const SLASH = 0x2f;
const DOT = 0x2e;

/** A part of a request. */
class RequestBytes implements ByteSource {
  length = 0;
  #readable: Readable | undefined;
  #start = 0;

  set(readable: Readable | undefined, start: number, length: number): void {
    this.#readable = readable;
    this.#start = start;
    this.length = length;
  }

  copy(offset: number, target: Uint8Array, start: number, length: number): number {
    if (this.#readable === undefined || offset >= this.length) return 0;
    const wanted = Math.min(length, this.length - offset);
    return this.#readable.copy(this.#start + offset, target, start, wanted);
  }

  copyPast(offset: number, target: HostAddress, length: number): boolean {
    if (this.#readable?.copyPast === undefined || offset + length > this.length) return false;
    return this.#readable.copyPast(this.#start + offset, target, length);
  }
}

export class RequestCursor {
  /** Bytes in all, as the transport counts them. */
  length = 0;
  opcode = 0;
  /** In an array, since a field would box the number of every request. */
  readonly #nodeid = new Float64Array(1);
  /** What the header says of the length. */
  #claimedLength = 0;
  readonly #bytes = new Uint8Array(COPIED_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  /** Bytes that were copied. */
  #copied = 0;
  #readable: Readable | undefined;
  /** The name that `parseName` or `parseAttributeName` found. */
  readonly name: NameBytes = { bytes: this.#bytes, start: 0, end: 0 };
  /** What `parseSecondName` or `parseTarget` found. */
  readonly secondName: NameBytes = { bytes: this.#bytes, start: 0, end: 0 };
  readonly #source = new RequestBytes();

  /** Copies a request. False when it is shorter than a header: nothing can be said about it. */
  load(readable: Readable): boolean {
    this.#readable = readable;
    this.length = readable.length;
    this.#copied = readable.copy(0, this.#bytes, 0, FIRST_BYTES);
    if (this.#copied < ARGUMENTS) return false;
    this.#claimedLength = this.#view.getUint32(fuseInHeader.at.len, true);
    this.opcode = this.#view.getUint32(fuseInHeader.at.opcode, true);
    copyU64(this.#view, fuseInHeader.at.nodeid, this.#nodeid);
    return true;
  }

  /** Negative when it was above 2^53: no inode has such a number. */
  get nodeid(): NodeId {
    return this.#nodeid[0] as NodeId;
  }

  /** Lets go of the transport's memory. */
  release(): void {
    this.#readable = undefined;
    this.#source.set(undefined, 0, 0);
  }

  /** Whether header and transport agree on the length. */
  get lengthHolds(): boolean {
    return this.#claimedLength === this.length;
  }

  /** Bytes after the header. */
  get argumentBytes(): number {
    return this.length - ARGUMENTS;
  }

  /** The opaque `unique` of the header, in two halves. */
  get uniqueLow(): number {
    return this.#view.getUint32(fuseInHeader.at.unique, true);
  }

  get uniqueHigh(): number {
    return this.#view.getUint32(fuseInHeader.at.unique + 4, true);
  }

  /** Who asks. */
  get uid(): number {
    return this.#view.getUint32(fuseInHeader.at.uid, true);
  }

  get gid(): number {
    return this.#view.getUint32(fuseInHeader.at.gid, true);
  }

  /** The u32 at `at` of the arguments, which the operation's record says are there. */
  u32(at: number): number {
    return this.#view.getUint32(ARGUMENTS + at, true);
  }

  /** The u64 at `at` of the arguments, or UNREPRESENTABLE (negative). */
  u64(at: number): number {
    return u64At(this.#view, ARGUMENTS + at);
  }

  /** The i64 at `at` of the arguments, or the nearest number to it that is held exactly. */
  i64(at: number): number {
    return i64At(this.#view, ARGUMENTS + at);
  }

  /**
   * Copies arguments from `at` on to the start of `target`. Returns how many bytes there were. With
   * `source` the only way to what lies beyond the copy; the caller reads nothing twice.
   */
  copy(at: number, target: Uint8Array, length: number): number {
    return this.#readable?.copy(ARGUMENTS + at, target, 0, length) ?? 0;
  }

  /** The `length` bytes at `at` of the arguments, which are there. Good until the next request. */
  source(at: number, length: number): ByteSource {
    this.#source.set(this.#readable, ARGUMENTS + at, length);
    return this.#source;
  }

  /**
   * Finds the name of a directory entry at `at` of the arguments. Returns 0, -ENAMETOOLONG, or
   * -EINVAL for what no kernel sends: no NUL, an empty name, a slash, `.` or `..`.
   */
  parseName(at: number): number {
    return this.#parseEntryName(this.name, ARGUMENTS + at);
  }

  /** The same for a name that follows on the one just found. */
  parseSecondName(): number {
    return this.#parseEntryName(this.secondName, this.name.end + 1);
  }

  /** The same for the target of a symlink, which may be anything but empty. */
  parseTarget(): number {
    return this.#parseText(this.secondName, this.name.end + 1, TARGET_BYTES_MAX, 0);
  }

  /** The same for the name of an extended attribute, which may be anything but empty. */
  parseAttributeName(at: number): number {
    return this.#parseText(this.name, ARGUMENTS + at, NAME_BYTES_MAX, 0);
  }

  /** Where the arguments go on behind the name just found and its NUL. */
  get afterName(): number {
    return this.name.end + 1 - ARGUMENTS;
  }

  #parseEntryName(name: NameBytes, start: number): number {
    const status = this.#parseText(name, start, NAME_BYTES_MAX, SLASH);
    if (status !== 0) return status;
    const { end } = name;
    const bytes = this.#bytes;
    const dots = bytes[start] === DOT && (end - start === 1 || bytes[start + 1] === DOT);
    return dots && end - start <= 2 ? -EINVAL : 0;
  }

  /** `forbidden`: a byte that is not to be in it, or NUL. */
  #parseText(text: NameBytes, start: number, longest: number, forbidden: number): number {
    const bytes = this.#bytes;
    let end = start;
    for (;;) {
      const limit = Math.min(this.#copied, start + longest + 1);
      let byte = -1;
      for (; end < limit; end++) {
        byte = bytes[end]!;
        if (byte === 0 || byte === forbidden) break;
      }
      if (end < limit) {
        if (byte !== 0 || end === start) return -EINVAL;
        text.start = start;
        text.end = end;
        return 0;
      }
      if (end - start > longest) return -ENAMETOOLONG;
      if (!this.#copyMore()) return -EINVAL;
    }
  }

  /** Copies on where the first copy ended. False: there is no more. */
  #copyMore(): boolean {
    const room = COPIED_BYTES - this.#copied;
    if (this.#readable === undefined || room === 0) return false;
    const more = this.#readable.copy(this.#copied, this.#bytes, this.#copied, room);
    this.#copied += more;
    return more > 0;
  }
}

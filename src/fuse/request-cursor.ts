/**
 * One request, copied once out of memory that its sender may still change, and read from the copy
 * with bounds checks. One instance is reused for all requests.
 */
import { fuseInHeader } from "../abi/fuse.ts";
import { copyU64, u64At } from "../abi/struct.ts";
import type { NodeId } from "../base/brands.ts";
import { EINVAL, ENAMETOOLONG } from "../base/errno.ts";
import type { Readable } from "../base/segments.ts";
import type { NameBytes } from "./file-system.ts";

/** Longest name of a directory entry or an extended attribute, in bytes, without the NUL. */
export const NAME_BYTES_MAX = 255;

/**
 * What is copied of a request. The longest that is read in full is a header, a struct of arguments
 * and a name; what carries more is either refused unread (WRITE) or read in pieces (BATCH_FORGET).
 */
const COPIED_BYTES = 512;

const ARGUMENTS = fuseInHeader.size;
const SLASH = 0x2f;
const DOT = 0x2e;

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

  /** Copies a request. False when it is shorter than a header: nothing can be said about it. */
  load(readable: Readable): boolean {
    this.#readable = readable;
    this.length = readable.length;
    this.#copied = readable.copy(0, this.#bytes, 0, COPIED_BYTES);
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

  /** The u32 at `at` of the arguments, which the operation's record says are there. */
  u32(at: number): number {
    return this.#view.getUint32(ARGUMENTS + at, true);
  }

  /** The u64 at `at` of the arguments, or UNREPRESENTABLE (negative). */
  u64(at: number): number {
    return u64At(this.#view, ARGUMENTS + at);
  }

  /**
   * Copies arguments from `at` on to the start of `target`. Returns how many bytes there were. The
   * only way to what lies beyond the first copy; the caller reads nothing twice.
   */
  copy(at: number, target: Uint8Array, length: number): number {
    return this.#readable?.copy(ARGUMENTS + at, target, 0, length) ?? 0;
  }

  /**
   * Finds the name of a directory entry at `at` of the arguments. Returns 0, -ENAMETOOLONG, or
   * -EINVAL for what no kernel sends: no NUL, an empty name, a slash, `.` or `..`.
   */
  parseName(at: number): number {
    const status = this.parseAttributeName(at);
    if (status !== 0) return status;
    const { start, end } = this.name;
    const bytes = this.#bytes;
    for (let index = start; index < end; index++) if (bytes[index] === SLASH) return -EINVAL;
    const dots = bytes[start] === DOT && (end - start === 1 || bytes[start + 1] === DOT);
    return dots && end - start <= 2 ? -EINVAL : 0;
  }

  /** The same for the name of an extended attribute, which may be anything but empty. */
  parseAttributeName(at: number): number {
    const bytes = this.#bytes;
    const start = ARGUMENTS + at;
    const longest = start + NAME_BYTES_MAX;
    let end = start;
    while (end < this.#copied && bytes[end] !== 0) {
      if (end === longest) return -ENAMETOOLONG;
      end++;
    }
    if (end >= this.#copied || end === start) return -EINVAL;
    this.name.start = start;
    this.name.end = end;
    return 0;
  }
}

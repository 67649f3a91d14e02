/**
 * The reply to one request: a header and a payload, never a byte beyond the room. Structs are built
 * in a scratch and copied out together with the header; file contents go straight to the room, and
 * the header follows. One instance is reused for all replies.
 */
import { fuseOutHeader, fuseStatxOut } from "../abi/fuse.ts";
import type { HostAddress } from "../base/brands.ts";
import { EINVAL, EIO, ERANGE } from "../base/errno.ts";
import type { ByteSink, Writable } from "../base/segments.ts";
import type { RequestCursor } from "./request-cursor.ts";

/** Where the payload begins, in the scratch and in the room. */
export const PAYLOAD = fuseOutHeader.size;

/** The header and the largest struct that a reply consists of. */
const SCRATCH_BYTES = PAYLOAD + fuseStatxOut.size;

export class ReplyWriter implements ByteSink {
  /** Structs are built here, from PAYLOAD on. What an earlier reply left is still in it. */
  readonly scratch = new DataView(new ArrayBuffer(SCRATCH_BYTES));
  /** Payload bytes that `append` and `appendMapped` put into the room so far. */
  appended = 0;
  /** How many they may put there in all. */
  limit = 0;
  readonly #bytes = new Uint8Array(this.scratch.buffer);
  #room: Writable | undefined;

  begin(room: Writable, request: RequestCursor): void {
    this.#room = room;
    this.appended = 0;
    this.limit = room.length - PAYLOAD;
    this.scratch.setUint32(fuseOutHeader.at.unique, request.uniqueLow, true);
    this.scratch.setUint32(fuseOutHeader.at.unique + 4, request.uniqueHigh, true);
  }

  /** Lets go of the transport's memory. */
  release(): void {
    this.#room = undefined;
  }

  /** Payload bytes that there is room for; negative when not even an error fits. */
  get payloadRoom(): number {
    return this.#room === undefined ? -PAYLOAD : this.#room.length - PAYLOAD;
  }

  append(source: Uint8Array, start: number, length: number): number {
    if (this.#room === undefined) return -EIO;
    if (this.appended + length > this.limit) return -ERANGE;
    this.#room.write(PAYLOAD + this.appended, source, start, length);
    this.appended += length;
    return 0;
  }

  appendMapped(source: HostAddress, length: number): number {
    if (this.#room === undefined) return -EIO;
    if (this.appended + length > this.limit) return -ERANGE;
    const status = this.#room.writeMapped(PAYLOAD + this.appended, source, length);
    if (status === 0) this.appended += length;
    return status;
  }

  /**
   * Ends the reply with what a handler returned: the payload's length (appended, or built in the
   * scratch), or -errno. Returns the bytes written: 0 when there is no room even for an error.
   */
  finish(result: number): number {
    if (result < 0) return this.#end(result, PAYLOAD, PAYLOAD);
    if (result > this.payloadRoom) return this.#end(-EINVAL, PAYLOAD, PAYLOAD);
    const total = PAYLOAD + result;
    return this.#end(0, total, this.appended > 0 ? PAYLOAD : total);
  }

  #end(error: number, total: number, fromScratch: number): number {
    const room = this.#room;
    if (room === undefined || room.length < PAYLOAD) return 0;
    this.scratch.setUint32(fuseOutHeader.at.len, total, true);
    this.scratch.setInt32(fuseOutHeader.at.error, error, true);
    room.write(0, this.#bytes, 0, fromScratch);
    return total;
  }
}

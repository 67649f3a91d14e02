/**
 * Listings as READDIR and READDIRPLUS want them: records packed one after another, each padded to
 * eight bytes. They collect in a buffer, so that a listing is a few large copies into the room.
 */
import { fuseDirent, fuseDirentplus } from "../abi/fuse.ts";
import { putU64 } from "../abi/struct.ts";
import { assert } from "../base/assert.ts";
import { putEntry } from "./attribute-structs.ts";
import type { DirectoryPlusSink, DirectorySink, Entry } from "./file-system.ts";
import type { ReplyWriter } from "./reply-writer.ts";

const BUFFER_BYTES = 16 * 1024;
const DIRENT = fuseDirent.at;

/** Collects records up to a limit and hands them to the reply. */
class RecordBuffer {
  readonly view = new DataView(new ArrayBuffer(BUFFER_BYTES));
  readonly #bytes = new Uint8Array(this.view.buffer);
  readonly #reply: ReplyWriter;
  #used = 0;
  #left = 0;

  constructor(reply: ReplyWriter) {
    this.#reply = reply;
  }

  begin(limit: number): void {
    this.#used = 0;
    this.#left = limit;
  }

  has(size: number): boolean {
    return size <= this.#left;
  }

  /** Room for a record of `size` bytes, of which there `has` to be that much: its place. */
  take(size: number): number {
    assert(size <= this.#left && size <= BUFFER_BYTES, "a directory entry without room");
    if (this.#used + size > BUFFER_BYTES) this.flush();
    const at = this.#used;
    this.#used += size;
    this.#left -= size;
    return at;
  }

  flush(): void {
    const status = this.#reply.append(this.#bytes, 0, this.#used);
    assert(status === 0, "a listing beyond its limit");
    this.#used = 0;
  }

  putDirent(
    at: number,
    inoLow: number,
    inoHigh: number,
    next: number,
    type: number,
    name: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { view } = this;
    const length = end - start;
    view.setUint32(at + DIRENT.ino, inoLow, true);
    view.setUint32(at + DIRENT.ino + 4, inoHigh, true);
    putU64(view, at + DIRENT.off, next);
    view.setUint32(at + DIRENT.namelen, length, true);
    view.setUint32(at + DIRENT.type, type, true);
    const target = at + fuseDirent.size;
    putU64(view, target + padded(length) - 8, 0);
    for (let index = 0; index < length; index++) this.#bytes[target + index] = name[start + index]!;
  }
}

/** What READDIR's `fs.readdir` writes to. */
export class DirentRecords implements DirectorySink {
  readonly #buffer: RecordBuffer;

  constructor(reply: ReplyWriter) {
    this.#buffer = new RecordBuffer(reply);
  }

  begin(limit: number): void {
    this.#buffer.begin(limit);
  }

  end(): void {
    this.#buffer.flush();
  }

  entry(
    inoLow: number,
    inoHigh: number,
    next: number,
    type: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const size = fuseDirent.size + padded(end - start);
    if (!this.#buffer.has(size)) return false;
    const at = this.#buffer.take(size);
    this.#buffer.putDirent(at, inoLow, inoHigh, next, type, bytes, start, end);
    return true;
  }
}

/** What READDIRPLUS's `fs.readdirplus` writes to. */
export class DirentPlusRecords implements DirectoryPlusSink {
  readonly #buffer: RecordBuffer;

  constructor(reply: ReplyWriter) {
    this.#buffer = new RecordBuffer(reply);
  }

  begin(limit: number): void {
    this.#buffer.begin(limit);
  }

  end(): void {
    this.#buffer.flush();
  }

  hasRoom(nameLength: number): boolean {
    return this.#buffer.has(fuseDirentplus.size + padded(nameLength));
  }

  entry(entry: Entry, next: number, bytes: Uint8Array, start: number, end: number): void {
    const { inoLow, inoHigh, mode } = entry.attributes;
    const at = this.#buffer.take(fuseDirentplus.size + padded(end - start));
    putEntry(this.#buffer.view, at, entry);
    const dirent = at + fuseDirentplus.at.dirent;
    const type = (mode >>> 12) & 0xf;
    this.#buffer.putDirent(dirent, inoLow, inoHigh, next, type, bytes, start, end);
  }
}

function padded(nameLength: number): number {
  return (nameLength + 7) & ~7;
}

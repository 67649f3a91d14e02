/**
 * The file of SQLite's write-ahead log, beside SQLite: room that is written before it is needed, and
 * how much of it is in use (sqlite.org/fileformat2.html#walformat).
 *
 * A log that grows changes the file's metadata with every commit, which costs its fdatasync(2) as much
 * again. SQLite takes what it did not write itself for the end of the log: the salts do not match.
 */
import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";

/** The log is merged into the database when it has so many bytes; it has as many from the start. */
export const LOG_BYTES = 2 * 1024 * 1024;

const HEADER_BYTES = 32;
/** In the header: bytes of a page, and two salts, which each frame repeats. All are big-endian. */
const PAGE_SIZE_AT = 8;
const SALTS_AT = 16;
const FRAME_HEADER_BYTES = 24;
const FRAME_SALTS_AT = 8;
const SALTS_BYTES = 8;

export class WriteAheadLog implements Disposable {
  readonly #fd: number;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  readonly #salts = Buffer.alloc(SALTS_BYTES);
  readonly #frameSalts = Buffer.alloc(SALTS_BYTES);
  /** Frames with these salts that were counted. */
  #frames = 0;

  /** The log of an open database. @throws an error of `node:fs` */
  constructor(path: string) {
    this.#fd = openSync(path, "r+");
  }

  /** Writes zeros behind what there is; does without where there is no room for that. */
  prepare(): void {
    const { size } = fstatSync(this.#fd);
    if (size >= LOG_BYTES) return;
    try {
      const zeros = Buffer.alloc(LOG_BYTES - size);
      for (let at = 0; at < zeros.length; ) {
        at += writeSync(this.#fd, zeros, at, zeros.length - at, size + at);
      }
      fdatasyncSync(this.#fd);
    } catch {
      ftruncateSync(this.#fd, size);
    }
  }

  /**
   * What was committed is on the disk. SQLite itself would use fsync(2): the log's modification time
   * would be a commit of the file system's own journal.
   */
  sync(): void {
    fdatasyncSync(this.#fd);
  }

  /** Bytes of the log that are in use: since it began anew. */
  get usedBytes(): number {
    if (this.#read(this.#header, 0) < HEADER_BYTES) return 0;
    if (this.#header.compare(this.#salts, 0, SALTS_BYTES, SALTS_AT, SALTS_AT + SALTS_BYTES) !== 0) {
      this.#header.copy(this.#salts, 0, SALTS_AT, SALTS_AT + SALTS_BYTES);
      this.#frames = 0;
    }
    const frameBytes = FRAME_HEADER_BYTES + this.#header.readUInt32BE(PAGE_SIZE_AT);
    for (;;) {
      const at = HEADER_BYTES + this.#frames * frameBytes;
      if (this.#read(this.#frameSalts, at + FRAME_SALTS_AT) < SALTS_BYTES) return at;
      if (!this.#frameSalts.equals(this.#salts)) return at;
      this.#frames += 1;
    }
  }

  #read(target: Buffer, position: number): number {
    return readSync(this.#fd, target, 0, target.length, position);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

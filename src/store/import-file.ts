/** Storing the contents of one file of the host. */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import type { FileNode } from "../castore/node.ts";
import { fileNode } from "../castore/node.ts";
import { ImportError } from "./errors.ts";
import type { ImportSession } from "./import-session.ts";
import type { Chunk } from "./services.ts";

/** Files up to this size are read whole, larger ones piece by piece. */
const BUFFER_BYTES = 4 * 1024 * 1024;
/** How often to read a file that changes meanwhile. */
const ATTEMPTS_MAX = 3;
/** The owner may execute it: what snix goes by. */
const EXECUTABLE_BIT = 0o100;

/** What was found under a name that was a file when the folder was listed. */
export type NotAFile = "not a file";

export class FileImporter {
  readonly #session: ImportSession;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);

  constructor(session: ImportSession) {
    this.#session = session;
  }

  /** @throws ImportError, an error of `node:fs` */
  async import(path: Buffer): Promise<FileNode | NotAFile> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      // Nonblocking: opening what has become a FIFO must not wait for its other end.
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      const fd = openSync(path, flags);
      try {
        const before = fstatSync(fd);
        if (!before.isFile()) return "not a file";
        const stored = await this.#store(fd);
        if (unchanged(before, fstatSync(fd))) {
          const { mode, uid, gid, nlink } = before;
          this.#session.noteLosses(true, mode, uid, gid, nlink);
          return fileNode(stored.digest, stored.size, (mode & EXECUTABLE_BIT) !== 0);
        }
        this.#session.progress.bytes -= stored.size;
      } finally {
        closeSync(fd);
      }
    }
    throw new ImportError("the file changes while it is being read", {
      path: this.#session.describe(),
      remedy: "stop whatever writes to it, or import a snapshot",
    });
  }

  /** Stores what `fd` gives until its end. */
  async #store(fd: number): Promise<Chunk> {
    const { writer, progress } = this.#session;
    const length = this.#fill(fd);
    if (length < BUFFER_BYTES) {
      progress.bytes += length;
      return writer.putBlob(this.#buffer.subarray(0, length));
    }
    const blob = writer.beginBlob();
    for (let read = length; read > 0; read = this.#fill(fd)) {
      blob.write(this.#buffer.subarray(0, read));
      progress.bytes += read;
      if (this.#session.due) await this.#session.pause();
    }
    return blob.end();
  }

  /** Reads on until the buffer is full or the file ends; returns how much there was. */
  #fill(fd: number): number {
    let at = 0;
    while (at < BUFFER_BYTES) {
      const read = readSync(fd, this.#buffer, at, BUFFER_BYTES - at, null);
      if (read === 0) break;
      at += read;
    }
    return at;
  }
}

function unchanged(before: Stats, after: Stats): boolean {
  return (
    before.size === after.size &&
    before.mtimeMs === after.mtimeMs &&
    before.ctimeMs === after.ctimeMs
  );
}

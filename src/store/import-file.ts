/** Storing the contents of one file of the host, all of it on this thread. */
import { closeSync, fstatSync } from "node:fs";
import type { FileNode } from "../castore/node.ts";
import { fileNode } from "../castore/node.ts";
import type { NotAFile } from "./import-open.ts";
import {
  changingFile,
  FILE_ATTEMPTS_MAX,
  isUnchanged,
  openFile,
  readFully,
} from "./import-open.ts";
import { displayPlace, type Place } from "./import-place.ts";
import type { ImportSession } from "./import-session.ts";
import type { Chunk } from "./services.ts";

/** Files up to this size are read whole, larger ones piece by piece. */
const BUFFER_BYTES = 4 * 1024 * 1024;
/** The owner may execute it: what snix goes by. */
const EXECUTABLE_BIT = 0o100;

export class FileImporter {
  readonly #session: ImportSession;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);

  constructor(session: ImportSession) {
    this.#session = session;
  }

  /**
   * Imports a file of up to `bytesMax`; a larger one is left as it is.
   * @throws ImportError, an error of `node:fs`
   */
  async import(
    path: Buffer,
    place: Place,
    bytesMax: number,
  ): Promise<FileNode | NotAFile | "too large"> {
    for (let attempt = 0; attempt < FILE_ATTEMPTS_MAX; attempt += 1) {
      const fd = openFile(path);
      try {
        const before = fstatSync(fd);
        if (!before.isFile()) return "not a file";
        if (before.size > bytesMax) return "too large";
        const stored = await this.#store(fd);
        if (isUnchanged(before, fstatSync(fd))) return importedFile(this.#session, stored, before);
        this.#session.progress.bytes -= stored.size;
      } finally {
        closeSync(fd);
      }
    }
    throw changingFile(displayPlace(place));
  }

  /** Stores what `fd` gives until its end. */
  async #store(fd: number): Promise<Chunk> {
    const { writer, progress } = this.#session;
    const length = readFully(fd, this.#buffer, 0, BUFFER_BYTES, 0);
    if (length < BUFFER_BYTES) {
      progress.bytes += length;
      return writer.putBlob(this.#buffer.subarray(0, length));
    }
    const blob = writer.beginBlob();
    let position = 0;
    for (let read = length; read > 0; ) {
      blob.write(this.#buffer.subarray(0, read));
      position += read;
      progress.bytes += read;
      if (this.#session.due) await this.#session.pause();
      read = readFully(fd, this.#buffer, 0, BUFFER_BYTES, position);
    }
    return blob.end();
  }
}

/** What castore keeps of the status of a file, and what it does not. */
export interface FileStatus {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
}

/** The node of a file whose contents are stored; counts it, and what is lost of it. */
export function importedFile(session: ImportSession, blob: Chunk, status: FileStatus): FileNode {
  session.noteLosses(true, status.mode, status.uid, status.gid, status.nlink);
  session.progress.files += 1;
  return fileNode(blob.digest, blob.size, (status.mode & EXECUTABLE_BIT) !== 0);
}

/**
 * A folder of the host's file system at any depth. Names are bytes. Paths longer than Linux takes
 * (PATH_MAX, 4096 bytes) are cut short by going through an open file descriptor on the way.
 */
import { closeSync, constants, openSync } from "node:fs";

/** Above this a descriptor takes the place of the path: a name more still fits. */
const PATH_BYTES_MAX = 3000;
const SLASH = Buffer.from("/");

export class Folder implements Disposable {
  /** With a slash at its end. */
  readonly #prefix: Buffer;
  readonly #fd: number | undefined;

  private constructor(prefix: Buffer, fd: number | undefined) {
    this.#prefix = prefix;
    this.#fd = fd;
  }

  /** @throws an error of `node:fs`, for a long path that cannot be opened. */
  static at(path: Uint8Array): Folder {
    if (path.length <= PATH_BYTES_MAX) return new Folder(Buffer.concat([path, SLASH]), undefined);
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    const fd = openSync(Buffer.from(path), flags);
    return new Folder(Buffer.from(`/proc/self/fd/${fd}/`), fd);
  }

  /** The path of what is called `name` in this folder, for `node:fs`. Valid until disposal. */
  child(name: Uint8Array): Buffer {
    return Buffer.concat([this.#prefix, name]);
  }

  /** The folder itself, for `node:fs`. */
  get path(): Buffer {
    return this.#prefix;
  }

  enter(name: Uint8Array): Folder {
    return Folder.at(this.child(name));
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
  }
}

/** Bytes of a path as people read them: what is no UTF-8 shows as replacement characters. */
export function displayPath(parts: readonly Uint8Array[]): string {
  return parts.map((part) => Buffer.from(part).toString()).join("/");
}

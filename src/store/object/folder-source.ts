/** Objects as files of a folder: of a disk, or of a file system that is mounted from elsewhere. */
import { randomUUID } from "node:crypto";
import { access, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SourceUnavailable, StoreError } from "../errors.ts";
import type { Source, SourceOptions } from "../source.ts";
import { shownAddress } from "../source-address.ts";
import { systemFailure } from "../sqlite-failure.ts";
import { objectSource } from "./object-source.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";

/** Read from a file at a time. */
const PIECE_BYTES = 256 * 1024;

/**
 * The folder that `url` (`file:///PATH`) names. It need not be there before it is used, and is never
 * made.
 * @throws StoreError when it is no address of a folder.
 */
export async function openFolderSource(url: URL, options: SourceOptions): Promise<Source> {
  return objectSource(new FolderStore(url), options);
}

class FolderStore implements ObjectStore {
  readonly name: string;
  readonly #folder: string;

  constructor(url: URL) {
    this.name = shownAddress(url);
    try {
      this.#folder = fileURLToPath(url);
    } catch (error) {
      throw new StoreError(`${this.name} is not the address of a folder`, {
        cause: error,
        remedy: "write file:///PATH, with three slashes",
      });
    }
  }

  async get(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    const path = join(this.#folder, key);
    try {
      const file = await open(path, "r");
      if (signal.aborted) {
        await file.close();
        signal.throwIfAborted();
      }
      // Closes the file in any case.
      const pieces = file.createReadStream({ signal, highWaterMark: PIECE_BYTES });
      return { size: undefined, pieces: this.#pieces(pieces, path) };
    } catch (error) {
      return await this.#absent(error, path);
    }
  }

  async has(key: string): Promise<boolean> {
    const path = join(this.#folder, key);
    try {
      await stat(path);
      return true;
    } catch (error) {
      await this.#absent(error, path);
      return false;
    }
  }

  /**
   * Under a name of its own until it is on the disk: a file with the right name is whole. What a
   * crash leaves begins with a dot, and may be deleted.
   */
  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.#folder, key);
    const partial = join(dirname(path), `.${randomUUID()}.partial`);
    try {
      await this.#makeFolders(key);
      try {
        const file = await open(partial, "wx");
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(partial, path);
      } catch (error) {
        await rm(partial, { force: true });
        throw error;
      }
      await syncFolder(dirname(path));
    } catch (error) {
      throw systemFailure(error, path);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#pieces(stream: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array> {
    try {
      yield* stream;
    } catch (error) {
      throw this.#unavailable(error, path);
    }
  }

  /** Undefined when it is only the object that is not there. */
  async #absent(error: unknown, path: string): Promise<undefined> {
    if (!hasCode(error, "ENOENT")) throw this.#unavailable(error, path);
    await access(this.#folder).catch((gone: unknown) => {
      throw new SourceUnavailable(`${this.name}: the folder is not there`, {
        cause: gone,
        path: this.#folder,
        remedy: "make the folder, or mount what it lies on",
      });
    });
  }

  #unavailable(error: unknown, path: string): unknown {
    if (!(error instanceof Error) || !("syscall" in error)) return error;
    return new SourceUnavailable(`${this.name}: ${error.message}`, { cause: error, path });
  }

  /** The folders on the way to `key`, on the disk; never the one that all are in. */
  async #makeFolders(key: string): Promise<void> {
    const folders = dirname(key).split("/");
    const parents = folders.map((_, i) => join(this.#folder, ...folders.slice(0, i)));
    const last = join(this.#folder, ...folders);
    if (await isThere(last)) return;
    await access(this.#folder);
    await mkdir(last, { recursive: true });
    for (const parent of parents) await syncFolder(parent);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** What was made or renamed in a folder is on the disk afterwards. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

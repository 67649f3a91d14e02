/** Another castorefs store of this host as a source. */
import { Chunker } from "../chunker.ts";
import { openStoreFiller } from "../disk-filler.ts";
import { type DiskStore, openDiskStore } from "../disk-store.ts";
import type { BlobService, BlobStat, Chunk, DirectoryService, RootService } from "../services.ts";
import type { Source } from "../source.ts";
import type { StoreFiller } from "../store-filler.ts";
import type { StoreWriter } from "../store-writer.ts";

/** Chunks of one blob that wait for the disk before more of it is read. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

/**
 * The store in the folder `path`. It is opened for reading; only what is copied to it writes.
 * @throws StoreAbsent, UnsupportedFormat, StoreError
 */
export function openLocalStoreSource(path: string): Source {
  return new LocalStoreSource(path);
}

class LocalStoreSource implements Source {
  readonly name: string;
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  readonly roots: RootService;
  readonly #store: DiskStore;
  #uploads: Promise<Uploads> | undefined;

  constructor(path: string) {
    this.name = path;
    const store = openDiskStore(path);
    this.#store = store;
    this.blobs = {
      stat: (digest) => store.blobs.stat(digest),
      read: (...request) => store.blobs.read(...request),
      put: async (pieces) => await (await this.#openUploads()).put(pieces),
    };
    this.directories = store.directories;
    this.roots = store.roots;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    (await this.#uploads)?.[Symbol.dispose]();
    this.#store[Symbol.dispose]();
  }

  async #openUploads(): Promise<Uploads> {
    this.#uploads ??= Uploads.open(this.name, this.#store);
    return await this.#uploads;
  }
}

/** Blobs on their way into the store: many at a time, in commits that they share. */
class Uploads implements Disposable {
  readonly #filler: StoreFiller;
  /** Writes nothing: while it is open, no collection takes blobs away that no directory names yet. */
  readonly #held: StoreWriter;

  private constructor(filler: StoreFiller, held: StoreWriter) {
    this.#filler = filler;
    this.#held = held;
  }

  static async open(path: string, store: DiskStore): Promise<Uploads> {
    const held = await store.openWriter();
    try {
      return new Uploads(openStoreFiller(path), held);
    } catch (error) {
      held[Symbol.dispose]();
      throw error;
    }
  }

  async put(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<BlobStat & Chunk> {
    let waiting: Promise<void>[] = [];
    let waitingBytes = 0;
    const settle = async () => {
      const settled = Promise.all(waiting);
      waiting = [];
      waitingBytes = 0;
      await settled;
    };
    const chunker = new Chunker((chunk, bytes) => {
      const putting = this.#filler.putChunk(chunk, bytes.slice());
      // Looked at by `settle`.
      putting.catch(() => {});
      waiting.push(putting);
      waitingBytes += bytes.length;
    });
    for await (const piece of pieces) {
      chunker.write(piece);
      if (waitingBytes > WAITING_BYTES_MAX) await settle();
    }
    const blob = chunker.end();
    await settle();
    await this.#filler.putBlob(blob.digest, blob, true);
    return blob;
  }

  [Symbol.dispose](): void {
    this.#filler[Symbol.dispose]();
    this.#held[Symbol.dispose]();
  }
}

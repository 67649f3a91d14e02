/** Another castorefs store of this host as a source. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Directory } from "../../castore/directory.ts";
import type { Name } from "../../castore/name.ts";
import type { DirectoryNode, Node } from "../../castore/node.ts";
import { Chunker } from "../chunker.ts";
import { putLeavesFirst } from "../directory-graph.ts";
import { type DiskStore, openDiskStore } from "../disk-store.ts";
import type { BlobService, BlobStat, Chunk, DirectoryService, RootService } from "../services.ts";
import type { Source } from "../source.ts";
import type { StoreWriter } from "../store-writer.ts";

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
  #closed = false;

  constructor(path: string) {
    this.name = path;
    const store = openDiskStore(path);
    this.#store = store;
    this.blobs = {
      stat: (digest) => store.blobs.stat(digest),
      read: (...request) => store.blobs.read(...request),
      put: async (pieces) => await (await this.#openUploads()).put(pieces),
    };
    this.directories = {
      get: (digest) => store.directories.get(digest),
      getRecursive: (digest) => store.directories.getRecursive(digest),
      put: async (directory) => await (await this.#openUploads()).putDirectories([directory]),
      putRecursive: async (all) => await (await this.#openUploads()).putDirectories(all),
    };
    this.roots = {
      get: (name) => store.roots.get(name),
      list: () => store.roots.list(),
      delete: (name) => store.roots.delete(name),
      put: async (name, node) => (await this.#openUploads()).putRoot(name, node),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    (await this.#uploads?.catch(() => undefined))?.[Symbol.dispose]();
    this.#store[Symbol.dispose]();
  }

  async #openUploads(): Promise<Uploads> {
    this.#uploads ??= this.#store.openWriter().then(
      (writer) => new Uploads(writer),
      (error: unknown) => {
        this.#uploads = undefined;
        throw error;
      },
    );
    return await this.#uploads;
  }
}

/**
 * What is on its way into the store, all of it through one writer: while that is open no collection
 * takes blobs away that no directory names yet. Taking a second slot for a writer beside it could
 * wait for a collection that waits for the first.
 */
class Uploads implements Disposable {
  readonly #writer: StoreWriter;
  #committing: Promise<void> | undefined;

  constructor(writer: StoreWriter) {
    this.#writer = writer;
  }

  async put(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<BlobStat & Chunk> {
    const chunker = new Chunker((chunk, bytes) => this.#writer.putChunk(chunk, bytes));
    for await (const piece of pieces) chunker.write(piece);
    const blob = chunker.end();
    this.#writer.endBlob(blob);
    await this.#commit();
    return blob;
  }

  async putDirectories(
    directories: AsyncIterable<Directory> | Iterable<Directory>,
  ): Promise<DirectoryNode> {
    const node = await putLeavesFirst(directories, (one) => this.#writer.putDirectory(one));
    await this.#commit();
    return node;
  }

  putRoot(name: Name, node: Node): void {
    this.#writer.putRoot(name, node);
  }

  [Symbol.dispose](): void {
    this.#writer[Symbol.dispose]();
  }

  /** Those who end in one turn of the event loop share a commit. */
  async #commit(): Promise<void> {
    this.#committing ??= nextTurn().then(() => {
      this.#committing = undefined;
      this.#writer.commit();
    });
    await this.#committing;
  }
}

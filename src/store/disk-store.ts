/** A store in a folder of this host, for the control side. See disk-layout.ts for what lies there. */
import type { DatabaseSync } from "node:sqlite";
import { openIndex } from "./disk-index.ts";
import { DiskObjects } from "./disk-objects.ts";
import { DiskBlobs, DiskDirectories, DiskRoots } from "./disk-services.ts";
import type { DiskWriterOptions } from "./disk-writer.ts";
import { DiskWriter } from "./disk-writer.ts";
import type {
  BlobService,
  DirectoryService,
  RootService,
  Store,
  WriterOptions,
} from "./services.ts";
import type { StoreWriter } from "./store-writer.ts";
import { WriterSlot } from "./writer-slots.ts";

export interface DiskStoreOptions extends DiskWriterOptions {
  /** Makes the store when there is none. */
  readonly create?: boolean;
}

/**
 * Opens the store in the folder `path`.
 * @throws StoreAbsent, UnsupportedFormat, StoreError
 */
export function openDiskStore(path: string, options: DiskStoreOptions = {}): DiskStore {
  if (options.create === true) openIndex(path, "create").close();
  return new DiskStore(path, options);
}

export class DiskStore implements Store {
  readonly path: string;
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  readonly roots: RootService;
  readonly #options: DiskWriterOptions;
  readonly #database: DatabaseSync;
  readonly #objects: DiskObjects;

  constructor(path: string, options: DiskWriterOptions) {
    this.path = path;
    this.#options = options;
    this.#database = openIndex(path, "read");
    const openWriter = () => this.openWriter();
    try {
      this.#objects = new DiskObjects(path, this.#database);
      this.roots = new DiskRoots(path, this.#database, openWriter);
    } catch (error) {
      this.#database.close();
      throw error;
    }
    this.blobs = new DiskBlobs(this.#objects, openWriter);
    this.directories = new DiskDirectories(this.#objects, openWriter);
  }

  async openWriter(options: WriterOptions = {}): Promise<StoreWriter> {
    const slot = await WriterSlot.take(this.path, options);
    try {
      return new DiskWriter(this.path, slot, this.#options);
    } catch (error) {
      slot[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#objects[Symbol.dispose]();
    this.#database.close();
  }
}

/** Blobs, directories and root nodes of a store on disk. Each put is committed before it returns. */
import type { DatabaseSync } from "node:sqlite";
import type { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import { CastoreError } from "../castore/errors.ts";
import type { Name } from "../castore/name.ts";
import { parseName } from "../castore/name.ts";
import type { DirectoryNode, Node } from "../castore/node.ts";
import { decodeEntry } from "../castore/proto.ts";
import { CachedChunkReader } from "./cached-chunk-reader.ts";
import { putLeavesFirst, rootFirst } from "./directory-graph.ts";
import { openIndex } from "./disk-index.ts";
import { indexPath } from "./disk-layout.ts";
import type { DiskObjects } from "./disk-objects.ts";
import { CorruptObject, MissingObject, StoreError } from "./errors.ts";
import { inTransaction } from "./object-rows.ts";
import { RootTable, RootTableWriter } from "./root-table.ts";
import type {
  BlobService,
  BlobStat,
  ByteRange,
  Chunk,
  DirectoryService,
  NamedRoot,
  RequestOptions,
  RootService,
} from "./services.ts";
import { indexFailure } from "./sqlite-failure.ts";
import type { StoreWriter } from "./store-writer.ts";

type OpenWriter = () => Promise<StoreWriter>;

export class DiskBlobs implements BlobService {
  readonly #objects: DiskObjects;
  readonly #openWriter: OpenWriter;
  readonly #reader: CachedChunkReader;

  constructor(objects: DiskObjects, openWriter: OpenWriter) {
    this.#objects = objects;
    this.#openWriter = openWriter;
    this.#reader = new CachedChunkReader(async (chunk) => {
      // Every byte of it is written before anybody sees it, or the read fails.
      const bytes = Buffer.allocUnsafeSlow(chunk.size);
      // A blob names it, so an absent chunk is damage, not absence.
      if (!this.#objects.readChunk(chunk, bytes)) throw new CorruptObject("chunk", chunk.digest);
      return bytes;
    });
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    return this.#objects.statBlob(digest);
  }

  async *read(
    digest: Digest,
    range: ByteRange = {},
    options: RequestOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const stat = this.#objects.statBlob(digest);
    if (stat === undefined) throw new MissingObject("blob", digest);
    yield* this.#reader.read(stat.chunks, range, options.signal);
  }

  async put(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<BlobStat & Chunk> {
    using writer = await this.#openWriter();
    const blob = writer.beginBlob();
    for await (const piece of pieces) blob.write(piece);
    const stored = blob.end();
    writer.commit();
    return stored;
  }
}

export class DiskDirectories implements DirectoryService {
  readonly #objects: DiskObjects;
  readonly #openWriter: OpenWriter;

  constructor(objects: DiskObjects, openWriter: OpenWriter) {
    this.#objects = objects;
    this.#openWriter = openWriter;
  }

  async get(digest: Digest): Promise<Directory | undefined> {
    return this.#objects.directory(digest);
  }

  getRecursive(digest: Digest): AsyncIterable<Directory> {
    return rootFirst(digest, (child) => this.get(child));
  }

  async put(directory: Directory): Promise<DirectoryNode> {
    return await this.putRecursive([directory]);
  }

  async putRecursive(
    directories: AsyncIterable<Directory> | Iterable<Directory>,
  ): Promise<DirectoryNode> {
    using writer = await this.#openWriter();
    const node = await putLeavesFirst(directories, (directory) => writer.putDirectory(directory));
    writer.commit();
    return node;
  }
}

export class DiskRoots implements RootService {
  readonly #directory: string;
  readonly #table: RootTable;
  readonly #openWriter: OpenWriter;

  constructor(directory: string, database: DatabaseSync, openWriter: OpenWriter) {
    this.#directory = directory;
    this.#table = new RootTable(database);
    this.#openWriter = openWriter;
  }

  async get(name: Name): Promise<Node | undefined> {
    return this.#guarded(() => this.#node(name));
  }

  async put(name: Name, node: Node): Promise<void> {
    using writer = await this.#openWriter();
    writer.putRoot(name, node);
  }

  async delete(name: Name): Promise<boolean> {
    return this.#guarded(() => {
      const database = openIndex(this.#directory, "write");
      try {
        const table = new RootTableWriter(database);
        return inTransaction(database, () => table.delete(name));
      } finally {
        database.close();
      }
    });
  }

  async list(): Promise<NamedRoot[]> {
    return this.#guarded(() => {
      const roots: NamedRoot[] = [];
      for (const bytes of this.#table.list()) {
        const root = this.#sound(bytes);
        if (root !== undefined) roots.push(root);
      }
      return roots;
    });
  }

  /** Undefined: the row is damaged, which `get` and verify report, or was just removed. */
  #sound(bytes: Uint8Array): NamedRoot | undefined {
    try {
      const name = parseName(bytes);
      const node = this.#node(name);
      return node && { name, node };
    } catch (error) {
      if (error instanceof StoreError || error instanceof CastoreError) return undefined;
      throw error;
    }
  }

  #node(name: Name): Node | undefined {
    const entry = this.#table.get(name);
    if (entry === undefined) return undefined;
    try {
      return decodeEntry(entry).node;
    } catch (error) {
      throw new StoreError("a root node is damaged", { cause: error });
    }
  }

  #guarded<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      throw indexFailure(error, indexPath(this.#directory));
    }
  }
}

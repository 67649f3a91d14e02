/** A store in the memory of this process: for tests, and the plainest example of all interfaces. */
import type { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import type { Name } from "../castore/name.ts";
import { parseName } from "../castore/name.ts";
import type { DirectoryNode, Node } from "../castore/node.ts";
import { decodeEntry } from "../castore/proto.ts";
import { ChunkRanges } from "./chunk-ranges.ts";
import { Chunker, chunkWhole } from "./chunker.ts";
import { putLeavesFirst, rootFirst } from "./directory-graph.ts";
import { CorruptObject, MissingObject } from "./errors.ts";
import type { LocalReader } from "./local-reader.ts";
import { MemoryContents, nameKey } from "./memory-contents.ts";
import { MemoryReader } from "./memory-reader.ts";
import type { Misses } from "./misses.ts";
import type {
  BlobService,
  BlobStat,
  ByteRange,
  Chunk,
  DirectoryService,
  NamedRoot,
  RootService,
  Store,
} from "./services.ts";
import type { BlobWriter, StoreWriter } from "./store-writer.ts";

export class MemoryStore implements Store {
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  readonly roots: RootService;
  readonly #contents = new MemoryContents();

  constructor() {
    this.blobs = new MemoryBlobs(this.#contents);
    this.directories = new MemoryDirectories(this.#contents);
    this.roots = new MemoryRoots(this.#contents);
  }

  async openWriter(): Promise<StoreWriter> {
    return new MemoryWriter(this.#contents);
  }

  /** What a device thread reads; sees what is put later as well. `misses` as for a disk reader. */
  openReader(misses?: undefined): LocalReader<never>;
  openReader(misses: Misses): LocalReader;
  openReader(misses?: Misses): LocalReader {
    return new MemoryReader(this.#contents, misses);
  }

  [Symbol.dispose](): void {}
}

class MemoryBlobs implements BlobService {
  readonly #contents: MemoryContents;

  constructor(contents: MemoryContents) {
    this.#contents = contents;
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    return this.#contents.stat(digest);
  }

  async *read(digest: Digest, range: ByteRange = {}): AsyncGenerator<Uint8Array> {
    const stat = this.#contents.stat(digest);
    if (stat === undefined) throw new MissingObject("blob", digest);
    for (const { chunk, begin, end } of new ChunkRanges(stat.chunks).parts(range)) {
      const bytes = this.#contents.chunks.get(chunk.digest.key);
      if (bytes === undefined) throw new CorruptObject("chunk", chunk.digest);
      yield bytes.subarray(begin, end);
    }
  }

  async put(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<BlobStat & Chunk> {
    const chunker = new Chunker((chunk, bytes) => this.#contents.putChunk(chunk, bytes));
    for await (const piece of pieces) chunker.write(piece);
    return this.#contents.endBlob(chunker.end());
  }
}

class MemoryDirectories implements DirectoryService {
  readonly #contents: MemoryContents;

  constructor(contents: MemoryContents) {
    this.#contents = contents;
  }

  async get(digest: Digest): Promise<Directory | undefined> {
    return this.#contents.directory(digest);
  }

  getRecursive(digest: Digest): AsyncIterable<Directory> {
    return rootFirst(digest, (child) => this.get(child));
  }

  async put(directory: Directory): Promise<DirectoryNode> {
    return this.#contents.putDirectory(directory).node;
  }

  async putRecursive(
    directories: AsyncIterable<Directory> | Iterable<Directory>,
  ): Promise<DirectoryNode> {
    return await putLeavesFirst(directories, (directory) => this.put(directory));
  }
}

class MemoryRoots implements RootService {
  readonly #contents: MemoryContents;

  constructor(contents: MemoryContents) {
    this.#contents = contents;
  }

  async get(name: Name): Promise<Node | undefined> {
    const entry = this.#contents.roots.get(nameKey(name));
    return entry && decodeEntry(entry).node;
  }

  async put(name: Name, node: Node): Promise<void> {
    this.#contents.putRoot(name, node);
  }

  async delete(name: Name): Promise<boolean> {
    return this.#contents.roots.delete(nameKey(name));
  }

  async list(): Promise<NamedRoot[]> {
    const roots: NamedRoot[] = [];
    for (const bytes of this.#contents.rootNames()) {
      const name = parseName(bytes);
      const node = await this.get(name);
      if (node !== undefined) roots.push({ name, node });
    }
    return roots;
  }
}

/** What is put is visible at once: there is nothing to lose and nothing to wait for. */
class MemoryWriter implements StoreWriter {
  readonly #contents: MemoryContents;
  #newBytes = 0;

  constructor(contents: MemoryContents) {
    this.#contents = contents;
  }

  get newBytes(): number {
    return this.#newBytes;
  }

  beginBlob(): BlobWriter {
    const chunker = new Chunker((chunk, bytes) => this.putChunk(chunk, bytes));
    return {
      write: (bytes) => chunker.write(bytes),
      end: () => this.#contents.endBlob(chunker.end()),
    };
  }

  putBlob(bytes: Uint8Array): BlobStat & Chunk {
    return this.#contents.endBlob(chunkWhole(bytes, (chunk, piece) => this.putChunk(chunk, piece)));
  }

  putChunk(chunk: Chunk, bytes: Uint8Array): void {
    if (this.#contents.putChunk(chunk, bytes)) this.#newBytes += bytes.length;
  }

  endBlob(blob: BlobStat & Chunk): void {
    this.#contents.endBlob(blob);
  }

  putDirectory(directory: Directory): DirectoryNode {
    const { node, newBytes } = this.#contents.putDirectory(directory);
    this.#newBytes += newBytes;
    return node;
  }

  commit(): void {}

  putRoot(name: Name, node: Node): void {
    this.#contents.putRoot(name, node);
  }

  [Symbol.dispose](): void {}
}

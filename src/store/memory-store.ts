/** A store in the memory of this process: for tests, and the plainest example of all interfaces. */
import { EIO } from "../base/errno.ts";
import type { ByteSink } from "../base/segments.ts";
import { blake3, blake3Matches } from "../castore/blake3.ts";
import { Digest, digestKey } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import type { Name } from "../castore/name.ts";
import { parseName } from "../castore/name.ts";
import type { DirectoryNode, Node } from "../castore/node.ts";
import { directoryNode } from "../castore/node.ts";
import { decodeDirectory, decodeEntry, encodeDirectory, encodeEntry } from "../castore/proto.ts";
import { Chunker, chunkWhole } from "./chunker.ts";
import { CorruptObject, MissingObject, StoreBusy } from "./errors.ts";
import type { BlobReader, LocalReader, RootSource } from "./local-reader.ts";
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
  readonly #contents = new Contents();
  #writing = false;

  constructor() {
    this.blobs = new MemoryBlobs(this.#contents);
    this.directories = new MemoryDirectories(this.#contents);
    this.roots = new MemoryRoots(this.#contents);
  }

  async openWriter(): Promise<StoreWriter> {
    if (this.#writing) throw new StoreBusy("another import is writing to this store");
    this.#writing = true;
    return new MemoryWriter(this.#contents, () => {
      this.#writing = false;
    });
  }

  /** What a device thread reads; sees what is put later as well. */
  openReader(): LocalReader {
    return new MemoryReader(this.#contents);
  }

  [Symbol.dispose](): void {}
}

/** Everything by digest or name; what is put is copied. */
class Contents {
  readonly chunks = new Map<string, Uint8Array>();
  /** Blobs of more than one chunk. */
  readonly blobs = new Map<string, BlobStat>();
  readonly directories = new Map<string, Uint8Array>();
  /** Encoded root nodes, by their names' bytes as text. */
  readonly roots = new Map<string, Uint8Array>();

  stat(digest: Digest): BlobStat | undefined {
    const chunk = this.chunks.get(digest.key);
    if (chunk === undefined) return this.blobs.get(digest.key);
    return { size: chunk.length, chunks: [{ digest, size: chunk.length }] };
  }

  putChunk(chunk: Chunk, bytes: Uint8Array): boolean {
    if (this.chunks.has(chunk.digest.key)) return false;
    this.chunks.set(chunk.digest.key, new Uint8Array(bytes));
    return true;
  }

  endBlob(blob: BlobStat & Chunk): BlobStat & Chunk {
    if (blob.chunks.length > 1) this.blobs.set(blob.digest.key, blob);
    return blob;
  }

  directory(digest: Digest): Directory | undefined {
    const encoded = this.directories.get(digest.key);
    return encoded && decodeDirectory(encoded);
  }

  /** @throws MissingObject unless what the node names is here. */
  require(node: Node): void {
    if (node.kind === "file" && this.stat(node.digest)?.size !== node.size) {
      throw new MissingObject(`blob of ${node.size} bytes`, node.digest);
    }
    if (node.kind !== "directory") return;
    if (this.directory(node.digest)?.acceptsSize(node.size) !== true) {
      throw new MissingObject(`directory of size ${node.size}`, node.digest);
    }
  }

  putDirectory(directory: Directory): { node: DirectoryNode; newBytes: number } {
    for (const { node } of directory.entries) this.require(node);
    const encoded = encodeDirectory(directory);
    const digest = blake3(encoded);
    const newBytes = this.directories.has(digest.key) ? 0 : encoded.length;
    this.directories.set(digest.key, encoded);
    return { node: directoryNode(digest, directory.size), newBytes };
  }

  putRoot(name: Name, node: Node): void {
    this.require(node);
    this.roots.set(nameKey(name), encodeEntry(node));
  }

  /** In byte order. */
  rootNames(): Uint8Array[] {
    const names = [...this.roots.keys()].map((key) => Buffer.from(key, "latin1"));
    return names.sort(Buffer.compare).map((name) => Uint8Array.from(name));
  }
}

function nameKey(name: Uint8Array): string {
  return Buffer.from(name).toString("latin1");
}

class MemoryBlobs implements BlobService {
  readonly #contents: Contents;

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  async stat(digest: Digest): Promise<BlobStat | undefined> {
    return this.#contents.stat(digest);
  }

  async *read(digest: Digest, range: ByteRange = {}): AsyncGenerator<Uint8Array> {
    const stat = this.#contents.stat(digest);
    if (stat === undefined) throw new MissingObject("blob", digest);
    const begin = range.offset ?? 0;
    const end = Math.min(stat.size, begin + (range.length ?? stat.size));
    let at = 0;
    for (const chunk of stat.chunks) {
      const chunkEnd = at + chunk.size;
      const bytes = this.#contents.chunks.get(chunk.digest.key);
      if (bytes === undefined) throw new CorruptObject("blob", digest);
      if (at < end && chunkEnd > begin) {
        yield bytes.subarray(Math.max(begin - at, 0), Math.min(end, chunkEnd) - at);
      }
      at = chunkEnd;
    }
  }

  async put(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<BlobStat & Chunk> {
    const chunker = new Chunker((chunk, bytes) => this.#contents.putChunk(chunk, bytes));
    for await (const piece of pieces) chunker.write(piece);
    return this.#contents.endBlob(chunker.end());
  }
}

class MemoryDirectories implements DirectoryService {
  readonly #contents: Contents;

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  async get(digest: Digest): Promise<Directory | undefined> {
    return this.#contents.directory(digest);
  }

  async put(directory: Directory): Promise<DirectoryNode> {
    return this.#contents.putDirectory(directory).node;
  }
}

class MemoryRoots implements RootService {
  readonly #contents: Contents;

  constructor(contents: Contents) {
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
  readonly #contents: Contents;
  readonly #closed: () => void;
  #newBytes = 0;

  constructor(contents: Contents, closed: () => void) {
    this.#contents = contents;
    this.#closed = closed;
  }

  get newBytes(): number {
    return this.#newBytes;
  }

  beginBlob(): BlobWriter {
    const chunker = new Chunker((chunk, bytes) => this.#putChunk(chunk, bytes));
    return {
      write: (bytes) => chunker.write(bytes),
      end: () => this.#contents.endBlob(chunker.end()),
    };
  }

  putBlob(bytes: Uint8Array): BlobStat & Chunk {
    return this.#contents.endBlob(
      chunkWhole(bytes, (chunk, piece) => this.#putChunk(chunk, piece)),
    );
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

  [Symbol.dispose](): void {
    this.#closed();
  }

  #putChunk(chunk: Chunk, bytes: Uint8Array): void {
    if (this.#contents.putChunk(chunk, bytes)) this.#newBytes += bytes.length;
  }
}

class MemoryReader implements LocalReader {
  readonly #contents: Contents;

  constructor(contents: Contents) {
    this.#contents = contents;
  }

  directory(bytes: Uint8Array, start: number): Uint8Array | undefined {
    const encoded = this.#contents.directories.get(digestKey(bytes, start));
    if (encoded === undefined || blake3Matches(encoded, bytes, start)) return encoded;
    throw new CorruptObject("directory", Digest.at(bytes, start));
  }

  blob(bytes: Uint8Array, start: number): BlobReader | undefined {
    const stat = this.#contents.stat(Digest.at(bytes, start));
    if (stat === undefined) return undefined;
    const chunks = stat.chunks.map(({ digest }) => this.#contents.chunks.get(digest.key));
    return new MemoryBlob(stat.size, chunks);
  }

  roots(): RootSource {
    return {
      get: (name) => this.#contents.roots.get(nameKey(name)),
      list: () => this.#contents.rootNames(),
    };
  }

  [Symbol.dispose](): void {}
}

class MemoryBlob implements BlobReader {
  readonly size: number;
  readonly #chunks: readonly (Uint8Array | undefined)[];

  constructor(size: number, chunks: readonly (Uint8Array | undefined)[]) {
    this.size = size;
    this.#chunks = chunks;
  }

  read(offset: number, length: number, sink: ByteSink): number {
    const end = offset + length;
    let begin = 0;
    for (const chunk of this.#chunks) {
      if (begin >= end) return 0;
      if (chunk === undefined) return -EIO;
      const from = Math.max(offset - begin, 0);
      const to = Math.min(end - begin, chunk.length);
      if (from < to) {
        const result = sink.append(chunk, from, to - from);
        if (result !== 0) return result;
      }
      begin += chunk.length;
    }
    return 0;
  }
}

/** What a store in memory is made of. Maps have text keys: the bytes of a digest or a name. */
import { blake3 } from "../castore/blake3.ts";
import type { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import type { Name } from "../castore/name.ts";
import type { DirectoryNode, Node } from "../castore/node.ts";
import { directoryNode } from "../castore/node.ts";
import { decodeDirectory, encodeDirectory, encodeEntry } from "../castore/proto.ts";
import { MissingObject } from "./errors.ts";
import type { BlobStat, Chunk } from "./services.ts";

/** Everything by digest or name; what is put is copied. */
export class MemoryContents {
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

  /** @throws MissingObject unless all chunks are here. */
  endBlob(blob: BlobStat & Chunk): BlobStat & Chunk {
    for (const { digest, size } of blob.chunks) {
      const chunk = this.chunks.get(digest.key);
      if (chunk?.length !== size) throw new MissingObject(`chunk of ${size} bytes`, digest);
    }
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

export function nameKey(name: Uint8Array): string {
  return Buffer.from(name).toString("latin1");
}

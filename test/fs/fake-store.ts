/** A store in a few maps, which can be made to lose, to damage and to fetch things. */
import { MISSING } from "../../src/base/missing.ts";
import { blake3 } from "../../src/castore/blake3.ts";
import { Digest } from "../../src/castore/digest.ts";
import { Directory } from "../../src/castore/directory.ts";
import { parseName } from "../../src/castore/name.ts";
import {
  type DirectoryNode,
  directoryNode,
  type FileNode,
  fileNode,
  type Node,
  type SymlinkNode,
  symlinkNode,
} from "../../src/castore/node.ts";
import { encodeDirectory, encodeEntry } from "../../src/castore/proto.ts";
import type { BlobReader, LocalReader, RootSource } from "../../src/store/local-reader.ts";

export class FakeStore implements LocalReader {
  readonly blobs = new Map<string, Uint8Array>();
  readonly directories = new Map<string, Uint8Array>();
  readonly rootNodes = new Map<string, Uint8Array>();
  /** Digests (hex) that throw when they are asked for. */
  readonly rotten = new Set<string>();
  /** Digests (hex) that are elsewhere, to be fetched. */
  readonly #away = new Set<string>();
  directoryReads = 0;
  blobOpens = 0;

  file(content: Uint8Array | string, executable = false): FileNode {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    const digest = blake3(bytes);
    this.blobs.set(digest.hex, bytes);
    return fileNode(digest, bytes.length, executable);
  }

  tree(entries: Iterable<readonly [string | Uint8Array, Node]>): DirectoryNode {
    const parsed = [...entries].map(([name, node]) => ({ name: parseName(name), node }));
    const directory = Directory.of(parsed);
    const encoded = encodeDirectory(directory);
    const digest = blake3(encoded);
    this.directories.set(digest.hex, encoded);
    return directoryNode(digest, directory.size);
  }

  symlink(target: string | Uint8Array): SymlinkNode {
    return symlinkNode(target);
  }

  root(name: string, node: Node): void {
    this.rootNodes.set(name, encodeEntry(node));
  }

  removeRoot(name: string): void {
    this.rootNodes.delete(name);
  }

  takeAway(...digests: Digest[]): void {
    for (const { hex } of digests) this.#away.add(hex);
  }

  /** Everything that is away is fetched. */
  bringBack(): void {
    this.#away.clear();
  }

  directory(bytes: Uint8Array, start: number): Uint8Array | undefined | typeof MISSING {
    const { hex } = Digest.at(bytes, start);
    this.directoryReads += 1;
    if (this.#away.has(hex)) return MISSING;
    if (this.rotten.has(hex)) throw new Error("rotten on purpose");
    return this.directories.get(hex);
  }

  blob(bytes: Uint8Array, start: number): BlobReader | undefined | typeof MISSING {
    const { hex } = Digest.at(bytes, start);
    this.blobOpens += 1;
    if (this.#away.has(hex)) return MISSING;
    if (this.rotten.has(hex)) throw new Error("rotten on purpose");
    const content = this.blobs.get(hex);
    if (content === undefined) return undefined;
    return {
      size: content.length,
      read: (offset, length, sink) => sink.append(content, offset, length),
    };
  }

  roots(): RootSource {
    return {
      get: (name) => this.rootNodes.get(Buffer.from(name).toString()),
      list: () => [...this.rootNodes.keys()].map((name) => Buffer.from(name)).sort(Buffer.compare),
    };
  }

  trim(): void {}

  [Symbol.dispose](): void {}
}

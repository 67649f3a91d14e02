/** What a writer may name: what it has put, and what is stored and whole. */
import type { Digest } from "../castore/digest.ts";
import { acceptsSize } from "../castore/directory.ts";
import type { DirectoryNode, FileNode, Node } from "../castore/node.ts";
import type { DiskObjects } from "./disk-objects.ts";
import { MissingObject } from "./errors.ts";
import type { ReadSnapshot } from "./read-snapshot.ts";
import type { DirectorySize } from "./recent-sizes.ts";
import { RecentSizes } from "./recent-sizes.ts";
import type { WriteBatch } from "./write-batch.ts";

export class KnownObjects {
  /** What was put and found there already, so that naming it needs no second look. */
  readonly recent = new RecentSizes();
  readonly #objects: DiskObjects;
  readonly #batch: WriteBatch;
  readonly #snapshot: ReadSnapshot;

  /** `snapshot` is what `objects` looks into. */
  constructor(objects: DiskObjects, batch: WriteBatch, snapshot: ReadSnapshot) {
    this.#objects = objects;
    this.#batch = batch;
    this.#snapshot = snapshot;
  }

  /** Bytes; undefined: absent. */
  chunkSize(digest: Digest): number | undefined {
    return this.#batch.chunkSize(digest) ?? this.#objects.chunkSize(digest);
  }

  /** @throws MissingObject unless what the node names is there, whole, and of that size. */
  requireNode(node: Node): void {
    if (node.kind === "symlink" || this.#has(node)) return;
    // Another may have put it since the snapshot began.
    this.#snapshot.end();
    if (this.#has(node)) return;
    const { kind, size, digest } = node;
    const what = kind === "file" ? `blob of ${size} bytes` : `directory of size ${size}`;
    throw new MissingObject(what, digest);
  }

  #has(node: FileNode | DirectoryNode): boolean {
    return node.kind === "file"
      ? this.#blobSize(node.digest) === node.size
      : this.#hasDirectory(node);
  }

  #blobSize(digest: Digest): number | undefined {
    return (
      this.#batch.chunkSize(digest) ??
      this.#batch.blobSize(digest) ??
      this.recent.blob(digest) ??
      this.#objects.blobSize(digest)
    );
  }

  #hasDirectory({ digest, size }: DirectoryNode): boolean {
    const stored =
      this.recent.directory(digest) ??
      this.#batch.directory(digest) ??
      this.#storedDirectory(digest);
    return stored !== undefined && acceptsSize(stored.size, stored.children, size);
  }

  #storedDirectory(digest: Digest): DirectorySize | undefined {
    return this.#objects.isWhole(digest) ? this.#objects.directorySize(digest) : undefined;
  }
}

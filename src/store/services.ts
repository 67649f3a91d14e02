/**
 * What a store offers to the control side: blobs, directories and named root nodes. All of it is
 * asynchronous, because a store may be on another host. What a device thread reads is the other
 * interface, `LocalReader`.
 */
import type { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import type { Name } from "../castore/name.ts";
import type { DirectoryNode, Node } from "../castore/node.ts";
import type { StoreWriter } from "./store-writer.ts";

/** A piece of a blob, with a digest of its own. */
export interface Chunk {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

export interface BlobStat {
  /** Bytes. */
  readonly size: number;
  /** In order, one at least. A single chunk has the digest of the blob. */
  readonly chunks: readonly Chunk[];
}

/** Bytes of a blob from `offset` (0) on, `length` of them at the most (all). */
export interface ByteRange {
  readonly offset?: number;
  readonly length?: number;
}

export interface RequestOptions {
  /** Gives the request up: it rejects with the signal's reason. Local stores need not look at it. */
  readonly signal?: AbortSignal;
}

/** File contents. The digest of a chunk serves as the digest of a blob as well. */
export interface BlobService {
  /**
   * Undefined when the store lacks the blob. What a remote service says of chunks is not proven by
   * the blob's digest before all of them were read.
   * @throws SourceUnavailable
   */
  stat(digest: Digest, options?: RequestOptions): Promise<BlobStat | undefined>;

  /**
   * The bytes of `range`, verified, in pieces. Each piece is valid until the next is asked for.
   * Nothing beyond the end of the blob, without complaint.
   * @throws MissingObject, CorruptObject, SourceUnavailable
   */
  read(digest: Digest, range?: ByteRange, options?: RequestOptions): AsyncIterable<Uint8Array>;

  /** Stores the bytes of `pieces` as one blob. Storing what is there already changes nothing. */
  put(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<BlobStat & Chunk>;
}

export interface DirectoryService {
  /**
   * Undefined when the store lacks the directory.
   * @throws CorruptObject, SourceUnavailable
   */
  get(digest: Digest, options?: RequestOptions): Promise<Directory | undefined>;

  /**
   * The directory and all directories below it: every one once, none before one that names it, the
   * root first. Nothing when the store lacks the root.
   * @throws MissingObject, CorruptObject, SourceUnavailable
   */
  getRecursive(digest: Digest, options?: RequestOptions): AsyncIterable<Directory>;

  /**
   * Stores a directory, whose children must be there: leaves first, the root last.
   * @throws MissingObject when a child is absent, or does not have the size that is said of it.
   */
  put(directory: Directory): Promise<DirectoryNode>;

  /**
   * Stores a tree of directories, each after those that it names (which may be there already), the
   * root last. Returns the root's node.
   * @throws MissingObject, InvalidGraph when another than the last is named by none.
   */
  putRecursive(directories: AsyncIterable<Directory> | Iterable<Directory>): Promise<DirectoryNode>;
}

export interface NamedRoot {
  readonly name: Name;
  readonly node: Node;
}

/** Which root nodes there are, and under which names they are to be found. */
export interface RootService {
  /** @throws StoreError when what is stored under the name is damaged. */
  get(name: Name): Promise<Node | undefined>;

  /**
   * Gives the name to `node`, whatever it named before.
   * @throws MissingObject when what the node names is absent.
   */
  put(name: Name, node: Node): Promise<void>;

  /** Takes a name away; its contents stay. False: there was no such name. */
  delete(name: Name): Promise<boolean>;

  /** In byte order of the names. */
  list(): Promise<NamedRoot[]>;
}

export interface WriterOptions {
  /** How long to wait while there are too many writers; the store's own patience when left out. */
  readonly waitMilliseconds?: number;
}

/** Disposing of a store closes it. */
export interface Store extends Disposable {
  /** The folder of this host that it lies in, if it does: no import may take it in. */
  readonly path?: string;
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  readonly roots: RootService;

  /**
   * The right to write in bulk, which several may have at a time.
   * @throws StoreBusy when there are too many, or one who deletes, for longer than one would wait.
   */
  openWriter(options?: WriterOptions): Promise<StoreWriter>;
}

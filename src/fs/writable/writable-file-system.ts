/**
 * A castore tree that a guest may change, as a FUSE file system: the base, which never changes, with
 * a layer over it that holds all differences. The guest's kernel is the only one that changes the
 * tree, so that it may go by names, their absence and attributes for ever.
 */
import { randomInt } from "node:crypto";
import type { NodeId } from "../../base/brands.ts";
import { EINVAL, EISDIR, ENODATA, ENOENT, ENOTDIR, ESTALE } from "../../base/errno.ts";
import { OnceLogger } from "../../base/once-logger.ts";
import type { ByteSink } from "../../base/segments.ts";
import {
  type Attributes,
  type DirectoryPlusSink,
  type DirectorySink,
  type Entry,
  type FileSystem,
  type FileSystemStatistics,
  FOREVER,
  type NameBytes,
} from "../../fuse/file-system.ts";
import type { Modifications } from "../../fuse/modifications.ts";
import { ROOT_ID } from "../../layer/rows.ts";
import type { LocalReader } from "../../store/local-reader.ts";
import { BLOB_READERS } from "../blob-readers.ts";
import { DIRECTORY_CACHE_BYTES, DirectoryCache } from "../directory-cache.ts";
import { DIRECTORY, FILE, FREE } from "../inode-kind.ts";
import { MAX_GENERATION } from "../inode-table.ts";
import { DIGEST_TEXT_BYTES, hasXattr, writeDigestText, xattrNamesOf } from "../xattr.ts";
import { BaseBlobs } from "./base-blobs.ts";
import { describe, describeEntry } from "./describe.ts";
import { FileOperations } from "./file-operations.ts";
import { type Inode, NO_ID } from "./inode.ts";
import { InodeSet, NODES_MAX, nodesMax } from "./inode-set.ts";
import { LayerListing } from "./layer-listing.ts";
import { LayerModifications } from "./layer-modifications.ts";
import { LayerState } from "./layer-state.ts";
import { bytesOf, textOf } from "./name-table.ts";
import { beginRoot } from "./root.ts";
import { statistics } from "./statistics.ts";
import { Found, Tree } from "./tree.ts";
import type { WritableFileSystemOptions } from "./writable-options.ts";
import { isTrusted, nameStatus } from "./xattrs.ts";

const LAST_FIRST_GENERATION = Math.floor(MAX_GENERATION / 2);

/** access(2): `mask`. */
const ACCESS_BITS = 7;

const NUL = new Uint8Array(1);

export class WritableFileSystem implements FileSystem {
  readonly modifications: Modifications;
  readonly #state: LayerState;
  readonly #inodes: InodeSet;
  readonly #tree: Tree;
  readonly #blobs: BaseBlobs;
  readonly #directories: DirectoryCache;
  readonly #listing: LayerListing;
  readonly #files: FileOperations;
  readonly #found = new Found();
  readonly #showXattr: boolean;
  readonly #digestText = new Uint8Array(DIGEST_TEXT_BYTES);

  constructor(reader: LocalReader, options: WritableFileSystemOptions) {
    const logger = new OnceLogger(options.logger);
    this.#showXattr = options.showXattr;
    this.#inodes = new InodeSet(
      Math.min(options.maxInodes ?? NODES_MAX, nodesMax()),
      randomInt(1, LAST_FIRST_GENERATION),
      randomInt(2 ** 32),
    );
    const cacheBytes = options.directoryCacheBytes ?? DIRECTORY_CACHE_BYTES;
    this.#directories = new DirectoryCache(reader, logger, cacheBytes, randomInt(2 ** 32));
    const rows = options.layer.reader;
    this.#tree = new Tree(this.#inodes, rows, this.#directories, logger, options.maxNames);
    this.#blobs = new BaseBlobs(reader, logger, options.blobReaderCount ?? BLOB_READERS);
    this.#state = new LayerState({
      share: options,
      inodes: this.#inodes,
      tree: this.#tree,
      blobs: this.#blobs,
      logger,
    });
    this.#files = new FileOperations(this.#state);
    this.#listing = new LayerListing(this.#state);
    this.modifications = new LayerModifications(this.#state, this.#files);
    this.#inodes.setId(this.#inodes.root, ROOT_ID);
    beginRoot(this.#state, options.root);
  }

  /** Inodes in memory. */
  get inodes(): number {
    return this.#inodes.count;
  }

  /** Bytes of the base's directories in the cache. */
  get directoryBytes(): number {
    return this.#directories.byteLength;
  }

  /** The kernel forgets all: what it had open and has no name is gone. */
  reset(): void {
    for (const inode of this.#inodes.all()) {
      inode.lookups = 0;
      this.#state.edits.dropIfGone(inode);
      this.#tree.dropUnused(inode);
    }
    this.#inodes.renumber();
  }

  /** Blob readers are void: the store gave something up. */
  reopenBlobs(): void {
    this.#blobs.clear();
    this.#state.contents.reopenBases();
  }

  lookup(parent: NodeId, name: NameBytes, entry: Entry): number {
    const directory = this.#inodes.get(parent);
    if (directory === undefined) return -ESTALE;
    const status = this.#tree.find(directory, name, this.#found);
    if (status < 0) {
      entry.validSeconds = status === -ENOENT ? FOREVER : 0;
      return status;
    }
    const inode = this.#tree.enter(directory, this.#found);
    if (typeof inode === "number") return inode;
    describeEntry(this.#state, inode, entry);
    return 0;
  }

  forget(node: NodeId, count: number): void {
    const inode = this.#inodes.get(node);
    if (inode === undefined || inode === this.#inodes.root) return;
    inode.lookups = Math.max(0, inode.lookups - count);
    if (inode.lookups > 0) return;
    this.#state.edits.dropIfGone(inode);
    this.#tree.dropUnused(inode);
  }

  getattr(node: NodeId, attributes: Attributes): number {
    const inode = this.#inodes.get(node);
    if (inode === undefined) return -ESTALE;
    describe(this.#state, inode, attributes);
    return 0;
  }

  /** The kernel has checked permissions by the attributes: default_permissions. */
  access(node: NodeId, mask: number): number {
    if (this.#inodes.get(node) === undefined) return -ESTALE;
    return (mask & ~ACCESS_BITS) === 0 ? 0 : -EINVAL;
  }

  readlink(node: NodeId, sink: ByteSink): number {
    const inode = this.#inodes.get(node);
    if (inode === undefined) return -ESTALE;
    if (!inode.isSymlink) return -EINVAL;
    const target = this.#state.targetOf(inode);
    if (typeof target === "number") return target;
    this.#files.touch(inode);
    return sink.append(target, 0, target.length);
  }

  open(node: NodeId): number {
    const inode = this.#inodes.get(node);
    if (inode === undefined) return -ESTALE;
    if (inode.isFile) return 0;
    return inode.isDirectory ? -EISDIR : -EINVAL;
  }

  read(node: NodeId, offset: number, length: number, sink: ByteSink, flags: number): number {
    return this.#files.read(node, offset, length, sink, flags);
  }

  lseek(node: NodeId, offset: number, whence: number): number {
    return this.#files.lseek(node, offset, whence);
  }

  opendir(node: NodeId): number {
    const directory = this.#directory(node);
    return typeof directory === "number" ? directory : 0;
  }

  readdir(node: NodeId, offset: number, sink: DirectorySink): number {
    const directory = this.#directory(node);
    if (typeof directory === "number") return directory;
    const status = this.#listing.readdir(directory, offset, sink);
    if (status === 0) this.#files.touch(directory);
    return status;
  }

  readdirplus(node: NodeId, offset: number, sink: DirectoryPlusSink): number {
    const directory = this.#directory(node);
    if (typeof directory === "number") return directory;
    const status = this.#listing.readdirplus(directory, offset, sink);
    if (status === 0) this.#files.touch(directory);
    return status;
  }

  #directory(node: NodeId): Inode | number {
    const inode = this.#inodes.get(node);
    if (inode === undefined) return -ESTALE;
    return inode.isDirectory ? inode : -ENOTDIR;
  }

  statfs(node: NodeId, result: FileSystemStatistics): number {
    if (this.#inodes.get(node) === undefined) return -ESTALE;
    statistics(this.#state, result);
    return 0;
  }

  getxattr(node: NodeId, name: NameBytes, sink: ByteSink): number {
    const inode = this.#inodes.get(node);
    if (inode === undefined) return -ESTALE;
    const text = textOf(name.bytes, name.start, name.end);
    const status = nameStatus(text);
    if (status < 0) return status;
    const value = this.#state.xattrs.get(inode, text);
    if (value !== undefined) return sink.append(value, 0, value.length);
    if (!hasXattr(this.#digestKind(inode), name.bytes, name.start, name.end)) return -ENODATA;
    writeDigestText(this.#digestText, bytesOf(inode.origin), 0);
    return sink.append(this.#digestText, 0, DIGEST_TEXT_BYTES);
  }

  /** Whose digest is shown: a file or directory of the base with nothing changed in it; else FREE. */
  #digestKind(inode: Inode): number {
    if (!this.#showXattr || inode.id !== NO_ID || inode.origin === "") return FREE;
    return inode.isDirectory ? DIRECTORY : FILE;
  }

  listxattr(node: NodeId, sink: ByteSink, uid: number): number {
    const inode = this.#inodes.get(node);
    if (inode === undefined) return -ESTALE;
    for (const name of this.#state.xattrs.of(inode).keys()) {
      if (uid !== 0 && isTrusted(name)) continue;
      const status = sink.append(bytesOf(name), 0, name.length) || sink.append(NUL, 0, 1);
      if (status < 0) return status;
    }
    for (const name of xattrNamesOf(this.#digestKind(inode))) {
      const status = sink.append(name, 0, name.length);
      if (status < 0) return status;
    }
    return 0;
  }
}

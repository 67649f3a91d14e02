/**
 * A castore tree as a read-only FUSE file system, either one directory as the whole share, or all
 * root nodes by name in the share's root. Everything below the root is immutable: the kernel may
 * remember names, their absence and attributes for ever.
 */
import { randomInt } from "node:crypto";
import type { NodeId } from "../base/brands.ts";
import {
  EACCES,
  EINVAL,
  EISDIR,
  ENODATA,
  ENOENT,
  ENOSYS,
  ENOTDIR,
  ENXIO,
  EPERM,
  EROFS,
  ESTALE,
} from "../base/errno.ts";
import type { Logger } from "../base/logger.ts";
import { OnceLogger } from "../base/once-logger.ts";
import type { ByteSink } from "../base/segments.ts";
import type { DirectoryNode } from "../castore/node.ts";
import {
  type Attributes,
  type DirectoryPlusSink,
  type DirectorySink,
  type Entry,
  type FileSystem,
  type FileSystemStatistics,
  FOREVER,
  LISTING_CHANGES,
  type NameBytes,
} from "../fuse/file-system.ts";
import type { LocalReader } from "../store/local-reader.ts";
import { describeInode } from "./attributes.ts";
import { BLOB_READERS, BlobReaders } from "./blob-readers.ts";
import { Child } from "./child.ts";
import { DIRECTORY_CACHE_BYTES, DirectoryCache } from "./directory-cache.ts";
import { DIRECTORY, FILE, isDirectory, isFile, ROOTS, SYMLINK } from "./inode-kind.ts";
import { InodeTable, MAX_GENERATION, MAX_INODES, ROOT_SLOT } from "./inode-table.ts";
import { InodeTracker } from "./inode-tracker.ts";
import { Listing } from "./listing.ts";
import { ROOT_VALID_SECONDS, RootNodes } from "./root-nodes.ts";
import { TextArena } from "./text-arena.ts";
import { Tree } from "./tree.ts";
import { DIGEST_TEXT_BYTES, hasXattr, writeDigestText, xattrNamesOf } from "./xattr.ts";

/** access(2): `mask`. */
const X_OK = 1;
const W_OK = 2;
const ACCESS_BITS = 7;

/** open(2): `flags` (asm-generic/fcntl.h). */
const O_ACCMODE = 0o3;
const O_TRUNC = 0o1000;

/** lseek(2): `whence`. */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** statfs(2): names as long as castore allows, and the page size for want of any block size. */
const NAME_LENGTH = 255;
const STATFS_BLOCK_BYTES = 4096;

/** Sessions begin with slots of a random generation up to this: far from MAX_GENERATION. */
const LAST_FIRST_GENERATION = Math.floor(MAX_GENERATION / 2);

export interface CastoreFileSystemOptions {
  /** The directory that is the share; undefined: the share shows all root nodes by name. */
  readonly root?: DirectoryNode | undefined;
  /** Whether a share of all root nodes tells their names. */
  readonly listRoot: boolean;
  /** Whether digests are shown as extended attributes. */
  readonly showXattr: boolean;
  readonly logger: Logger;
  /** Inodes known to the kernel at one time. MAX_INODES by default. */
  readonly maxInodes?: number;
  /** Bytes of parsed directories kept. DIRECTORY_CACHE_BYTES by default. */
  readonly directoryCacheBytes?: number;
  /** Blob readers kept. BLOB_READERS by default. */
  readonly blobReaderCount?: number;
}

export class CastoreFileSystem implements FileSystem {
  /** Root nodes come and go, and may not be listed; what is in them stays. */
  readonly asksOpendir: boolean;
  readonly #listRoot: boolean;
  readonly #showXattr: boolean;
  readonly #table: InodeTable;
  readonly #tracker: InodeTracker;
  readonly #directories: DirectoryCache;
  readonly #tree: Tree;
  readonly #listing: Listing;
  readonly #blobs: BlobReaders;
  readonly #child = new Child();
  readonly #digestText = new Uint8Array(DIGEST_TEXT_BYTES);

  /** Reads the root directory, if there is one; when that fails each request will say so. */
  constructor(reader: LocalReader, options: CastoreFileSystemOptions) {
    const logger = new OnceLogger(options.logger);
    this.asksOpendir = options.root === undefined;
    this.#listRoot = options.listRoot;
    this.#showXattr = options.showXattr;
    this.#table = new InodeTable(options.maxInodes ?? MAX_INODES, firstGeneration());
    this.#tracker = new InodeTracker(this.#table, new TextArena(), randomInt(2 ** 32));
    const cacheBytes = options.directoryCacheBytes ?? DIRECTORY_CACHE_BYTES;
    this.#directories = new DirectoryCache(reader, logger, cacheBytes, randomInt(2 ** 32));
    this.#tree = new Tree(this.#tracker, this.#directories, new RootNodes(reader, logger));
    this.#listing = new Listing(this.#tree, reader);
    const readers = options.blobReaderCount ?? BLOB_READERS;
    this.#blobs = new BlobReaders(reader, this.#table, logger, readers);
    if (options.root === undefined) this.#table.setRoot(ROOTS, 0, 1);
    else this.#setRootDirectory(options.root);
  }

  /** Inodes that the kernel knows, the root among them. */
  get inodes(): number {
    return this.#table.live;
  }

  /** Bytes of the inode tables. */
  get inodeBytes(): number {
    return this.#tracker.byteLength;
  }

  /** Bytes of the directories in the cache. */
  get directoryBytes(): number {
    return this.#directories.byteLength;
  }

  reset(): void {
    this.#tracker.reset(firstGeneration());
    this.#blobs.clear();
  }

  /** The store took something back, a list of chunks that was a lie: blobs are opened anew. */
  reopenBlobs(): void {
    this.#blobs.clear();
  }

  // `lookup` and `read` are small, so that the engine inlines them, and no nodeid has to be boxed.

  lookup(parent: NodeId, name: NameBytes, entry: Entry): number {
    const parentSlot = this.#table.slotOf(parent);
    return parentSlot === 0 ? -ESTALE : this.#lookupIn(parentSlot, name, entry);
  }

  #lookupIn(parentSlot: number, name: NameBytes, entry: Entry): number {
    const parentKind = this.#table.kind(parentSlot);
    if (!isDirectory(parentKind)) return -ENOTDIR;
    const valid = parentKind === ROOTS ? ROOT_VALID_SECONDS : FOREVER;
    const status = this.#tree.find(parentSlot, name, this.#child);
    if (status < 0) {
      entry.validSeconds = status === -ENOENT && parentKind !== ROOTS ? FOREVER : 0;
      return status;
    }
    const slot = this.#tree.enter(parentSlot, this.#child);
    if (slot < 0) return slot;
    this.#table.copyNode(slot, entry.node);
    entry.validSeconds = valid;
    describeInode(this.#table, slot, entry.attributes);
    return 0;
  }

  forget(node: NodeId, count: number): void {
    this.#tracker.forget(node, count);
  }

  getattr(node: NodeId, attributes: Attributes): number {
    const slot = this.#table.slotOf(node);
    if (slot === 0) return -ESTALE;
    describeInode(this.#table, slot, attributes);
    return 0;
  }

  access(node: NodeId, mask: number): number {
    const slot = this.#table.slotOf(node);
    if (slot === 0) return -ESTALE;
    if ((mask & ~ACCESS_BITS) !== 0) return -EINVAL;
    if ((mask & W_OK) !== 0) return -EROFS;
    return (mask & X_OK) !== 0 && this.#table.kind(slot) === FILE ? -EACCES : 0;
  }

  readlink(node: NodeId, sink: ByteSink): number {
    const slot = this.#table.slotOf(node);
    if (slot === 0) return -ESTALE;
    if (this.#table.kind(slot) !== SYMLINK) return -EINVAL;
    const { bytes } = this.#tracker.texts;
    return sink.append(bytes, this.#table.textOffset(slot), this.#table.textLength(slot));
  }

  open(node: NodeId, flags: number): number {
    const status = this.#fileStatus(this.#table.slotOf(node));
    if (status < 0) return status;
    return (flags & O_ACCMODE) !== 0 || (flags & O_TRUNC) !== 0 ? -EROFS : 0;
  }

  read(node: NodeId, offset: number, length: number, sink: ByteSink): number {
    return this.#readSlot(this.#table.slotOf(node), offset, length, sink);
  }

  #readSlot(slot: number, offset: number, length: number, sink: ByteSink): number {
    const status = this.#fileStatus(slot);
    if (status < 0) return status;
    if (!isOffset(offset) || !isOffset(length)) return -EINVAL;
    const available = this.#table.size(slot) - offset;
    if (available <= 0 || length === 0) return 0;
    const blob = this.#blobs.get(slot);
    if (typeof blob === "number") return blob;
    return blob.read(offset, Math.min(length, available), sink);
  }

  lseek(node: NodeId, offset: number, whence: number): number {
    const slot = this.#table.slotOf(node);
    const status = this.#fileStatus(slot);
    if (status < 0) return status;
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -EINVAL;
    const size = this.#table.size(slot);
    if (!isOffset(offset) || offset >= size) return -ENXIO;
    return whence === SEEK_DATA ? offset : size;
  }

  opendir(node: NodeId): number {
    const slot = this.#table.slotOf(node);
    const status = this.#listingStatus(slot);
    return status === 0 && this.#table.kind(slot) === ROOTS ? LISTING_CHANGES : status;
  }

  readdir(node: NodeId, offset: number, sink: DirectorySink): number {
    const slot = this.#table.slotOf(node);
    const status = this.#listingStatus(slot);
    return status < 0 ? status : this.#listing.readdir(slot, offset, sink);
  }

  readdirplus(node: NodeId, offset: number, sink: DirectoryPlusSink): number {
    const slot = this.#table.slotOf(node);
    const status = this.#listingStatus(slot);
    return status < 0 ? status : this.#listing.readdirplus(slot, offset, sink);
  }

  /** Inodes of a single tree are counted; bytes are not, since blobs are shared with others. */
  statfs(node: NodeId, statistics: FileSystemStatistics): number {
    if (this.#table.slotOf(node) === 0) return -ESTALE;
    statistics.blocks = 0;
    statistics.files = this.#table.size(ROOT_SLOT) + 1;
    statistics.bsize = STATFS_BLOCK_BYTES;
    statistics.nameLength = NAME_LENGTH;
    return 0;
  }

  getxattr(node: NodeId, name: NameBytes, sink: ByteSink): number {
    if (!this.#showXattr) return -ENOSYS;
    const slot = this.#table.slotOf(node);
    if (slot === 0) return -ESTALE;
    if (!hasXattr(this.#table.kind(slot), name.bytes, name.start, name.end)) return -ENODATA;
    writeDigestText(this.#digestText, this.#table.bytes, this.#table.digestStart(slot));
    return sink.append(this.#digestText, 0, DIGEST_TEXT_BYTES);
  }

  listxattr(node: NodeId, sink: ByteSink): number {
    if (!this.#showXattr) return -ENOSYS;
    const slot = this.#table.slotOf(node);
    if (slot === 0) return -ESTALE;
    const names = xattrNamesOf(this.#table.kind(slot));
    for (let at = 0; at < names.length; at++) {
      const name = names[at] as Uint8Array;
      const status = sink.append(name, 0, name.length);
      if (status < 0) return status;
    }
    return 0;
  }

  #setRootDirectory(root: DirectoryNode): void {
    this.#table.setDigest(ROOT_SLOT, root.digest.bytes, 0);
    const contents = this.#directories.get(root.digest.bytes, 0);
    if (typeof contents === "number") this.#table.setRoot(DIRECTORY, root.size, 1);
    else this.#table.setRoot(DIRECTORY, contents.size, contents.links);
  }

  /** 0 when the slot holds a file, executable or not. */
  #fileStatus(slot: number): number {
    if (slot === 0) return -ESTALE;
    const kind = this.#table.kind(slot);
    if (isFile(kind)) return 0;
    return isDirectory(kind) ? -EISDIR : -EINVAL;
  }

  /** 0 when the slot holds a directory that may be listed. */
  #listingStatus(slot: number): number {
    if (slot === 0) return -ESTALE;
    const kind = this.#table.kind(slot);
    if (!isDirectory(kind)) return -ENOTDIR;
    return kind === ROOTS && !this.#listRoot ? -EPERM : 0;
  }
}

function firstGeneration(): number {
  return randomInt(1, LAST_FIRST_GENERATION);
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** What all operations of a writable share work on. */

import type { NodeId } from "../../base/brands.ts";
import { EIO, ENOENT, ENOSPC, ENOTDIR, ESTALE } from "../../base/errno.ts";
import type { Logger } from "../../base/logger.ts";
import { WAITING } from "../../base/waiting.ts";
import type { LayerPort } from "../../layer/layer-port.ts";
import { LINKS_UNCOUNTED } from "../../layer/rows.ts";
import type { BaseBlobs } from "./base-blobs.ts";
import { Changes, originOf } from "./changes.ts";
import { Clock } from "./clock.ts";
import { Edits } from "./edits.ts";
import type { FileContents } from "./file-contents.ts";
import { type Inode, NO_ID } from "./inode.ts";
import type { InodeSet } from "./inode-set.ts";
import { Journal } from "./journal.ts";
import { LayerContents } from "./layer-contents.ts";
import { OpenContents } from "./open-contents.ts";
import type { Tree } from "./tree.ts";
import type { WritableFileSystemOptions } from "./writable-options.ts";
import { Xattrs } from "./xattrs.ts";

export interface LayerStateOptions {
  readonly share: WritableFileSystemOptions;
  readonly inodes: InodeSet;
  readonly tree: Tree;
  readonly blobs: BaseBlobs;
  readonly logger: Logger;
}

export class LayerState {
  readonly inodes: InodeSet;
  readonly tree: Tree;
  readonly blobs: BaseBlobs;
  readonly changes: Changes;
  readonly clock: Clock;
  readonly edits: Edits;
  readonly xattrs: Xattrs;
  readonly contents: LayerContents;
  readonly journal: Journal;
  readonly #opened: OpenContents;
  readonly #port: LayerPort;
  readonly #logger: Logger;

  constructor({ share, inodes, tree, blobs, logger }: LayerStateOptions) {
    const { layer: port, maxXattrBytes } = share;
    this.#opened = new OpenContents(share.maxOpenFiles);
    this.inodes = inodes;
    this.tree = tree;
    this.blobs = blobs;
    this.clock = new Clock(share.now ?? Date.now);
    this.changes = new Changes(port.reader);
    const { changes } = this;
    const { nextInode } = port.reader;
    const edits = new Edits(tree, changes, nextInode, (inode) => this.#discard(inode));
    tree.dropped = (inode) => {
      this.#opened.remove(inode);
      this.xattrs.forget(inode);
    };
    this.edits = edits;
    this.xattrs = new Xattrs(port.reader, changes, edits, tree, maxXattrBytes);
    const contents = new LayerContents(port, (digest, size) => blobs.open(digest, size));
    this.contents = contents;
    this.journal = new Journal({ port, contents, changes, edits, tree, logger });
    this.#port = port;
    this.#logger = logger;
  }

  /**
   * The directory that names are to be changed in; or -ESTALE, -ENOTDIR, -ENOENT; or, where its
   * subdirectories are still to be counted, -EIO or MISSING.
   */
  directory(node: NodeId): Inode | number {
    const inode = this.inodes.get(node);
    if (inode === undefined) return -ESTALE;
    if (!inode.isDirectory) return -ENOTDIR;
    if (inode.isRemoved) return -ENOENT;
    if (inode.links !== LINKS_UNCOUNTED) return inode;
    const status = this.tree.countLinks(inode);
    return status < 0 ? status : inode;
  }

  /**
   * A request that changes something may begin: 0; or WAITING: too much waits to be written; or the
   * errno by which the layer failed; or, if it `grows` the layer, -ENOSPC. Looks what time it is.
   */
  begin(grows: boolean): number {
    const { journal, contents } = this;
    if (journal.failed !== 0) return -journal.failed;
    if (journal.isFull) {
      journal.relieve();
      return WAITING;
    }
    contents.metadataBytes = journal.metadataBytes;
    if (grows && contents.roomBytes <= 0) return -ENOSPC;
    this.clock.read();
    return 0;
  }

  /** A file's contents, for changing them: it has a row from now on. Or -EIO, logged. */
  openContents(inode: Inode): FileContents | number {
    this.edits.materialise(inode);
    return this.contentsOf(inode);
  }

  /** A file's contents, for reading. Or -EIO, which has been logged. */
  contentsOf(inode: Inode): FileContents | number {
    const { contents } = inode;
    if (contents === undefined) return this.#open(inode);
    this.#opened.touch(inode);
    return contents;
  }

  #open(inode: Inode): FileContents | number {
    const { id, size } = inode;
    const rows = inode.stored && id !== NO_ID ? this.#port.reader.pieces(id) : [];
    try {
      const contents = this.contents.file({ id, size, origin: originOf(inode), pieces: rows });
      if (id !== NO_ID) this.#opened.add(inode, contents);
      return contents;
    } catch (error) {
      const reason = String(error);
      this.#logger.log("error", "the layer's extents are damaged", { inode: id, reason });
      return -EIO;
    }
  }

  /** Where a symlink leads, or -EIO. */
  targetOf(inode: Inode): Uint8Array | number {
    return inode.target ?? this.#port.reader.inode(inode.id)?.target ?? -EIO;
  }

  /** The inode is removed: the room of its contents is free. */
  #discard(inode: Inode): void {
    if (!inode.isFile) return;
    // Those that nobody has looked into in this session have room, too.
    const contents = inode.stored ? this.contentsOf(inode) : inode.contents;
    if (typeof contents === "object") contents.discard();
  }
}

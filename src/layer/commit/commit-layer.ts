/**
 * Storing the tree that a layer shows. Only directories that have rows below them are looked into,
 * and only files that were written to are read; everything else is named as it is, by its digest.
 * What a file still has of its base is read from the store, cut into the chunks that are there, and
 * not stored again.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Digest } from "../../castore/digest.ts";
import { Directory, type DirectoryEntry } from "../../castore/directory.ts";
import type { Name } from "../../castore/name.ts";
import {
  type DirectoryNode,
  type FileNode,
  fileNode,
  type Node,
  symlinkNode,
} from "../../castore/node.ts";
import type { BlobService } from "../../store/services.ts";
import type { StoreWriter } from "../../store/store-writer.ts";
import { LayerError, LayerRefusal } from "../errors.ts";
import type { InodeRow } from "../rows.ts";
import { BlobCursor } from "../tree/blob-cursor.ts";
import { FileContents, type ReadData } from "../tree/file-contents.ts";
import { isExecutable } from "../tree/inode-type.ts";
import {
  enter,
  type LayerTree,
  originNode,
  type Shown,
  type ShownEntry,
} from "../tree/layer-tree.ts";
import { joinedPath } from "./manifest.ts";

/** A file that is larger would take hours, and may be a hole that a guest has made on purpose. */
export const COMMIT_FILE_BYTES_MAX = 2 ** 40;

/** Files up to this size are read whole, unless they have something of the base. */
const SMALL_FILE_BYTES_MAX = 1024 * 1024;

const TURN_MILLISECONDS = 50;

export interface CommitProgress {
  /** Files that were read and hashed, and bytes of them so far. */
  files: number;
  bytes: number;
  /** Directories that were put together anew. */
  directories: number;
  /** What is being read, as people read it. */
  path: string;
}

export interface CommitOptions {
  /** Called now and then. The same object each time. */
  readonly onProgress?: (progress: Readonly<CommitProgress>) => void;
  readonly signal?: AbortSignal;
}

/** Where contents come from. */
export interface CommitSources {
  readonly readData: ReadData;
  readonly blobs: BlobService;
}

/** A directory whose entries are being stored. */
interface Frame {
  readonly inode: InodeRow;
  readonly path: readonly Name[];
  readonly pending: readonly ShownEntry[];
  readonly entries: DirectoryEntry[];
  next: number;
}

export class LayerCommit implements AsyncDisposable {
  readonly progress: CommitProgress = { files: 0, bytes: 0, directories: 0, path: "" };
  readonly #tree: LayerTree;
  readonly #writer: StoreWriter;
  readonly #readData: ReadData;
  readonly #blobs: BlobCursor;
  readonly #options: CommitOptions;
  readonly #stack: Frame[] = [];
  readonly #seen = new Set<number>();
  /** Files with several names, by inode: each is read once. */
  readonly #linked = new Map<number, FileNode>();
  readonly #small = new Uint8Array(SMALL_FILE_BYTES_MAX);
  #turnEnds = 0;

  constructor(
    tree: LayerTree,
    writer: StoreWriter,
    sources: CommitSources,
    options: CommitOptions = {},
  ) {
    this.#tree = tree;
    this.#writer = writer;
    this.#readData = sources.readData;
    this.#blobs = new BlobCursor(sources.blobs);
    this.#options = options;
  }

  /**
   * Puts all of it; what names the result, or commits it, is left to the caller.
   * @throws LayerError, MissingObject, CorruptObject, StoreError, the reason of the signal
   */
  async run(): Promise<DirectoryNode> {
    let node = await this.#open(this.#tree.root, []);
    for (let frame = this.#stack.at(-1); frame !== undefined; frame = this.#stack.at(-1)) {
      const entry = frame.pending[frame.next];
      if (entry === undefined) {
        this.#stack.pop();
        node = this.#close(frame);
        const parent = this.#stack.at(-1);
        parent?.entries.push({ name: frame.path.at(-1)!, node });
      } else {
        frame.next += 1;
        await this.#visit(frame, entry);
      }
      if (performance.now() >= this.#turnEnds) await this.#pause();
    }
    if (node?.kind !== "directory") throw new LayerError("the layer is damaged: it has no root");
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#blobs[Symbol.asyncDispose]();
  }

  async #visit(frame: Frame, { name, shown }: ShownEntry): Promise<void> {
    const path = [...frame.path, name];
    const node =
      shown.kind === "layer" && shown.type === "directory"
        ? await this.#open(shown, path)
        : await this.#node(shown, path);
    if (node !== undefined) frame.entries.push({ name, node });
  }

  /** The node of a directory that has nothing changed in it; otherwise undefined: it is opened. */
  async #open(shown: Shown, path: readonly Name[]): Promise<Node | undefined> {
    if (shown.kind === "base") return shown.node;
    const { inode } = shown;
    enter(this.#seen, inode.id);
    if (inode.origin?.kind === "directory" && this.#tree.rows.entries(inode.id).length === 0) {
      return originNode(inode.origin);
    }
    const pending = await this.#tree.list(shown);
    this.#stack.push({ inode, path, pending, entries: [], next: 0 });
    return undefined;
  }

  #close({ inode, entries }: Frame): DirectoryNode {
    const node = this.#writer.putDirectory(Directory.of(entries));
    this.progress.directories += 1;
    // Older trees say other sizes of the same directory; what did not change keeps its own.
    const { origin } = inode;
    const isOrigin = origin?.kind === "directory" && node.digest.equalsAt(origin.digest, 0);
    return isOrigin ? (originNode(origin) as DirectoryNode) : node;
  }

  /** Undefined: castore has nothing for it. */
  async #node(shown: Shown, path: readonly Name[]): Promise<Node | undefined> {
    if (shown.kind === "base") return shown.node;
    const { inode, type } = shown;
    if (type === "symlink") return symlinkNode(inode.target ?? new Uint8Array(0));
    if (type !== "file") return undefined;
    const known = this.#linked.get(inode.id);
    if (known !== undefined) return known;
    const node = await this.#file(inode, path);
    if (inode.links > 1) this.#linked.set(inode.id, node);
    return node;
  }

  async #file(inode: InodeRow, path: readonly Name[]): Promise<FileNode> {
    const contents = new FileContents(inode, this.#tree.rows.pieces(inode.id));
    const executable = isExecutable(inode);
    const { blob, size } = contents;
    if (blob !== undefined) return fileNode(Digest.from(blob.digest), size, executable);
    this.progress.path = joinedPath(path).toString();
    if (size > COMMIT_FILE_BYTES_MAX) {
      throw new LayerRefusal(
        `${this.progress.path}: a file of ${size} bytes is too large to commit`,
        {
          remedy: "make it smaller, or castorefs layer discard it",
        },
      );
    }
    const digest = await this.#store(contents);
    this.progress.files += 1;
    return fileNode(digest, size, executable);
  }

  async #store(contents: FileContents): Promise<Digest> {
    const { size } = contents;
    if (size <= this.#small.length && contents.isOwn) {
      this.progress.bytes += size;
      return this.#writer.putBlob(contents.readOwn(this.#small, this.#readData)).digest;
    }
    const writer = this.#writer.beginBlob();
    for await (const piece of contents.read(this.#readData, this.#blobs)) {
      writer.write(piece);
      this.progress.bytes += piece.length;
      if (performance.now() >= this.#turnEnds) await this.#pause();
    }
    return writer.end().digest;
  }

  /** Reports, lets the event loop turn, and ends the commit when it was told to. */
  async #pause(): Promise<void> {
    this.#options.onProgress?.(this.progress);
    await nextTurn();
    this.#options.signal?.throwIfAborted();
    this.#turnEnds = performance.now() + TURN_MILLISECONDS;
  }
}

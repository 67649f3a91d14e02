/**
 * A tree as files of the host, with the modes that a copy without them would get: directories and
 * executables 0777, other files 0666, less the umask. Every byte is verified on the way.
 */
import { closeSync, mkdirSync, openSync, symlinkSync, writeSync } from "node:fs";
import type { Directory } from "../castore/directory.ts";
import type { FileNode, Node } from "../castore/node.ts";
import { ExportError, StoreError } from "./errors.ts";
import type { ExportOptions, ExportProgress } from "./export-options.ts";
import { displayPath, Folder } from "./folder.ts";
import type { Store } from "./services.ts";
import { requireDirectory } from "./tree-walk.ts";

/**
 * Writes `root` to `target`, where nothing may be yet. What was written before a failure stays.
 * @throws ExportError, MissingObject, CorruptObject, the reason of `options.signal`
 */
export async function exportTree(
  store: Store,
  root: Node,
  target: string | Uint8Array,
  options: ExportOptions = {},
): Promise<ExportProgress> {
  return await new TreeExport(store, options).run(root, Buffer.from(target));
}

interface Frame {
  readonly name: Uint8Array;
  readonly folder: Folder;
  readonly directory: Directory;
  next: number;
}

const NO_NAME = new Uint8Array(0);

class TreeExport {
  readonly #store: Store;
  readonly #options: ExportOptions;
  readonly #progress: ExportProgress = { files: 0, directories: 0, symlinks: 0, bytes: 0 };
  readonly #stack: Frame[] = [];
  #current: Uint8Array = NO_NAME;

  constructor(store: Store, options: ExportOptions) {
    this.#store = store;
    this.#options = options;
  }

  async run(root: Node, target: Buffer): Promise<ExportProgress> {
    try {
      this.#current = target;
      await this.#write(root, target, target);
      while (this.#stack.length > 0) await this.#step(this.#stack[this.#stack.length - 1]!);
      return this.#progress;
    } catch (error) {
      throw exportFailure(error, this.#display());
    } finally {
      for (const { folder } of this.#stack) folder[Symbol.dispose]();
    }
  }

  async #step(frame: Frame): Promise<void> {
    this.#options.signal?.throwIfAborted();
    const entry = frame.directory.entries[frame.next];
    frame.next += 1;
    if (entry === undefined) {
      frame.folder[Symbol.dispose]();
      this.#stack.pop();
      return;
    }
    this.#current = entry.name;
    await this.#write(entry.node, frame.folder.child(entry.name), entry.name);
    this.#options.onProgress?.(this.#progress);
  }

  async #write(node: Node, path: Buffer, name: Uint8Array): Promise<void> {
    if (node.kind === "file") {
      await this.#file(node, path);
    } else if (node.kind === "symlink") {
      symlinkSync(Buffer.from(node.target), path);
      this.#progress.symlinks += 1;
    } else {
      const directory = await requireDirectory(this.#store.directories, node.digest);
      mkdirSync(path);
      this.#progress.directories += 1;
      this.#stack.push({ name, folder: Folder.at(path), directory, next: 0 });
      this.#current = NO_NAME;
    }
  }

  async #file(node: FileNode, path: Buffer): Promise<void> {
    const fd = openSync(path, "wx", node.executable ? 0o777 : 0o666);
    try {
      for await (const bytes of this.#store.blobs.read(node.digest)) {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
        this.#progress.bytes += bytes.length;
        this.#options.signal?.throwIfAborted();
        this.#options.onProgress?.(this.#progress);
      }
    } finally {
      closeSync(fd);
    }
    this.#progress.files += 1;
  }

  #display(): string {
    const names = [...this.#stack.map((frame) => frame.name), this.#current];
    return displayPath(names.filter((name) => name.length > 0));
  }
}

const MEANING: Readonly<Record<string, readonly [message: string, remedy: string]>> = {
  EEXIST: ["there is something already", "export to a path that does not exist yet"],
  ENOENT: ["the folder to export to does not exist", "make it first"],
  ENOSPC: ["the disk is full", "free some space and remove what was exported"],
  EACCES: ["permission denied", "export to a folder that you may write to"],
  EROFS: ["the file system is read-only", "export to somewhere else"],
};

function exportFailure(error: unknown, path: string): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  const [message, remedy] = MEANING[code] ?? [`cannot be written: ${code}`, undefined];
  return new ExportError(message, {
    cause: error,
    path,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

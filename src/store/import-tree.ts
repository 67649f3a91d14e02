/**
 * Importing from the host's file system: a directory with all that is in it, a file or a symlink.
 * Reading is synchronous, since many small files cost least so; the event loop gets its turn now
 * and then. The walk keeps its own stack, so depth has no limit.
 */
import { type Dirent, lstatSync, readdirSync, readlinkSync, type Stats, statSync } from "node:fs";
import type { DirectoryEntry } from "../castore/directory.ts";
import { Directory } from "../castore/directory.ts";
import { parseName } from "../castore/name.ts";
import type { DirectoryNode, Node } from "../castore/node.ts";
import { symlinkNode } from "../castore/node.ts";
import { ImportError, StoreError } from "./errors.ts";
import { displayPath, Folder } from "./folder.ts";
import { FileImporter } from "./import-file.ts";
import type { ImportOptions, ImportResult, ImportSession, SpecialKind } from "./import-session.ts";
import { withSession } from "./import-session.ts";
import type { Store } from "./services.ts";

/**
 * Imports what is at `path`, a symlink there as a symlink.
 * @throws ImportError, StoreError, the reason of `options.signal`
 */
export async function importPath(
  store: Store,
  path: string | Uint8Array,
  options: ImportOptions = {},
): Promise<ImportResult> {
  return await withSession(store, options, async (session) => {
    const walk = new TreeImport(session, store.path);
    return await walk.run(Buffer.from(path));
  });
}

/** A directory that is being imported. */
interface Frame {
  readonly name: Uint8Array;
  readonly folder: Folder;
  /** What is still to come, the next last. */
  readonly pending: Dirent<Buffer>[];
  readonly entries: DirectoryEntry[];
}

class TreeImport {
  readonly #session: ImportSession;
  readonly #files: FileImporter;
  readonly #storeFolder: Stats | undefined;
  readonly #stack: Frame[] = [];
  #current: Uint8Array = new Uint8Array(0);

  constructor(session: ImportSession, storePath: string | undefined) {
    this.#session = session;
    session.describe = () => this.#display();
    this.#files = new FileImporter(session);
    this.#storeFolder = storePath === undefined ? undefined : statSync(storePath);
  }

  async run(path: Buffer): Promise<Node> {
    try {
      this.#current = path;
      const node = await this.#visit(path);
      if (node === undefined) throw new ImportError("there is nothing left to import");
      return node === "entered" ? await this.#walk() : node;
    } catch (error) {
      throw importFailure(error, this.#display());
    } finally {
      for (const { folder } of this.#stack) folder[Symbol.dispose]();
    }
  }

  /** Goes through the directory on the stack and all below it. */
  async #walk(): Promise<DirectoryNode> {
    for (;;) {
      const frame = this.#stack[this.#stack.length - 1]!;
      const child = frame.pending.pop();
      if (child === undefined) {
        const node = this.#leave(frame);
        const parent = this.#stack[this.#stack.length - 1];
        if (parent === undefined) return node;
        parent.entries.push({ name: parseName(frame.name), node });
      } else {
        const { name } = child;
        this.#current = name;
        const node = await this.#visit(frame.folder.child(name), child);
        if (node !== undefined && node !== "entered") {
          frame.entries.push({ name: parseName(name), node });
        }
      }
      if (this.#session.due) await this.#session.pause();
    }
  }

  /**
   * The node of what is at `path`, of the type that the listing gave if there was one; undefined:
   * passed over. A directory is put on the stack.
   */
  async #visit(path: Buffer, listed?: Dirent<Buffer>): Promise<Node | "entered" | undefined> {
    const { progress } = this.#session;
    const type = listed?.isFile() ? listed : lstatSync(path);
    if (type.isFile()) {
      const node = await this.#files.import(path);
      if (node === "not a file") return await this.#visit(path);
      progress.files += 1;
      return node;
    }
    if (type.isSymbolicLink()) {
      progress.symlinks += 1;
      return symlinkNode(readlinkSync(path, "buffer"));
    }
    if (type.isDirectory()) {
      this.#enter(path, type as Stats);
      return "entered";
    }
    this.#session.special(this.#display(), specialKind(type as Stats));
    return undefined;
  }

  #enter(path: Buffer, stats: Stats): void {
    if (this.#storeFolder?.ino === stats.ino && this.#storeFolder.dev === stats.dev) {
      throw new ImportError("the store lies in what is to be imported", {
        path: this.#display(),
        remedy: "put the store somewhere else",
      });
    }
    this.#session.noteLosses(false, stats.mode, stats.uid, stats.gid, 1);
    const folder = Folder.at(path);
    const frame: Frame = { name: this.#current, folder, pending: [], entries: [] };
    this.#stack.push(frame);
    this.#current = new Uint8Array(0);
    for (const child of readdirSync(folder.path, { encoding: "buffer", withFileTypes: true })) {
      frame.pending.push(child);
    }
  }

  #leave({ folder, entries }: Frame): DirectoryNode {
    this.#current = new Uint8Array(0);
    this.#stack.pop();
    folder[Symbol.dispose]();
    this.#session.progress.directories += 1;
    return this.#session.writer.putDirectory(Directory.of(entries));
  }

  /** What is being imported now, as people read it. */
  #display(): string {
    const parts = this.#stack.map((frame) => frame.name);
    if (this.#current.length > 0) parts.push(this.#current);
    return displayPath(parts);
  }
}

function specialKind(stats: Stats): SpecialKind {
  if (stats.isCharacterDevice()) return "character device";
  if (stats.isBlockDevice()) return "block device";
  return stats.isFIFO() ? "FIFO" : "socket";
}

const REMEDY: Readonly<Record<string, string>> = {
  ENOENT: "check the path; something may have removed it meanwhile",
  EACCES: "run as a user who may read it",
  EPERM: "run as a user who may read it",
};

/** An error of `node:fs` about the source becomes an ImportError; others stay what they are. */
function importFailure(error: unknown, path: string): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined || (error as NodeJS.ErrnoException).syscall === undefined) return error;
  const remedy = REMEDY[code];
  return new ImportError(`cannot be read: ${code}`, {
    cause: error,
    path,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

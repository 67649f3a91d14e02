/** What importing a tree and importing an archive have in common: options, counts, manners. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Name } from "../castore/name.ts";
import type { Node } from "../castore/node.ts";
import { ImportError } from "./errors.ts";
import type { Store } from "./services.ts";
import type { StoreWriter } from "./store-writer.ts";

export interface ImportOptions {
  /** The name that the root node gets in the store; left out, it gets none. */
  readonly name?: Name;
  /** Passes over devices, FIFOs and sockets, instead of refusing them. */
  readonly skipSpecial?: boolean;
  /** Called now and then, at the end too. The same object each time. */
  readonly onProgress?: (progress: Readonly<ImportProgress>) => void;
  readonly signal?: AbortSignal;
  /**
   * Of a tree: worker threads to use, from the first file on; with 1 all is done on the thread that
   * calls. Left out: one for each CPU, once there is enough to do.
   */
  readonly threads?: number;
}

export interface ImportProgress {
  files: number;
  directories: number;
  symlinks: number;
  /** Of all files. */
  bytes: number;
  /** That the store did not have, directories included. */
  newBytes: number;
  /** What is being imported. */
  path: string;
}

/** What castore cannot hold. Times and owners are lost of everything, and not counted. */
export interface ImportLosses {
  /** Files with more than one name: each name becomes a file of its own, stored once. */
  hardLinks: number;
  /** Files and directories with a set-user-ID, set-group-ID or sticky bit. */
  specialBits: number;
  /** Files and directories that do not belong to root. */
  foreignOwners: number;
  /** Files and directories whose permissions are not those castore gives back. */
  permissions: number;
}

export type SpecialKind = "character device" | "block device" | "FIFO" | "socket";

export interface SkippedFile {
  readonly path: string;
  readonly kind: SpecialKind;
}

export interface ImportResult {
  /** Names everything that was imported. */
  readonly node: Node;
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly bytes: number;
  readonly newBytes: number;
  readonly skipped: readonly SkippedFile[];
  readonly lost: Readonly<ImportLosses>;
}

const PROGRESS_MILLISECONDS = 50;

export class ImportSession {
  readonly writer: StoreWriter;
  readonly options: ImportOptions;
  readonly progress: ImportProgress = {
    files: 0,
    directories: 0,
    symlinks: 0,
    bytes: 0,
    newBytes: 0,
    path: "",
  };
  /** What is being imported now, for people; asked only when somebody looks. */
  describe: () => string = () => "";
  readonly #skipped: SkippedFile[] = [];
  readonly #lost: ImportLosses = { hardLinks: 0, specialBits: 0, foreignOwners: 0, permissions: 0 };
  #turnEnds = 0;

  constructor(writer: StoreWriter, options: ImportOptions) {
    this.writer = writer;
    this.options = options;
  }

  /** True when the event loop should have a turn: call `pause` then. */
  get due(): boolean {
    return performance.now() >= this.#turnEnds;
  }

  /** Reports, lets the event loop turn, and ends the import when it was told to. */
  async pause(): Promise<void> {
    this.#report();
    await nextTurn();
    this.options.signal?.throwIfAborted();
    this.#turnEnds = performance.now() + PROGRESS_MILLISECONDS;
  }

  /** Notes what will be lost of a file or directory with this mode, owner and number of names. */
  noteLosses(isFile: boolean, mode: number, uid: number, gid: number, names: number): void {
    if (isFile && names > 1) this.#lost.hardLinks += 1;
    if ((mode & 0o7000) !== 0) this.#lost.specialBits += 1;
    if (uid !== 0 || gid !== 0) this.#lost.foreignOwners += 1;
    const kept = isFile && (mode & 0o100) === 0 ? 0o444 : 0o555;
    if ((mode & 0o555) !== kept) this.#lost.permissions += 1;
  }

  /** Passes over a special file, or refuses the import for it. */
  special(path: string, kind: SpecialKind): void {
    if (this.options.skipSpecial !== true) {
      throw new ImportError(`a ${kind} cannot be stored`, {
        path,
        remedy: "import with --skip-special to leave such files out",
      });
    }
    this.#skipped.push({ path, kind });
  }

  /** Commits, names the root if that is wanted, and sums up. */
  finish(node: Node): ImportResult {
    if (this.options.name === undefined) this.writer.commit();
    else this.writer.putRoot(this.options.name, node);
    this.#report();
    const { files, directories, symlinks, bytes } = this.progress;
    const { newBytes } = this.writer;
    const skipped = this.#skipped;
    return { node, files, directories, symlinks, bytes, newBytes, skipped, lost: this.#lost };
  }

  #report(): void {
    if (this.options.onProgress === undefined) return;
    this.progress.path = this.describe();
    this.progress.newBytes = this.writer.newBytes;
    this.options.onProgress(this.progress);
  }
}

/** Runs an import with the store's writer, and gives the writer back however it ends. */
export async function withSession(
  store: Store,
  options: ImportOptions,
  run: (session: ImportSession) => Promise<Node>,
): Promise<ImportResult> {
  options.signal?.throwIfAborted();
  using writer = await store.openWriter();
  const session = new ImportSession(writer, options);
  return session.finish(await run(session));
}

/**
 * Importing from the host's file system: a directory with all that is in it, a file or a symlink.
 * Reading is synchronous, since many small files cost least so; the event loop gets its turn now
 * and then. The walk keeps its own stack, so depth has no limit.
 */
import { type Dirent, lstatSync, readlinkSync, type Stats, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { symlinkNode } from "../castore/node.ts";
import { ImportError } from "./errors.ts";
import { ImportAhead } from "./import-ahead.ts";
import { IMPORT_THREADS_MAX, ImportCrew } from "./import-crew.ts";
import { importFailure } from "./import-failure.ts";
import { FileImporter } from "./import-file.ts";
import { Destination, displayPlace, OpenFolder, type Place, storeFolder } from "./import-place.ts";
import type { ImportOptions, ImportResult, ImportSession, SpecialKind } from "./import-session.ts";
import { withSession } from "./import-session.ts";
import type { Store } from "./services.ts";

/** What is imported before worker threads are started, which takes about as long. */
const FILES_ALONE_MAX = 1000;
const BYTES_ALONE_MAX = 32 * 1024 * 1024;
/** A single file that is too much. */
const FILE_BYTES_ALONE_MAX = 8 * 1024 * 1024;

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
    const destination = new Destination();
    const place = { parent: destination, name: Buffer.from(path) };
    const avoid = store.path === undefined ? undefined : statSync(store.path);
    await using tree = new TreeImport(session, avoid, options.threads ?? "as needed");
    session.describe = () => tree.describe();
    await tree.run(Buffer.from(path), place);
    if (destination.node === undefined) throw new ImportError("there is nothing left to import");
    return destination.node;
  });
}

class TreeImport implements AsyncDisposable {
  readonly #session: ImportSession;
  readonly #avoid: Stats | undefined;
  readonly #threads: number;
  readonly #alone: FileImporter;
  /** Undefined while this thread does everything. */
  #ahead: ImportAhead | undefined;
  /** False: worker threads are to be used from the first file on. */
  readonly #beginsAlone: boolean;
  readonly #stack: OpenFolder[] = [];
  #current: Place | undefined;

  /** Refuses the folder `avoid`. Takes `threads` from the first file on, or all CPUs as needed. */
  constructor(session: ImportSession, avoid: Stats | undefined, threads: number | "as needed") {
    this.#session = session;
    this.#avoid = avoid;
    this.#alone = new FileImporter(session);
    const cpus = threads === "as needed" ? availableParallelism() : threads;
    this.#threads = Math.min(cpus, IMPORT_THREADS_MAX);
    this.#beginsAlone = threads === "as needed";
  }

  /** Imports what is at `path`, and adds its node to the parent at `place`. */
  async run(path: Buffer, place: Place): Promise<void> {
    try {
      await this.#visit(path, place);
      await this.#walk();
    } catch (error) {
      this.#session.options.signal?.throwIfAborted();
      // Something that comes before it in the order of the walk may fail, too, and is said then.
      if (this.#ahead?.hasFailed === false) await this.#ahead.finish();
      throw importFailure(error, displayPlace(this.#current ?? place));
    }
    await this.#ahead?.finish();
  }

  /** What is being imported now, as people read it. */
  describe(): string {
    const walking = this.#current === undefined ? "" : displayPlace(this.#current);
    return this.#ahead?.describe() ?? walking;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const open of this.#stack) open[Symbol.dispose]();
    await this.#ahead?.[Symbol.asyncDispose]();
  }

  /** Goes through the directory on the stack, if there is one, and all below it. */
  async #walk(): Promise<void> {
    for (let open = this.#stack.at(-1); open !== undefined; open = this.#stack.at(-1)) {
      const child = open.pending.pop();
      if (child === undefined) {
        this.#stack.pop();
        this.#current = open.place;
        if (this.#ahead === undefined) storeFolder(this.#session, open);
        else await this.#ahead.leave(open);
      } else {
        const { name } = child;
        await this.#visit(open.folder.child(name), { parent: open, name }, child);
      }
      if (this.#session.due) await this.#session.pause();
    }
  }

  /** Takes in what is at `path`, of the type that the listing gave if there was one. */
  async #visit(path: Buffer, place: Place, listed?: Dirent<Buffer>): Promise<void> {
    this.#current = place;
    const type = listed?.isFile() ? listed : lstatSync(path);
    if (type.isFile()) {
      await this.#file(path, place);
    } else if (type.isSymbolicLink()) {
      place.parent.add(place.name, symlinkNode(readlinkSync(path, "buffer")));
      this.#session.progress.symlinks += 1;
    } else if (type.isDirectory()) {
      this.#enter(path, place, type as Stats);
    } else {
      this.#session.special(displayPlace(place), specialKind(type as Stats));
    }
  }

  async #file(path: Buffer, place: Place): Promise<void> {
    if (this.#ahead === undefined && this.#isAlone) {
      const bytesMax = this.#threads > 1 ? FILE_BYTES_ALONE_MAX : Number.POSITIVE_INFINITY;
      const node = await this.#alone.import(path, place, bytesMax);
      if (node === "not a file") return await this.#visit(path, place);
      if (node !== "too large") return place.parent.add(place.name, node);
    }
    this.#ahead ??= new ImportAhead(
      this.#session,
      new ImportCrew(this.#threads),
      async (revisited, at) => {
        await using tree = new TreeImport(this.#session, this.#avoid, 1);
        await tree.run(revisited, at);
      },
    );
    await this.#ahead.file(path, place);
  }

  /** True while other threads are not worth it, or not to be had. */
  get #isAlone(): boolean {
    const { files, bytes } = this.#session.progress;
    if (this.#threads <= 1) return true;
    return this.#beginsAlone && files < FILES_ALONE_MAX && bytes < BYTES_ALONE_MAX;
  }

  #enter(path: Buffer, place: Place, stats: Stats): void {
    if (this.#avoid?.ino === stats.ino && this.#avoid.dev === stats.dev) {
      throw new ImportError("the store lies in what is to be imported", {
        path: displayPlace(place),
        remedy: "put the store somewhere else",
      });
    }
    this.#session.noteLosses(false, stats.mode, stats.uid, stats.gid, 1);
    this.#stack.push(new OpenFolder(path, place));
  }
}

function specialKind(stats: Stats): SpecialKind {
  if (stats.isCharacterDevice()) return "character device";
  if (stats.isBlockDevice()) return "block device";
  return stats.isFIFO() ? "FIFO" : "socket";
}

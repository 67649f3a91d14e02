/**
 * A layer that this process has to itself: made or opened, locked, checked against its base, and
 * cleared of what a process that was killed has left.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { DirectoryNode, Node } from "../castore/node.ts";
import { decodeEntry, encodeEntry } from "../castore/proto.ts";
import { pragma } from "../store/disk-schema.ts";
import { ProcessLock } from "../store/process-lock.ts";
import { systemFailure } from "../store/sqlite-failure.ts";
import { LayerError, LayerInUse } from "./errors.ts";
import { openLayerDatabase, readFormerBases, readMeta } from "./layer-database.ts";
import { layerFailure } from "./layer-failure.ts";
import { controlSocketPath, databasePath, dataPath, lockPath, pidPath } from "./layer-files.ts";
import { walBytes } from "./layer-room.ts";
import { createLayerSchema } from "./layer-schema.ts";
import { ROOT_ID } from "./rows.ts";

export interface LayerOpening {
  readonly storeDirectory: string;
  /** The base that the layer is to lie upon. */
  readonly root: DirectoryNode;
}

/** What a layer says of itself. */
interface Contents {
  readonly id: string;
  readonly base: DirectoryNode;
  readonly former: readonly Node[];
}

export class LayerDirectory implements Disposable {
  readonly directory: string;
  /** Of this layer, in hexadecimal. */
  readonly id: string;
  /** Whoever had it before was killed, perhaps: see reclaim.ts. */
  readonly wasKilled: boolean;
  /** What the store has to keep for it: its base, then those that it lay upon before. */
  readonly roots: readonly Node[];
  readonly #lock: Disposable;

  private constructor(
    directory: string,
    { id, base, former }: Contents,
    wasKilled: boolean,
    lock: Disposable,
  ) {
    this.directory = directory;
    this.id = id;
    this.wasKilled = wasKilled;
    this.roots = [base, ...former];
    this.#lock = lock;
  }

  /**
   * Opens the layer in `directory` for changing it, or makes one there.
   * @throws LayerInUse; LayerError: of another base, in the way, damaged; StoreError: disk full, …
   */
  static open(directory: string, opening: LayerOpening): LayerDirectory {
    makeFolder(directory);
    const lock = lockLayer(directory);
    try {
      // A clean end leaves no log; asking for it has to come before the first look into the layer.
      const wasKilled = walBytes(directory) > 0;
      if (!isMade(directory)) make(directory, opening);
      const contents = inspect(directory);
      checkBase(directory, contents.base, opening.root);
      return new LayerDirectory(directory, contents, wasKilled, lock);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Gives the layer up; others may open it. */
  [Symbol.dispose](): void {
    rmSync(controlSocketPath(this.directory), { force: true });
    this.#lock[Symbol.dispose]();
  }
}

/**
 * Takes the lock of the layer in `directory`, an existing folder; disposing of it gives it up.
 * @throws LayerInUse, StoreError
 */
export function lockLayer(directory: string): Disposable {
  const lock = ProcessLock.tryTake(lockPath(directory), { create: true });
  if (lock === undefined) {
    const pid = layerHolder(directory);
    throw new LayerInUse(
      pid === undefined ? "the layer is in use" : `the layer is in use by process ${pid}`,
      { path: directory, remedy: "a layer has one daemon at a time: end that one, or use another" },
    );
  }
  try {
    writeFileSync(pidPath(directory), `${process.pid}\n`);
    return {
      [Symbol.dispose]() {
        rmSync(pidPath(directory), { force: true });
        lock[Symbol.dispose]();
      },
    };
  } catch (error) {
    lock[Symbol.dispose]();
    throw systemFailure(error, directory);
  }
}

/** The process that has the layer to itself, if one has; 0 when it does not say which. */
export function layerHolder(directory: string): number | undefined {
  if (!ProcessLock.isHeld(lockPath(directory))) return undefined;
  try {
    const pid = Number.parseInt(readFileSync(pidPath(directory), "utf8"), 10);
    return Number.isSafeInteger(pid) ? pid : 0;
  } catch {
    return 0;
  }
}

function makeFolder(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw systemFailure(error, directory);
  }
}

/** False, too, when whoever began to make the layer was ended before it was one. */
function isMade(directory: string): boolean {
  const path = databasePath(directory);
  if (!existsSync(path)) return false;
  try {
    using database = new DatabaseSync(path);
    return pragma(database, "user_version") !== 0;
  } catch (error) {
    throw layerFailure(error, path);
  }
}

function make(directory: string, { storeDirectory, root }: LayerOpening): void {
  try {
    closeSync(openSync(dataPath(directory), "a", 0o600));
    using database = new DatabaseSync(databasePath(directory));
    const meta = {
      id: randomBytes(12).toString("hex"),
      base: encodeEntry(root),
      store: realpathSync(storeDirectory),
    };
    createLayerSchema(database, meta, ROOT_ID + 1);
    syncFolder(directory);
    syncFolder(join(directory, ".."));
  } catch (error) {
    throw layerFailure(error, directory);
  }
}

/** Reads what the layer says of itself, and removes inodes that only a guest that is gone had open. */
function inspect(directory: string): Contents {
  using database = openLayerDatabase(directory, "write");
  const { id, base } = readMeta(database);
  const { node } = decodeEntry(base);
  if (node.kind !== "directory") {
    throw new LayerError("the layer is damaged: its base is no directory", { path: directory });
  }
  if (!existsSync(dataPath(directory))) {
    throw new LayerError("the layer is damaged: its file of contents is gone", {
      path: directory,
      remedy: "check what happened to the layer's files",
    });
  }
  removeUnlinked(database);
  const former = readFormerBases(database).map((entry) => decodeEntry(entry).node);
  return { id, base: node, former };
}

function removeUnlinked(database: DatabaseSync): void {
  database.exec(`
    PRAGMA synchronous = FULL;
    BEGIN IMMEDIATE;
    DELETE FROM xattrs WHERE inode IN (SELECT id FROM inodes WHERE links = 0);
    DELETE FROM pieces WHERE inode IN (SELECT id FROM inodes WHERE links = 0);
    DELETE FROM inodes WHERE links = 0;
    COMMIT;
  `);
}

function checkBase(directory: string, base: DirectoryNode, root: DirectoryNode): void {
  if (base.digest.equals(root.digest)) return;
  throw new LayerError(`the layer lies upon ${base.digest}, not upon ${root.digest}`, {
    path: directory,
    remedy: "serve that root, or have castorefs layer rebase put the layer upon this one",
  });
}

/** The name of a new file reaches the disk with its folder. */
function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

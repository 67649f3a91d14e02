/**
 * A lock that dies with its process: SQLite's exclusive lock on an empty database of its own. The
 * kernel gives it up however the process ends. Nothing else in the process may open such a file:
 * closing any descriptor of it would give up the lock (fcntl(2)).
 */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { indexFailure, isSqliteBusy } from "./sqlite-failure.ts";

export interface ProcessLockOptions {
  /** Makes the file when there is none; otherwise its absence is an error. */
  readonly create: boolean;
  /** How long to wait for another holder; the whole thread waits. */
  readonly waitMilliseconds?: number;
}

export class ProcessLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Undefined: another holds it, in this process or elsewhere.
   * @throws StoreError
   */
  static tryTake(path: string, options: ProcessLockOptions): ProcessLock | undefined {
    let database: DatabaseSync | undefined;
    try {
      const url = pathToFileURL(path);
      url.searchParams.set("mode", options.create ? "rwc" : "rw");
      database = new DatabaseSync(url, { timeout: options.waitMilliseconds ?? 0 });
      // Nothing is ever written: a journal beside it would only be left behind by a kill.
      database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
      return new ProcessLock(database);
    } catch (error) {
      database?.close();
      if (isSqliteBusy(error)) return undefined;
      throw indexFailure(error, path);
    }
  }

  /**
   * True when somebody holds it, in this process or elsewhere; false when the file is absent. Asks
   * for reading only, so that whoever may read the store may ask.
   */
  static isHeld(path: string): boolean {
    if (!existsSync(path)) return false;
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { readOnly: true, timeout: 0 });
      database.exec("SELECT count(*) FROM sqlite_schema");
      return false;
    } catch (error) {
      if (isSqliteBusy(error)) return true;
      if (!existsSync(path)) return false;
      throw indexFailure(error, path);
    } finally {
      database?.close();
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

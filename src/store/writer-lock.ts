/**
 * One importer at a time for each store. The lock is SQLite's exclusive lock on an empty database
 * of its own: the kernel gives it up when the process ends, however it ends, and readers never
 * touch it.
 */
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { writerLockPath } from "./disk-layout.ts";
import { StoreBusy } from "./errors.ts";
import { indexFailure, isSqliteBusy } from "./sqlite-failure.ts";

/** How long to wait for another importer, unless told otherwise. */
export const WRITER_WAIT_MILLISECONDS = 3000;
const RETRY_MILLISECONDS = 50;

export class WriterLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @throws StoreBusy when another holds the lock all that time. */
  static async acquire(directory: string, waitMilliseconds: number): Promise<WriterLock> {
    const path = writerLockPath(directory);
    const deadline = performance.now() + waitMilliseconds;
    for (;;) {
      const database = tryLock(path);
      if (database !== undefined) return new WriterLock(database);
      if (performance.now() >= deadline) {
        throw new StoreBusy("another import is writing to this store", {
          path: directory,
          remedy: "wait until it is done",
        });
      }
      await sleep(RETRY_MILLISECONDS);
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** Undefined: another holds it. */
function tryLock(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec("BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database?.close();
    if (isSqliteBusy(error)) return undefined;
    throw indexFailure(error, path);
  }
}

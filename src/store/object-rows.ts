/** Writing objects to the index, and transactions. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Location } from "./disk-index.ts";
import { BUSY_MILLISECONDS } from "./disk-index.ts";
import type { ObjectKind } from "./disk-layout.ts";
import { OBJECT_DIRECTORY } from "./disk-layout.ts";

/** Writes objects, within a transaction of the caller's. */
export class ObjectTableWriter {
  readonly #insert: StatementSync;
  readonly #replace: StatementSync;
  readonly #complete: StatementSync;

  constructor(database: DatabaseSync) {
    const insert = "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET";
    this.#insert = database.prepare(
      `${insert} whole = excluded.whole WHERE whole < excluded.whole`,
    );
    this.#replace = database.prepare(
      `${insert} segment = excluded.segment, offset = excluded.offset, length = excluded.length,
         whole = max(whole, excluded.whole)`,
    );
    this.#complete = database.prepare("UPDATE objects SET whole = 1 WHERE kind = ? AND digest = ?");
  }

  /** What another has put meanwhile stays where it is, and becomes whole if this one is. */
  insert(kind: ObjectKind, digest: Uint8Array, at: Readonly<Location>, whole: boolean): void {
    this.#insert.run(kind, digest, at.segment, at.offset, at.length, whole ? 1 : 0);
  }

  /** Takes the place of what is there, which stays whole if it was. */
  replace(kind: ObjectKind, digest: Uint8Array, at: Readonly<Location>, whole: boolean): void {
    this.#replace.run(kind, digest, at.segment, at.offset, at.length, whole ? 1 : 0);
  }

  /** Makes a stored directory whole. */
  complete(digest: Uint8Array): void {
    this.#complete.run(OBJECT_DIRECTORY, digest);
  }
}

/**
 * Runs `step` in a transaction that nobody else can write beside; all of it happens or nothing.
 * @throws an error of SQLite: another's transaction did not end in `waitMilliseconds`, …
 */
export function inTransaction<T>(
  database: DatabaseSync,
  step: () => T,
  waitMilliseconds: number = BUSY_MILLISECONDS,
): T {
  begin(database, waitMilliseconds);
  try {
    const result = step();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // Some failures, a full disk for one, have rolled it back already.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

function begin(database: DatabaseSync, waitMilliseconds: number): void {
  if (waitMilliseconds === BUSY_MILLISECONDS) {
    database.exec("BEGIN IMMEDIATE");
    return;
  }
  try {
    database.exec(`PRAGMA busy_timeout = ${waitMilliseconds}; BEGIN IMMEDIATE`);
  } finally {
    database.exec(`PRAGMA busy_timeout = ${BUSY_MILLISECONDS}`);
  }
}

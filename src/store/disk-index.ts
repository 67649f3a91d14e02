/**
 * The index of a store on disk, an SQLite database in WAL mode: any number of readers in any number
 * of processes, of which each sees a transaction once it is committed; writers take turns, each for
 * a moment. Opening costs the same however much is stored.
 *
 * What the index says is not trusted: a location is checked before it is used, what lies there is
 * checked against its digest, and rows that no digest covers carry a checksum.
 */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { blake3 } from "../castore/blake3.ts";
import { DIGEST_BYTES } from "../castore/digest.ts";
import type { ObjectKind } from "./disk-layout.ts";
import {
  APPLICATION_ID,
  FORMAT_VERSION,
  indexPath,
  SEGMENT_BYTES_MAX,
  SEGMENT_ID_MAX,
  segmentsPath,
} from "./disk-layout.ts";
import { createSchema, migrateSchema, pragma, readOlderSchema } from "./disk-schema.ts";
import { StoreAbsent, StoreError, UnsupportedFormat } from "./errors.ts";
import { indexFailure, isSqliteWriteRefusal, systemFailure } from "./sqlite-failure.ts";

/** How long a statement waits for another process that is just committing. */
export const BUSY_MILLISECONDS = 20_000;

/** Where an object lies. Filled in by `locate`, so that finding many makes no garbage. */
export interface Location {
  segment: number;
  offset: number;
  length: number;
}

export type IndexMode = "read" | "write" | "create";

/**
 * Opens the index of the store in `directory`; `create` makes the store if there is none. An index
 * of an older format gets the newest; where this process may not write it is read as it is.
 * @throws StoreAbsent, UnsupportedFormat, StoreError
 */
export function openIndex(directory: string, mode: IndexMode): DatabaseSync {
  const path = indexPath(directory);
  if (!existsSync(path)) {
    if (mode !== "create") throw absent(directory);
    try {
      mkdirSync(segmentsPath(directory), { recursive: true });
    } catch (error) {
      throw systemFailure(error, directory);
    }
  }
  let database: DatabaseSync | undefined;
  try {
    database = mode === "read" ? openForReading(path) : openDatabase(path, false);
    if (mode === "create") createSchema(database);
    checkFormat(database, directory);
    if (pragma(database, "user_version") < FORMAT_VERSION) upgrade(database, directory, mode);
    return database;
  } catch (error) {
    database?.close();
    throw indexFailure(error, path);
  }
}

/** @throws an error of SQLite, or StoreError: `database` may write, and cannot. */
function upgrade(database: DatabaseSync, directory: string, mode: IndexMode): void {
  if (mode !== "read") {
    migrateSchema(database);
    return;
  }
  try {
    openIndex(directory, "write").close();
  } catch {
    readOlderSchema(database);
  }
}

function openDatabase(path: string | URL, readOnly: boolean): DatabaseSync {
  return new DatabaseSync(path, { readOnly, timeout: BUSY_MILLISECONDS });
}

/**
 * In WAL mode even a reader writes (to the shared memory file). Where it may not, on a read-only
 * file system say, a store that no importer has open can still be read as it is.
 */
function openForReading(path: string): DatabaseSync {
  let failure: unknown;
  try {
    const database = openDatabase(path, true);
    database.prepare("PRAGMA user_version").get();
    return database;
  } catch (error) {
    if (!isSqliteWriteRefusal(error) || hasUnmergedCommits(path)) throw error;
    failure = error;
  }
  try {
    const url = pathToFileURL(path);
    url.searchParams.set("immutable", "1");
    return openDatabase(url, true);
  } catch {
    throw failure;
  }
}

function hasUnmergedCommits(path: string): boolean {
  return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

function checkFormat(database: DatabaseSync, directory: string): void {
  const version = pragma(database, "user_version");
  // Whoever began to make this store was ended before it had a schema.
  if (version === 0) throw absent(directory);
  if (pragma(database, "application_id") !== APPLICATION_ID) {
    throw new StoreError("the index belongs to something else", { path: directory });
  }
  if (version > FORMAT_VERSION) {
    throw new UnsupportedFormat(
      `the store has format ${version}, and this version reads formats up to ${FORMAT_VERSION}`,
      { path: directory, remedy: "use the version of castorefs that wrote it, or a newer one" },
    );
  }
}

function absent(directory: string): StoreAbsent {
  return new StoreAbsent("there is no store here", {
    path: directory,
    remedy: "import something into it first, or check the path",
  });
}

/**
 * A statement whose rows come as arrays.
 * @throws StoreError when the index is too damaged for it.
 */
export function prepareRows(database: DatabaseSync, sql: string): StatementSync {
  try {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return statement;
  } catch (error) {
    throw indexFailure(error, database.location() ?? "");
  }
}

/** Finds objects in an open index. */
export class ObjectTable {
  readonly #statement: StatementSync;
  readonly #whole: StatementSync;

  constructor(database: DatabaseSync) {
    this.#statement = prepareRows(
      database,
      "SELECT segment, offset, length FROM objects WHERE kind = ? AND digest = ?",
    );
    this.#whole = prepareRows(database, "SELECT whole FROM objects WHERE kind = ? AND digest = ?");
  }

  /**
   * Looks up the object of that kind and digest. False: absent.
   * @throws StoreError when the index is damaged.
   */
  locate(kind: ObjectKind, digest: Uint8Array, location: Location): boolean {
    const row = this.#statement.get(kind, digest) as unknown as number[] | undefined;
    if (row === undefined) return false;
    location.segment = row[0]!;
    location.offset = row[1]!;
    location.length = row[2]!;
    return true;
  }

  /** True for an object below which all was stored when it was committed; false: absent, too. */
  isWhole(kind: ObjectKind, digest: Uint8Array): boolean {
    const row = this.#whole.get(kind, digest) as unknown as [number] | undefined;
    return row?.[0] === 1;
  }
}

/** True when an object of up to `lengthMax` bytes can lie there: a damaged row may hold anything. */
export function isPlausible(location: Location, lengthMax: number): boolean {
  const { segment, offset, length } = location;
  return (
    Number.isInteger(segment) &&
    Number.isInteger(offset) &&
    Number.isInteger(length) &&
    segment >= 1 &&
    segment <= SEGMENT_ID_MAX &&
    offset >= 0 &&
    length >= 0 &&
    length <= lengthMax &&
    offset + length <= SEGMENT_BYTES_MAX
  );
}

/** The checksum of a row: of its key and its value. */
export function rowChecksum(key: Uint8Array, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + key.length + value.length);
  new DataView(bytes.buffer).setUint32(0, key.length, true);
  bytes.set(key, 4);
  bytes.set(value, 4 + key.length);
  return blake3(bytes).bytes;
}

export function checksumMatches(key: Uint8Array, value: unknown, checksum: unknown): boolean {
  return (
    value instanceof Uint8Array &&
    checksum instanceof Uint8Array &&
    checksum.length === DIGEST_BYTES &&
    Buffer.compare(rowChecksum(key, value), checksum) === 0
  );
}

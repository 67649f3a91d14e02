/**
 * The tables of the index, and how a store of an older format gets them.
 *
 * `whole` is 1 for a chunk, and for a directory or blob below which everything was stored and
 * verified when it was committed; 0 for what was fetched while parts of it are still elsewhere.
 */
import type { DatabaseSync } from "node:sqlite";
import { APPLICATION_ID, FORMAT_VERSION } from "./disk-layout.ts";

const OBJECTS_AND_BLOBS = `
  CREATE TABLE objects (
    kind INTEGER NOT NULL, digest BLOB NOT NULL,
    segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    whole INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (kind, digest)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE blobs (
    digest BLOB PRIMARY KEY, size INTEGER NOT NULL, chunks BLOB NOT NULL, checksum BLOB NOT NULL,
    whole INTEGER NOT NULL DEFAULT 1
  ) STRICT;
  CREATE TABLE roots (
    name BLOB PRIMARY KEY, entry BLOB NOT NULL, checksum BLOB NOT NULL
  ) WITHOUT ROWID, STRICT;
`;

/**
 * `removed`: root entries that lost their name, and when (milliseconds since 1970). `segments`:
 * AUTOINCREMENT, because a reader may still have the segment mapped that had the number before.
 * `slots`: the segment that the writer in a slot goes on with.
 */
const SINCE_FORMAT_2 = `
  CREATE TABLE removed (
    entry BLOB PRIMARY KEY, time INTEGER NOT NULL, checksum BLOB NOT NULL
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, length INTEGER NOT NULL, checksum BLOB NOT NULL
  ) STRICT;
  CREATE TABLE slots (
    slot INTEGER PRIMARY KEY, segment INTEGER NOT NULL UNIQUE, checksum BLOB NOT NULL
  ) STRICT;
`;

/** Whatever an importer of format 1 may have left at the end of the last segment stays there. */
const FROM_FORMAT_1 = `
  ALTER TABLE objects ADD COLUMN whole INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE blobs ADD COLUMN whole INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE segments RENAME TO segments_1;
  ${SINCE_FORMAT_2}
  INSERT INTO segments SELECT id, length, checksum FROM segments_1 ORDER BY id;
  DROP TABLE segments_1;
`;

/**
 * Format 1 as if it were format 2, for a reader that may not write. The inner `whole` is the
 * table's once somebody else has migrated it, and until then the constant's.
 */
const FORMAT_1_AS_2 = `
  CREATE TEMP VIEW objects AS SELECT kind, digest, segment, offset, length, (
    SELECT whole FROM main.objects AS o WHERE o.kind = outside.kind AND o.digest = outside.digest
  ) AS whole FROM main.objects AS outside, (SELECT 1 AS whole);
  CREATE TEMP VIEW blobs AS SELECT digest, size, chunks, checksum, (
    SELECT whole FROM main.blobs AS b WHERE b.digest = outside.digest
  ) AS whole FROM main.blobs AS outside, (SELECT 1 AS whole);
  CREATE TEMP VIEW removed AS SELECT x'' AS entry, 0 AS time, x'' AS checksum WHERE FALSE;
  CREATE TEMP VIEW slots AS SELECT 0 AS slot, 0 AS segment, x'' AS checksum WHERE FALSE;
`;

/** Gives an empty index its tables; leaves another as it is. */
export function createSchema(database: DatabaseSync): void {
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
  if (pragma(database, "user_version") === 0) {
    database.exec(OBJECTS_AND_BLOBS + SINCE_FORMAT_2);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.exec(`PRAGMA user_version = ${FORMAT_VERSION}`);
  }
  database.exec("COMMIT");
}

/** Brings the index of an older format to the newest, in one transaction. */
export function migrateSchema(database: DatabaseSync): void {
  database.exec("PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
  // Another may have done it while this one waited.
  if (pragma(database, "user_version") === 1) {
    database.exec(FROM_FORMAT_1);
    database.exec(`PRAGMA user_version = ${FORMAT_VERSION}`);
  }
  database.exec("COMMIT");
}

/** Lets the index of an older format be read with the queries for the newest. */
export function readOlderSchema(database: DatabaseSync): void {
  database.exec(FORMAT_1_AS_2);
}

export function pragma(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Number(row?.[name]);
}

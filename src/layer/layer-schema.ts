/**
 * The tables of a layer. Rows are those of rows.ts; `stat` and `origin` as inode-code.ts has them.
 * `base` is the encoded `Entry` of the root node that the layer lies upon, `id` a random name,
 * `former_bases` those that it lay upon before, of which it may still have contents, `batches` how many transactions there were.
 */
import type { DatabaseSync } from "node:sqlite";
import { LAYER_APPLICATION_ID, LAYER_FORMAT } from "./layer-files.ts";

const TABLES = `
  CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL, base BLOB NOT NULL, store TEXT NOT NULL, next_inode INTEGER NOT NULL,
    batches INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE former_bases (entry BLOB PRIMARY KEY) WITHOUT ROWID, STRICT;
  CREATE TABLE inodes (
    id INTEGER PRIMARY KEY, links INTEGER NOT NULL, size INTEGER NOT NULL,
    stat BLOB NOT NULL, origin BLOB, target BLOB
  ) STRICT;
  CREATE INDEX unlinked ON inodes (id) WHERE links = 0;
  CREATE TABLE entries (
    parent INTEGER NOT NULL, name BLOB NOT NULL, position INTEGER NOT NULL, inode INTEGER,
    PRIMARY KEY (parent, name)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE xattrs (
    inode INTEGER NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (inode, name)
  ) STRICT;
  CREATE TABLE pieces (
    inode INTEGER NOT NULL, piece INTEGER NOT NULL, extents BLOB NOT NULL,
    PRIMARY KEY (inode, piece)
  ) STRICT;
`;

export interface LayerMeta {
  /** Of this layer, in hexadecimal: what the store knows it by. */
  readonly id: string;
  /** The encoded `Entry` of the base's root node. */
  readonly base: Uint8Array;
  /** The directory of the store, as it was when the layer was made. */
  readonly store: string;
}

/** Gives an empty database its tables; the first inode made is `nextInode`. */
export function createLayerSchema(
  database: DatabaseSync,
  { id, base, store }: LayerMeta,
  nextInode: number,
): void {
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN IMMEDIATE");
  database.exec(TABLES);
  database
    .prepare("INSERT INTO meta (one, id, base, store, next_inode) VALUES (1, ?, ?, ?, ?)")
    .run(id, base, store, nextInode);
  database.exec(`PRAGMA application_id = ${LAYER_APPLICATION_ID}`);
  database.exec(`PRAGMA user_version = ${LAYER_FORMAT}; COMMIT`);
}

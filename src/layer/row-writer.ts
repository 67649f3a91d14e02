/** Writes the rows of a batch, all or none of them. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { prepareRows } from "../store/disk-index.ts";
import type { LayerBatch } from "./batch.ts";
import { encodeOrigin, encodeStat } from "./inode-code.ts";
import type { InodeRow } from "./rows.ts";

export type RowChanges = Omit<LayerBatch, "id" | "durable" | "writes" | "freed">;

export class RowWriter {
  readonly #database: DatabaseSync;
  readonly #putInode: StatementSync;
  readonly #dropInode: StatementSync;
  readonly #dropXattrs: StatementSync;
  readonly #dropPieces: StatementSync;
  readonly #putEntry: StatementSync;
  readonly #dropEntry: StatementSync;
  readonly #putXattr: StatementSync;
  readonly #dropXattr: StatementSync;
  readonly #putPiece: StatementSync;
  readonly #dropPiece: StatementSync;
  readonly #setNextInode: StatementSync;

  /** Borrows `database`, which was opened for writing. */
  constructor(database: DatabaseSync) {
    const prepare = (sql: string) => prepareRows(database, sql);
    this.#database = database;
    this.#putInode = prepare(
      "INSERT INTO inodes (id, links, size, stat, origin, target) VALUES (?, ?, ?, ?, ?, ?) " +
        "ON CONFLICT (id) DO UPDATE SET links = excluded.links, size = excluded.size, " +
        "stat = excluded.stat, origin = excluded.origin, target = excluded.target",
    );
    this.#dropInode = prepare("DELETE FROM inodes WHERE id = ?");
    this.#dropXattrs = prepare("DELETE FROM xattrs WHERE inode = ?");
    this.#dropPieces = prepare("DELETE FROM pieces WHERE inode = ?");
    this.#putEntry = prepare(
      "INSERT INTO entries (parent, name, position, inode) VALUES (?, ?, ?, ?) " +
        "ON CONFLICT (parent, name) DO UPDATE SET position = excluded.position, " +
        "inode = excluded.inode",
    );
    this.#dropEntry = prepare("DELETE FROM entries WHERE parent = ? AND name = ?");
    this.#putXattr = prepare(
      "INSERT INTO xattrs (inode, name, value) VALUES (?, ?, ?) " +
        "ON CONFLICT (inode, name) DO UPDATE SET value = excluded.value",
    );
    this.#dropXattr = prepare("DELETE FROM xattrs WHERE inode = ? AND name = ?");
    this.#putPiece = prepare(
      "INSERT INTO pieces (inode, piece, extents) VALUES (?, ?, ?) " +
        "ON CONFLICT (inode, piece) DO UPDATE SET extents = excluded.extents",
    );
    this.#dropPiece = prepare("DELETE FROM pieces WHERE inode = ? AND piece = ?");
    this.#setNextInode = prepare("UPDATE meta SET next_inode = ?, batches = batches + 1");
  }

  /** One transaction, which changes something in any case. @throws an error of SQLite: nothing has changed then. */
  apply(changes: RowChanges, also?: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      this.#write(changes);
      also?.();
      this.#database.exec("COMMIT");
    } catch (error) {
      // SQLite may have rolled back by itself (disk full).
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #write(changes: RowChanges): void {
    for (const id of changes.removedInodes) this.removeInode(id);
    for (const { parent, name } of changes.removedEntries) this.#dropEntry.run(parent, name);
    for (const inode of changes.inodes) this.#writeInode(inode);
    for (const { parent, name, position, inode } of changes.entries) {
      this.#putEntry.run(parent, name, position, inode ?? null);
    }
    for (const { inode, name, value } of changes.xattrs) {
      if (value === undefined) this.#dropXattr.run(inode, name);
      else this.#putXattr.run(inode, name, value);
    }
    for (const { inode, piece, extents } of changes.pieces) {
      if (extents === undefined) this.#dropPiece.run(inode, piece);
      else this.#putPiece.run(inode, piece, extents);
    }
    this.#setNextInode.run(changes.nextInode);
  }

  #writeInode(row: InodeRow): void {
    const origin = row.origin === undefined ? null : encodeOrigin(row.origin);
    this.#putInode.run(row.id, row.links, row.size, encodeStat(row), origin, row.target ?? null);
  }

  /** With its pieces and extended attributes. */
  removeInode(id: number): void {
    this.#dropInode.run(id);
    this.#dropXattrs.run(id);
    this.#dropPieces.run(id);
  }
}

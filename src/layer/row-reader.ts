/**
 * Rows out of a layer's database. Each method sees what is committed when it is called; in a
 * transaction, what was when that began.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { prepareRows } from "../store/disk-index.ts";
import { LayerError } from "./errors.ts";
import { decodeOrigin, decodeStat } from "./inode-code.ts";
import type { LayerReader } from "./layer-port.ts";
import type { EntryRow, InodeRow, PieceRow, XattrRow } from "./rows.ts";

type InodeColumns = [
  id: number,
  links: number,
  size: number,
  stat: Uint8Array,
  origin: Uint8Array | null,
  target: Uint8Array | null,
];

const INODE_COLUMNS = "id, links, size, stat, origin, target";

export class RowReader implements LayerReader {
  readonly #nextInode: StatementSync;
  readonly #inode: StatementSync;
  readonly #inodes: StatementSync;
  readonly #entries: StatementSync;
  readonly #xattrs: StatementSync;
  readonly #withXattrs: StatementSync;
  readonly #pieces: StatementSync;
  readonly #allPieces: StatementSync;

  /** Borrows `database`, which was opened by openLayerDatabase(). */
  constructor(database: DatabaseSync) {
    this.#nextInode = prepareRows(database, "SELECT next_inode FROM meta");
    this.#inode = prepareRows(database, `SELECT ${INODE_COLUMNS} FROM inodes WHERE id = ?`);
    this.#inodes = prepareRows(database, `SELECT ${INODE_COLUMNS} FROM inodes ORDER BY id`);
    this.#entries = prepareRows(
      database,
      "SELECT name, position, inode FROM entries WHERE parent = ? ORDER BY position",
    );
    this.#xattrs = prepareRows(
      database,
      "SELECT name, value FROM xattrs WHERE inode = ? ORDER BY name",
    );
    this.#withXattrs = prepareRows(database, "SELECT DISTINCT inode FROM xattrs");
    this.#pieces = prepareRows(
      database,
      "SELECT piece, extents FROM pieces WHERE inode = ? ORDER BY piece",
    );
    this.#allPieces = prepareRows(
      database,
      "SELECT inode, piece, extents FROM pieces ORDER BY inode, piece",
    );
  }

  get nextInode(): number {
    const row = this.#nextInode.get() as unknown as [number] | undefined;
    if (row === undefined) throw new LayerError("the layer is damaged: it says nothing of itself");
    return row[0];
  }

  inode(id: number): InodeRow | undefined {
    const row = this.#inode.get(id) as unknown as InodeColumns | undefined;
    return row && inodeRow(row);
  }

  /** All inodes, by id. */
  *allInodes(): Iterable<InodeRow> {
    for (const row of this.#inodes.iterate()) yield inodeRow(row as unknown as InodeColumns);
  }

  entries(parent: number): EntryRow[] {
    const rows = this.#entries.all(parent) as unknown as [Uint8Array, number, number | null][];
    return rows.map(([name, position, inode]) => ({
      parent,
      name,
      position,
      inode: inode ?? undefined,
    }));
  }

  /** Inodes that have extended attributes. */
  inodesWithXattrs(): Set<number> {
    const rows = this.#withXattrs.all() as unknown as [number][];
    return new Set(rows.map(([inode]) => inode));
  }

  xattrs(inode: number): XattrRow[] {
    const rows = this.#xattrs.all(inode) as unknown as [Uint8Array, Uint8Array][];
    return rows.map(([name, value]) => ({ inode, name, value }));
  }

  pieces(inode: number): PieceRow[] {
    const rows = this.#pieces.all(inode) as unknown as [number, Uint8Array][];
    return rows.map(([piece, extents]) => ({ inode, piece, extents }));
  }

  *allPieces(): Iterable<PieceRow> {
    for (const row of this.#allPieces.iterate()) {
      const [inode, piece, extents] = row as unknown as [number, number, Uint8Array];
      yield { inode, piece, extents };
    }
  }
}

function inodeRow([id, links, size, stat, origin, target]: InodeColumns): InodeRow {
  return {
    id,
    links,
    size,
    ...decodeStat(stat),
    origin: origin === null ? undefined : decodeOrigin(origin),
    target: target ?? undefined,
  };
}

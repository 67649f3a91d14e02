/** A layer that nobody serves, opened for a command that changes its rows. */
import type { DatabaseSync } from "node:sqlite";
import type { DirectoryNode } from "../../castore/node.ts";
import { encodeEntry } from "../../castore/proto.ts";
import { indexFailure } from "../../store/sqlite-failure.ts";
import { openLayerDatabase, readMeta, writeBase } from "../layer-database.ts";
import { lockLayer } from "../layer-directory.ts";
import { databasePath } from "../layer-files.ts";
import type { LayerMeta } from "../layer-schema.ts";
import { RowReader } from "../row-reader.ts";
import { type RowChanges, RowWriter } from "../row-writer.ts";
import type { EntryRow, InodeRow, PieceRow } from "../rows.ts";
import { baseNode } from "../tree/layer-snapshot.ts";

/** What is to be changed, put together before any of it is. */
export class RowEdits {
  readonly inodes: InodeRow[] = [];
  readonly removedInodes: number[] = [];
  readonly entries: EntryRow[] = [];
  readonly removedEntries: { readonly parent: number; readonly name: Uint8Array }[] = [];
  readonly pieces: PieceRow[] = [];

  get isEmpty(): boolean {
    const { inodes, removedInodes, entries, removedEntries, pieces } = this;
    return [inodes, removedInodes, entries, removedEntries, pieces].every((all) => !all.length);
  }
}

export class LayerEditor implements Disposable {
  readonly rows: RowReader;
  readonly meta: LayerMeta;
  readonly base: DirectoryNode;
  readonly #directory: string;
  readonly #lock: Disposable;
  readonly #database: DatabaseSync;

  /** @throws LayerAbsent, LayerInUse, LayerError */
  constructor(directory: string) {
    this.#directory = directory;
    // Before anything is made there: a folder without a layer stays as it is.
    openLayerDatabase(directory, "read").close();
    this.#lock = lockLayer(directory);
    try {
      this.#database = openLayerDatabase(directory, "write");
      this.#database.exec("PRAGMA synchronous = FULL");
      this.rows = new RowReader(this.#database);
      this.meta = readMeta(this.#database);
      this.base = baseNode(directory, this.meta);
    } catch (error) {
      this.#lock[Symbol.dispose]();
      throw error;
    }
  }

  /** All of it or nothing; puts the layer upon `base`, if told. @throws StoreError */
  apply(edits: RowEdits, base?: DirectoryNode): void {
    const changes: RowChanges = { ...edits, xattrs: [], nextInode: this.rows.nextInode };
    try {
      new RowWriter(this.#database).apply(changes, () => {
        if (base !== undefined) writeBase(this.#database, encodeEntry(base));
      });
    } catch (error) {
      throw indexFailure(error, databasePath(this.#directory));
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
    this.#lock[Symbol.dispose]();
  }
}

/** Root nodes by name in the index. A row carries a checksum, since no digest covers it. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { checksumMatches, prepareRows, rowChecksum } from "./disk-index.ts";
import { StoreError } from "./errors.ts";
import type { RootSource } from "./local-reader.ts";

export class RootTable implements RootSource {
  readonly #get: StatementSync;
  readonly #list: StatementSync;

  constructor(database: DatabaseSync) {
    this.#get = prepareRows(database, "SELECT entry, checksum FROM roots WHERE name = ?");
    this.#list = prepareRows(database, "SELECT name FROM roots ORDER BY name");
  }

  /** @throws StoreError when the row is damaged. */
  get(name: Uint8Array): Uint8Array | undefined {
    const row = this.#get.get(name) as unknown as [Uint8Array, Uint8Array] | undefined;
    if (row === undefined) return undefined;
    if (!checksumMatches(name, row[0], row[1])) {
      throw new StoreError(
        `the root node ${JSON.stringify(Buffer.from(name).toString())} is damaged`,
        {
          remedy: "import it again under this name",
        },
      );
    }
    return row[0];
  }

  list(): Uint8Array[] {
    const rows = this.#list.all() as unknown as [Uint8Array][];
    return rows.map(([name]) => name).filter((name) => name instanceof Uint8Array);
  }
}

/** Within a transaction of the caller's, or each statement one of its own. */
export class RootTableWriter {
  readonly #put: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#put = database.prepare("INSERT OR REPLACE INTO roots VALUES (?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM roots WHERE name = ?");
  }

  put(name: Uint8Array, entry: Uint8Array): void {
    this.#put.run(name, entry, rowChecksum(name, entry));
  }

  /** False: there was no such name. */
  delete(name: Uint8Array): boolean {
    return this.#delete.run(name).changes !== 0;
  }
}

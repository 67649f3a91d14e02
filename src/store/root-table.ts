/**
 * Root nodes by name in the index, and those that lost their name: what a machine was given stays
 * for as long as somebody may show it. A row carries a checksum, since no digest covers it.
 */
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

  /** Names of damaged rows, too. */
  list(): Uint8Array[] {
    const rows = this.#list.all() as unknown as [Uint8Array][];
    return rows.map(([name]) => name).filter((name) => name instanceof Uint8Array);
  }
}

/** Within a transaction of the caller's. */
export class RootTableWriter {
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #remove: StatementSync;

  constructor(database: DatabaseSync) {
    this.#get = prepareRows(database, "SELECT entry, checksum FROM roots WHERE name = ?");
    this.#put = database.prepare("INSERT OR REPLACE INTO roots VALUES (?, ?, ?)");
    this.#delete = database.prepare("DELETE FROM roots WHERE name = ?");
    this.#remove = database.prepare("INSERT OR REPLACE INTO removed VALUES (?, ?, ?)");
  }

  put(name: Uint8Array, entry: Uint8Array): void {
    this.#noteRemoval(name, entry);
    this.#put.run(name, entry, rowChecksum(name, entry));
  }

  /** False: there was no such name. */
  delete(name: Uint8Array): boolean {
    this.#noteRemoval(name, undefined);
    return this.#delete.run(name).changes !== 0;
  }

  /** Remembers what `name` names, unless it is damaged or `successor` is the same. */
  #noteRemoval(name: Uint8Array, successor: Uint8Array | undefined): void {
    const row = this.#get.get(name) as unknown as [Uint8Array, Uint8Array] | undefined;
    if (row === undefined || !checksumMatches(name, row[0], row[1])) return;
    const [entry] = row;
    if (successor !== undefined && Buffer.compare(entry, successor) === 0) return;
    const time = Date.now();
    this.#remove.run(entry, time, rowChecksum(entry, timeBytes(time)));
  }
}

/** A root entry that lost its name. */
export interface RemovedRoot {
  readonly entry: Uint8Array;
  /** Milliseconds since 1970, by the clock of the host that removed it. */
  readonly time: number;
}

/** What lost its name, until a collection forgets it. */
export class RemovedRoots {
  readonly #list: StatementSync;

  constructor(database: DatabaseSync) {
    this.#list = prepareRows(database, "SELECT entry, time, checksum FROM removed");
  }

  /** Those that are sound, and those that are not, with whatever their rows say. */
  list(): { readonly roots: RemovedRoot[]; readonly damaged: RemovedRoot[] } {
    const rows = this.#list.all() as unknown as [Uint8Array, number, Uint8Array][];
    const roots: RemovedRoot[] = [];
    const damaged: RemovedRoot[] = [];
    for (const [entry, time, checksum] of rows) {
      const isSound = checksumMatches(entry, timeBytes(time), checksum);
      (isSound ? roots : damaged).push({ entry, time });
    }
    return { roots, damaged };
  }
}

function timeBytes(time: number): Uint8Array {
  return Buffer.from(time.toString());
}

/** Does tasks of a verification, on whatever thread: with a connection to the index of its own. */
import type { DatabaseSync } from "node:sqlite";
import { openIndex } from "../disk-index.ts";
import { BlobCheck } from "./blob-check.ts";
import { ObjectCheck } from "./object-check.ts";
import type { VerifyOutcome, VerifyTask, VerifyThreadData } from "./verify-messages.ts";

/** Of the index, in memory, for each thread. */
const CACHE_KIBIBYTES = 16 * 1024;

export class VerifyWork implements Disposable {
  readonly #database: DatabaseSync;
  readonly #objects: ObjectCheck;
  readonly #blobs: BlobCheck;

  /** @throws StoreError */
  constructor({ directory, wholeBlobs }: VerifyThreadData) {
    this.#database = openIndex(directory, "read");
    this.#database.exec(`PRAGMA cache_size = -${CACHE_KIBIBYTES}`);
    this.#objects = new ObjectCheck(directory, this.#database);
    this.#blobs = new BlobCheck(directory, this.#database, wholeBlobs);
  }

  run(task: VerifyTask): VerifyOutcome {
    // One look at the index, as it is now, costs less than a look for each row.
    this.#database.exec("BEGIN");
    let outcome: VerifyOutcome;
    try {
      outcome = this.#run(task);
    } finally {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
    }
    // What a collection has moved meanwhile is to be found by another look.
    return isSound(outcome) ? outcome : this.#run(task);
  }

  [Symbol.dispose](): void {
    this.#objects[Symbol.dispose]();
    this.#blobs[Symbol.dispose]();
    this.#database.close();
  }

  #run(task: VerifyTask): VerifyOutcome {
    return task.kind === "objects" ? this.#objects.run(task) : this.#blobs.run(task);
  }
}

function isSound(outcome: VerifyOutcome): boolean {
  const { names, moreNames } = outcome;
  const isRotten = outcome.kind === "objects" && outcome.rotten.length > 0;
  return names.length === 0 && moreNames === 0 && !isRotten;
}

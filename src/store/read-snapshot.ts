/**
 * A read transaction that lasts until the event loop turns: looking up many objects one by one then
 * costs half, and the snapshot never gets old. Whoever writes ends it first.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";

export class ReadSnapshot implements Disposable {
  readonly #begin: StatementSync;
  readonly #end: StatementSync;
  #turn: NodeJS.Immediate | undefined;

  constructor(database: DatabaseSync) {
    this.#begin = database.prepare("BEGIN");
    this.#end = database.prepare("COMMIT");
  }

  /** Begins one unless there is one. */
  begin(): void {
    if (this.#turn !== undefined) return;
    this.#begin.run();
    this.#turn = setImmediate(() => this.end());
  }

  /** What is looked up after this is as it is now. */
  end(): void {
    if (this.#turn === undefined) return;
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#end.run();
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

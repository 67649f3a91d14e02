/**
 * One writer of a store for many uploads at a time. It is opened for the first of them and closed
 * soon after the last, so that whoever must be alone in the store (`gc`) gets its turn.
 */
import type { Directory } from "../../castore/directory.ts";
import type { DirectoryNode } from "../../castore/node.ts";
import { MissingObject, StoreBusy } from "../errors.ts";
import type { BlobStat, Chunk, Store } from "../services.ts";
import type { StoreWriter } from "../store-writer.ts";

/** A writer that nobody uses stays open this long. */
const IDLE_MILLISECONDS = 250;
/** A writer that is older gets no more users: the next get another one. */
const AGE_MILLISECONDS_MAX = 10_000;

/** The writer, as one upload sees it. */
export interface WriterShare {
  putChunk(chunk: Chunk, bytes: Uint8Array): void;
  endBlob(blob: BlobStat & Chunk): void;
  /** @throws MissingObject */
  putDirectory(directory: Directory): DirectoryNode;
  /** Settles when all that was put so far is durable. Those who ask at a time share one commit. */
  commit(): Promise<void>;
}

export class SharedWriter implements Disposable {
  readonly #store: Pick<Store, "openWriter">;
  #current: Shared | undefined;
  #opening: Promise<Shared> | undefined;

  constructor(store: Pick<Store, "openWriter">) {
    this.#store = store;
  }

  /** @throws StoreBusy, StoreError */
  async use<Result>(step: (writer: WriterShare) => Promise<Result>): Promise<Result> {
    const shared = await this.#acquire();
    try {
      return await step(shared);
    } finally {
      this.#release(shared);
    }
  }

  /** Closes the writer; uploads under way have ended before. */
  [Symbol.dispose](): void {
    this.#current?.close();
    this.#current = undefined;
  }

  async #acquire(): Promise<Shared> {
    let shared = this.#current;
    if (shared === undefined || !shared.isFresh) {
      this.#opening ??= this.#open().finally(() => {
        this.#opening = undefined;
      });
      shared = await this.#opening;
    }
    shared.users += 1;
    shared.stopIdling();
    return shared;
  }

  async #open(): Promise<Shared> {
    const old = this.#current;
    let writer: StoreWriter;
    try {
      writer = await this.#store.openWriter(old?.isUsable ? { waitMilliseconds: 0 } : {});
    } catch (error) {
      if (!(error instanceof StoreBusy) || old?.isUsable !== true) throw error;
      old.renew();
      return old;
    }
    if (old?.users === 0) old.close();
    this.#current = new Shared(writer);
    return this.#current;
  }

  #release(shared: Shared): void {
    shared.users -= 1;
    if (shared.users > 0) return;
    if (shared !== this.#current) shared.close();
    else {
      shared.idle(() => {
        if (this.#current === shared) this.#current = undefined;
      });
    }
  }
}

class Shared implements WriterShare {
  users = 0;
  readonly #writer: StoreWriter;
  #bornAt = performance.now();
  #broken = false;
  #closed = false;
  #waiting: PromiseWithResolvers<void>[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(writer: StoreWriter) {
    this.#writer = writer;
  }

  get isUsable(): boolean {
    return !this.#broken && !this.#closed;
  }

  get isFresh(): boolean {
    return this.isUsable && performance.now() - this.#bornAt < AGE_MILLISECONDS_MAX;
  }

  renew(): void {
    this.#bornAt = performance.now();
  }

  putChunk(chunk: Chunk, bytes: Uint8Array): void {
    this.#guarded(() => this.#writer.putChunk(chunk, bytes));
  }

  endBlob(blob: BlobStat & Chunk): void {
    this.#guarded(() => this.#writer.endBlob(blob));
  }

  putDirectory(directory: Directory): DirectoryNode {
    return this.#guarded(() => this.#writer.putDirectory(directory));
  }

  commit(): Promise<void> {
    const waiter = Promise.withResolvers<void>();
    if (this.#waiting.push(waiter) === 1) setImmediate(() => this.#commitForAll());
    return waiter.promise;
  }

  idle(closed: () => void): void {
    this.stopIdling();
    this.#timer = setTimeout(() => {
      this.close();
      closed();
    }, IDLE_MILLISECONDS);
  }

  stopIdling(): void {
    clearTimeout(this.#timer);
  }

  close(): void {
    this.stopIdling();
    if (this.#closed) return;
    this.#closed = true;
    this.#writer[Symbol.dispose]();
  }

  #commitForAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      this.#guarded(() => this.#writer.commit());
      for (const waiter of waiting) waiter.resolve();
    } catch (error) {
      for (const waiter of waiting) waiter.reject(error);
    }
  }

  /** After a failure a writer takes nothing more: the next users get a new one. */
  #guarded<Result>(step: () => Result): Result {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof MissingObject)) this.#broken = true;
      throw error;
    }
  }
}

/**
 * The objects of a store with bounds to what an answer may take: bytes, and silence. All of what
 * comes from an object store comes through here.
 */

import { AbortScope, orAborted } from "../abort-scope.ts";
import { SourceUnavailable } from "../errors.ts";
import type { RequestOptions } from "../services.ts";
import { BadContents } from "./bad-contents.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";

/** An upload that is slower than this counts as stuck. */
const UPLOAD_BYTES_PER_SECOND_MIN = 32 * 1024;
const OVER = new DOMException("the request is over", "AbortError");
const NEVER = new AbortController().signal;

export class BoundedObjects implements AsyncDisposable {
  readonly #store: ObjectStore;
  readonly #timeoutMilliseconds: number;

  constructor(store: ObjectStore, timeoutMilliseconds: number) {
    this.#store = store;
    this.#timeoutMilliseconds = timeoutMilliseconds;
  }

  get name(): string {
    return this.#store.name;
  }

  /** Where the object lies, for people. */
  address(key: string): string {
    return `${this.name.replace(/\/$/, "")}/${key}`;
  }

  /**
   * The bytes of an object, at most `bytesMax` of them. Undefined when it is not there.
   * @throws BadContents, SourceUnavailable, the reason of the signal
   */
  async read(
    key: string,
    bytesMax: number,
    options?: RequestOptions,
  ): Promise<Uint8Array | undefined> {
    using object = await this.open(key, bytesMax, options);
    if (object === undefined) return undefined;
    const pieces: Uint8Array[] = [];
    for await (const piece of object.pieces()) pieces.push(piece);
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
  }

  /** The same, to be read piece by piece. */
  async open(
    key: string,
    bytesMax: number,
    options?: RequestOptions,
  ): Promise<OpenedObject | undefined> {
    const watch = this.#watch(options?.signal);
    try {
      const object = await watch.wait(this.#store.get(key, watch.signal));
      if (object !== undefined) return new OpenedObject(object, bytesMax, watch);
    } catch (error) {
      watch[Symbol.dispose]();
      throw error;
    }
    watch[Symbol.dispose]();
    return undefined;
  }

  /** @throws SourceUnavailable */
  async has(key: string): Promise<boolean> {
    using watch = this.#watch();
    return await watch.wait(this.#store.has(key, watch.signal));
  }

  /** @throws SourceUnavailable, StoreError */
  async put(key: string, bytes: Uint8Array): Promise<void> {
    using watch = this.#watch();
    const milliseconds = (bytes.length / UPLOAD_BYTES_PER_SECOND_MIN) * 1000;
    await watch.wait(this.#store.put(key, bytes, watch.signal), milliseconds);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#store[Symbol.asyncDispose]();
  }

  #watch(signal: AbortSignal = NEVER): Watch {
    return new Watch(this.name, this.#timeoutMilliseconds, signal);
  }
}

/** Disposing of it ends the request. */
export class OpenedObject implements Disposable {
  readonly #object: StoredObject;
  readonly #bytesMax: number;
  readonly #watch: Watch;

  constructor(object: StoredObject, bytesMax: number, watch: Watch) {
    this.#object = object;
    this.#bytesMax = bytesMax;
    this.#watch = watch;
  }

  /**
   * To be read once.
   * @throws BadContents, before any piece where the store says how large it is.
   */
  async *pieces(): AsyncGenerator<Uint8Array> {
    this.#check(this.#object.size ?? 0);
    const iterator = this.#object.pieces[Symbol.asyncIterator]();
    for (let bytes = 0; ; ) {
      const { done, value } = await this.#watch.wait(iterator.next());
      if (done === true) return;
      bytes += value.length;
      this.#check(bytes);
      yield value;
    }
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  #check(bytes: number): void {
    if (bytes <= this.#bytesMax) return;
    throw new BadContents(`is larger than ${this.#bytesMax} bytes`);
  }
}

/** One request: its signal, and the patience with every step of it. */
class Watch implements Disposable {
  readonly #name: string;
  readonly #milliseconds: number;
  readonly #scope: AbortScope;

  constructor(name: string, milliseconds: number, outer: AbortSignal) {
    this.#name = name;
    this.#milliseconds = milliseconds;
    this.#scope = new AbortScope(outer);
  }

  get signal(): AbortSignal {
    return this.#scope.signal;
  }

  /** Waits for a step for as long as a source may be silent, and `more`. */
  async wait<Result>(step: Promise<Result>, more = 0): Promise<Result> {
    const milliseconds = this.#milliseconds + more;
    const timer = setTimeout(() => {
      const message = `${this.#name}: no answer for ${Math.round(milliseconds)} ms`;
      this.#scope.abort(new SourceUnavailable(message));
    }, milliseconds);
    try {
      return await orAborted(step, this.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets go of whatever the request still holds. */
  [Symbol.dispose](): void {
    this.#scope.abort(OVER);
    this.#scope[Symbol.dispose]();
  }
}

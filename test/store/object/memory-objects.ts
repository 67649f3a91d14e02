/** Objects in memory, for tests that look at what is asked for, or change what is answered. */
import { objectSource } from "../../../src/store/object/object-source.ts";
import type { ObjectStore, StoredObject } from "../../../src/store/object/object-store.ts";
import type { Source } from "../../../src/store/source.ts";

export class MemoryObjects implements ObjectStore {
  readonly name = "memory:";
  readonly objects = new Map<string, Uint8Array>();
  /** Of every request that came: what was done to which key. */
  readonly requests: string[] = [];
  /** Happens within each request, before anything else. */
  during: (request: string) => Promise<void> | void = () => {};
  /** Requests at a time, at the most. */
  concurrency = 0;
  #running = 0;

  source(timeoutMilliseconds = 10_000): Source {
    return objectSource(this, { timeoutMilliseconds });
  }

  async get(key: string): Promise<StoredObject | undefined> {
    return await this.#request(`get ${key}`, () => {
      const bytes = this.objects.get(key);
      return bytes && { size: bytes.length, pieces: inPieces(bytes) };
    });
  }

  async has(key: string): Promise<boolean> {
    return await this.#request(`has ${key}`, () => this.objects.has(key));
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#request(`put ${key}`, () => this.objects.set(key, bytes.slice()));
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #request<Result>(request: string, answer: () => Result): Promise<Result> {
    this.requests.push(request);
    this.#running += 1;
    this.concurrency = Math.max(this.concurrency, this.#running);
    try {
      await this.during(request);
      return answer();
    } finally {
      this.#running -= 1;
    }
  }
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

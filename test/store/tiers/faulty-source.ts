/** A source over a store that counts what it is asked for, and fails in every way a test wants. */
import type { Digest } from "../../../src/castore/digest.ts";
import { Directory } from "../../../src/castore/directory.ts";
import { parseName } from "../../../src/castore/name.ts";
import { symlinkNode } from "../../../src/castore/node.ts";
import { MissingObject, SourceUnavailable } from "../../../src/store/errors.ts";
import type { BlobStat, ByteRange, RequestOptions, Store } from "../../../src/store/services.ts";
import type { Source } from "../../../src/store/source.ts";
import { type Clock, sleep } from "../../../src/store/tiers/clock.ts";

export type Fault =
  | "none"
  /** It cannot be reached. */
  | "down"
  /** It never answers, and does not look at signals. */
  | "hangs"
  /** It says that it has nothing. */
  | "empty"
  /** A bit of what it gives is another. */
  | "garbles"
  /** What it gives ends too early, as if that were all. */
  | "truncates"
  /** The connection breaks in the middle. */
  | "breaks"
  /** It lists chunks of others, or in another order. */
  | "wrong list"
  /** It lists chunks, and does not have them. */
  | "no chunks"
  /** It throws what no source should. */
  | "throws";

export const FAULTS: readonly Fault[] = [
  "none",
  "down",
  "hangs",
  "empty",
  "garbles",
  "truncates",
  "breaks",
  "wrong list",
  "no chunks",
  "throws",
];

const NEVER = new Promise<never>(() => {});

export class FaultySource implements Source {
  readonly name: string;
  /** What happens to the next request; a constant fault when it is one. */
  fault: Fault | (() => Fault) = "none";
  /** How long each answer takes. */
  latency = 0;
  /** It has directories with the tree they belong to, and not by themselves. */
  readonly treeRoots = new Set<string>();
  /** Requests by what was asked for, in order. */
  readonly asked: { readonly kind: "stat" | "read" | "get" | "tree"; readonly digest: Digest }[] =
    [];
  /** The most requests that were under way at a time. */
  busiest = 0;
  readonly #store: Store;
  readonly #clock: Clock;
  #busy = 0;

  constructor(name: string, store: Store, clock: Clock) {
    this.name = name;
    this.#store = store;
    this.#clock = clock;
  }

  readonly blobs = {
    stat: async (digest: Digest, options?: RequestOptions): Promise<BlobStat | undefined> => {
      const fault = await this.#begin("stat", digest, options);
      using _end = this.#underWay();
      if (fault === "empty") return undefined;
      const stat = await this.#store.blobs.stat(digest);
      if (stat === undefined || fault !== "wrong list") return stat;
      return { size: stat.size, chunks: stat.chunks.toReversed() };
    },
    read: (digest: Digest, range?: ByteRange, options?: RequestOptions) =>
      this.#read(digest, range, options),
    put: () => Promise.reject(new Error("not for writing")),
  };

  readonly directories = {
    get: async (digest: Digest, options?: RequestOptions): Promise<Directory | undefined> => {
      const fault = await this.#begin("get", digest, options);
      using _end = this.#underWay();
      if (fault === "empty" || !this.#gives(digest)) return undefined;
      const directory = await this.#store.directories.get(digest);
      return directory && fault === "garbles" ? another() : directory;
    },
    getRecursive: (digest: Digest, options?: RequestOptions) => this.#tree(digest, options),
    put: () => Promise.reject(new Error("not for writing")),
    putRecursive: () => Promise.reject(new Error("not for writing")),
  };

  /** How often each object was asked for. */
  counts(kind: "stat" | "read" | "get" | "tree"): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { digest } of this.asked.filter((request) => request.kind === kind)) {
      counts.set(digest.key, (counts.get(digest.key) ?? 0) + 1);
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#read(
    digest: Digest,
    range: ByteRange | undefined,
    options?: RequestOptions,
  ): AsyncGenerator<Uint8Array> {
    const fault = await this.#begin("read", digest, options);
    using _end = this.#underWay();
    const listed = (await this.#store.blobs.stat(digest))?.chunks.length ?? 0;
    if (fault === "empty" || (fault === "no chunks" && listed === 1)) {
      throw new MissingObject("blob", digest);
    }
    let count = 0;
    for await (const piece of this.#store.blobs.read(digest, range)) {
      count += 1;
      if (fault === "breaks" && count > 1) throw new SourceUnavailable("the connection broke");
      if (fault === "truncates") {
        yield piece.subarray(0, Math.floor(piece.length / 2));
        return;
      }
      yield fault === "garbles" ? garbled(piece) : piece;
      if (this.latency > 0) await sleep(this.#clock, this.latency / 10, options?.signal);
    }
    if (fault === "breaks") throw new SourceUnavailable("the connection broke");
  }

  async *#tree(digest: Digest, options?: RequestOptions): AsyncGenerator<Directory> {
    const fault = await this.#begin("tree", digest, options);
    using _end = this.#underWay();
    if (fault === "empty" || !this.#gives(digest)) return;
    let count = 0;
    for await (const directory of this.#store.directories.getRecursive(digest)) {
      count += 1;
      if (count > 1 && fault === "breaks") throw new SourceUnavailable("the connection broke");
      if (count > 1 && fault === "truncates") return;
      yield fault === "garbles" ? another() : directory;
    }
  }

  #gives(digest: Digest): boolean {
    return this.treeRoots.size === 0 || this.treeRoots.has(digest.key);
  }

  async #begin(
    kind: "stat" | "read" | "get" | "tree",
    digest: Digest,
    options: RequestOptions | undefined,
  ): Promise<Fault> {
    this.asked.push({ kind, digest });
    const fault = typeof this.fault === "function" ? this.fault() : this.fault;
    if (this.latency > 0) await sleep(this.#clock, this.latency, options?.signal);
    if (fault === "down") throw new SourceUnavailable(`${this.name} is down`);
    if (fault === "throws") throw new TypeError("x is not a function");
    if (fault === "hangs") await NEVER;
    return fault;
  }

  #underWay(): Disposable {
    this.#busy += 1;
    this.busiest = Math.max(this.busiest, this.#busy);
    return {
      [Symbol.dispose]: () => {
        this.#busy -= 1;
      },
    };
  }
}

function garbled(piece: Uint8Array): Uint8Array {
  const copy = piece.slice();
  if (copy.length > 0) copy[copy.length >> 1] = copy[copy.length >> 1]! ^ 1;
  return copy;
}

function another(): Directory {
  return Directory.of([{ name: parseName("another"), node: symlinkNode("elsewhere") }]);
}

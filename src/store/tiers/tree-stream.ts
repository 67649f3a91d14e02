/**
 * A tree of directories on its way from a source into the local store, the root first. Whoever
 * wants one that is named in it and has not come yet can wait for it here.
 */
import { blake3 } from "../../castore/blake3.ts";
import type { Digest } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import { encodeDirectory } from "../../castore/proto.ts";
import { orAborted } from "../abort-scope.ts";
import { asLie } from "./chunk-fetch.ts";
import type { FetchRoom } from "./fetch-room.ts";
import type { GuardedSource } from "./guarded-source.ts";
import { SourceLied } from "./source-errors.ts";
import { Urgency } from "./urgency.ts";

/** Directories that one stream is followed for; the rest is fetched when it is wanted. */
export const STREAM_DIRECTORIES_MAX = 256 * 1024;
/** Encoded directories that wait for the disk before more is read. */
const WAITING_BYTES_MAX = 1024 * 1024;

/** What is on its way at a time, about. */
const ON_THE_WAY_BYTES = 64 * 1024;

/** Bytes that a stream may have in memory. */
export const TREE_STREAM_BYTES = 2 * WAITING_BYTES_MAX;

/** Settles with whether the directory came. */
type Outcome = PromiseWithResolvers<boolean>;

export class TreeStream {
  readonly source: GuardedSource;
  readonly root: Digest;
  /** It came to its end, and everything that it names is stored. */
  complete = false;
  readonly #room: FetchRoom;
  /** In the background, but while somebody in the foreground waits. */
  readonly #urgency = new Urgency("background");
  /** Named, but not come yet; with those who wait for it. */
  readonly #expected = new Map<string, Outcome | undefined>();
  readonly #seen = new Set<string>();
  readonly #replaced: Digest | undefined;
  #waiting: Promise<void>[] = [];
  #waitingBytes = 0;

  /** `replaced`: what is stored of this one is rotten. */
  constructor(room: FetchRoom, source: GuardedSource, root: Digest, replaced?: Digest) {
    this.#room = room;
    this.source = source;
    this.root = root;
    this.#expected.set(root.key, undefined);
    this.#replaced = replaced;
  }

  expects(digest: Digest): boolean {
    return this.#expected.has(digest.key);
  }

  /**
   * True when it came and is stored; false when the source does not have it.
   * @throws SourceUnavailable, SourceLied, StoreError
   */
  async arrival(digest: Digest, urgency: Urgency, signal: AbortSignal): Promise<boolean> {
    using _lift = urgency.lift(this.#urgency);
    const outcome = this.#expected.get(digest.key) ?? Promise.withResolvers<boolean>();
    // Whoever waits looks at it; when nobody does any more, nothing is lost.
    outcome.promise.catch(() => {});
    this.#expected.set(digest.key, outcome);
    return await orAborted(outcome.promise, signal);
  }

  /** Follows the stream to its end; how it went is told to those who wait. */
  async follow(): Promise<void> {
    const { incoming, chain } = this.#room;
    try {
      using _room = await incoming.enter(TREE_STREAM_BYTES, this.#urgency, chain.closing);
      await this.source.visit(this.#urgency, chain.closing, ON_THE_WAY_BYTES, async (visit) => {
        for await (const directory of visit.directories(this.root)) {
          await this.#take(directory);
          if (this.#seen.size + this.#expected.size > STREAM_DIRECTORIES_MAX) break;
        }
      });
      await this.#settle();
      this.complete = this.#expected.size === 0;
      for (const outcome of this.#expected.values()) outcome?.resolve(false);
    } catch (error) {
      for (const outcome of this.#expected.values()) outcome?.reject(error);
    }
    this.#expected.clear();
  }

  async #take(directory: Directory): Promise<void> {
    const encoded = encodeDirectory(directory);
    const digest = blake3(encoded);
    if (this.#seen.has(digest.key)) return;
    if (!this.#expected.has(digest.key)) {
      throw new SourceLied("its tree holds a directory that nothing in it names");
    }
    const outcome = this.#expected.get(digest.key);
    this.#expected.delete(digest.key);
    this.#seen.add(digest.key);
    for (const { node } of directory.entries) {
      if (node.kind !== "directory") continue;
      const { key } = node.digest;
      if (!this.#seen.has(key) && !this.#expected.has(key)) this.#expected.set(key, undefined);
    }
    const stored = this.#put(digest, encoded);
    stored.then(() => outcome?.resolve(true), outcome?.reject ?? (() => {}));
    this.#waiting.push(stored);
    this.#waitingBytes += encoded.length;
    if (this.#waitingBytes > WAITING_BYTES_MAX) await this.#settle();
  }

  async #put(digest: Digest, encoded: Uint8Array): Promise<void> {
    const { local, filler, tally } = this.#room;
    const replace = this.#replaced?.equals(digest) ?? false;
    if (!replace && local.directoryBytes(digest) !== undefined) return;
    await filler.putDirectory(digest, encoded, { replace }).catch(asLie);
    tally.directories += 1;
    tally.bytes += encoded.length;
  }

  async #settle(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    await Promise.all(waiting);
  }
}

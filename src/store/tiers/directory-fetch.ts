/**
 * Brings directories into the local store. Where one is absent, what is below it is, too, most of
 * the time: so the whole tree below it is asked for, the wanted directory is there first, and the
 * rest follows in the background.
 */
import { blake3 } from "../../castore/blake3.ts";
import type { Digest } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import { encodeDirectory } from "../../castore/proto.ts";
import { CorruptObject, MissingObject } from "../errors.ts";
import { asLie } from "./chunk-fetch.ts";
import type { FetchRoom } from "./fetch-room.ts";
import type { FlightControl } from "./flights.ts";
import type { GuardedSource } from "./guarded-source.ts";
import { SourceLied } from "./source-errors.ts";
import { TreeStream } from "./tree-stream.ts";

/** Trees that are followed at a time; beyond, directories are asked for one by one. */
export const TREE_STREAMS_MAX = 2;
/** Roots that are remembered; the oldest are forgotten first. */
export const KNOWN_ROOTS_MAX = 1024;
/** Room for one directory on its way; most are smaller. */
const DIRECTORY_BYTES = 16 * 1024;

interface KnownRoot {
  readonly digest: Digest;
  /** A source gave all that is below it: what is not stored is not there. */
  complete: boolean;
}

export class DirectoryFetch {
  readonly #room: FetchRoom;
  readonly #streams = new Map<TreeStream, Promise<void>>();
  readonly #roots = new Map<string, KnownRoot>();

  constructor(room: FetchRoom) {
    this.#room = room;
  }

  /** See Fetcher.addRoot. */
  addRoot(root: Digest): void {
    if (this.#roots.has(root.key)) return;
    this.#roots.set(root.key, { digest: root, complete: false });
    if (this.#roots.size <= KNOWN_ROOTS_MAX) return;
    for (const oldest of this.#roots.keys()) {
      this.#roots.delete(oldest);
      return;
    }
  }

  /** Settles when no tree is followed any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#streams.values());
  }

  /** @throws as ObjectFetcher.fetch */
  async fetch(digest: Digest, heal: boolean, control: FlightControl): Promise<void> {
    if (!heal && this.#isHere(digest)) return;
    const key = `${heal ? "heal " : ""}directory${digest.key}`;
    await this.#room.flights.run(key, control, (own) => this.#fetch(digest, heal, own));
  }

  async #fetch(digest: Digest, heal: boolean, control: FlightControl): Promise<void> {
    const { chain } = this.#room;
    const object = { what: "directory", digest } as const;
    try {
      await chain.ask(object, chain.sources, (source, signal) =>
        this.#fetchFrom(source, digest, heal, control, signal),
      );
    } catch (error) {
      if (!(error instanceof MissingObject || error instanceof CorruptObject)) throw error;
      if (!(await this.#fetchByRoot(digest, heal, control))) throw error;
    }
  }

  /** Undefined: the source does not have it. */
  async #fetchFrom(
    source: GuardedSource,
    digest: Digest,
    heal: boolean,
    control: FlightControl,
    signal: AbortSignal,
  ): Promise<true | undefined> {
    if (!heal && this.#isHere(digest)) return true;
    const running = [...this.#streams.keys()].find(
      (stream) => stream.source === source && stream.expects(digest),
    );
    if (running === undefined && !heal && this.#streams.size < TREE_STREAMS_MAX) {
      return await this.#fetchTree(source, digest, digest, heal, control, signal);
    }
    if (!source.treesOnly && (await this.#fetchOne(source, digest, heal, control, signal))) {
      return true;
    }
    if (running === undefined) {
      return await this.#fetchTree(source, digest, digest, heal, control, signal);
    }
    // It will come with the tree, and does not come by itself.
    source.treesOnly = true;
    return (await running.arrival(digest, control.urgency, signal)) || undefined;
  }

  async #fetchOne(
    source: GuardedSource,
    digest: Digest,
    heal: boolean,
    { urgency }: FlightControl,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { incoming, filler, tally } = this.#room;
    using _room = await incoming.enter(DIRECTORY_BYTES, urgency, signal);
    const directory: Directory | undefined = await source.visit(
      urgency,
      signal,
      DIRECTORY_BYTES,
      (visit) => visit.directory(digest),
    );
    if (directory === undefined) return false;
    const encoded = encodeDirectory(directory);
    if (!blake3(encoded).equals(digest)) throw new SourceLied("what it gave has another digest");
    await filler.putDirectory(digest, encoded, { replace: heal }).catch(asLie);
    tally.directories += 1;
    tally.bytes += encoded.length;
    return true;
  }

  /** Follows the tree below `root`, if nobody does, and settles when `digest` came. */
  async #fetchTree(
    source: GuardedSource,
    root: Digest,
    digest: Digest,
    heal: boolean,
    control: FlightControl,
    signal: AbortSignal,
  ): Promise<true | undefined> {
    const running = [...this.#streams.keys()].find(
      (stream) => !heal && stream.source === source && stream.root.equals(root),
    );
    const stream = running ?? new TreeStream(this.#room, source, root, heal ? digest : undefined);
    const arrival = stream.arrival(digest, control.urgency, signal);
    if (running === undefined) this.#streams.set(stream, this.#follow(stream));
    if (await arrival) return true;
    // It may have come before anybody waited for it.
    return (!heal && this.#isHere(digest)) || undefined;
  }

  async #follow(stream: TreeStream): Promise<void> {
    await stream.follow();
    this.#streams.delete(stream);
    const root = this.#roots.get(stream.root.key);
    if (root !== undefined && stream.complete) root.complete = true;
  }

  /** Looks for the directory in the trees that are known to be of use. */
  async #fetchByRoot(digest: Digest, heal: boolean, control: FlightControl): Promise<boolean> {
    const { chain } = this.#room;
    for (const root of this.#roots.values()) {
      if (root.digest.equals(digest) || (root.complete && !heal)) continue;
      const object = { what: "directory", digest: root.digest } as const;
      try {
        await chain.ask(object, chain.sources, (source, signal) =>
          this.#fetchTree(source, root.digest, digest, heal, control, signal),
        );
        return true;
      } catch (error) {
        if (!(error instanceof MissingObject || error instanceof CorruptObject)) throw error;
      }
    }
    return !heal && this.#isHere(digest);
  }

  #isHere(digest: Digest): boolean {
    return this.#room.local.directoryBytes(digest) !== undefined;
  }
}

/**
 * Checks a whole store on disk: every object against its digest, every blob against its chunks and
 * its own digest, every directory for what it names, every root. Reads what is committed when it
 * begins; servers and an importer may go on meanwhile.
 */
import type { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createHasher } from "../castore/blake3.ts";
import { DIGEST_BYTES, Digest } from "../castore/digest.ts";
import { acceptsSize } from "../castore/directory.ts";
import type { Node } from "../castore/node.ts";
import { decodeEntry } from "../castore/proto.ts";
import { openIndex, prepareRows } from "./disk-index.ts";
import { indexPath, OBJECT_CHUNK } from "./disk-layout.ts";
import { DiskObjects } from "./disk-objects.ts";
import { CorruptObject } from "./errors.ts";
import { CHUNK_BYTES_MAX } from "./fastcdc.ts";
import { RecentSizes } from "./recent-sizes.ts";
import { RootTable } from "./root-table.ts";
import { indexFailure } from "./sqlite-failure.ts";

/** Faults that a report lists; more are counted only. */
export const FAULTS_LISTED_MAX = 10_000;
const PROGRESS_MILLISECONDS = 50;

export interface VerifyProgress {
  chunks: number;
  directories: number;
  /** Blobs of more than one chunk; the others are among the chunks. */
  blobs: number;
  roots: number;
  /** Read so far. */
  bytes: number;
  /** Of chunks and directories together, as the index says. */
  readonly objectsExpected: number;
  faults: number;
}

export interface Fault {
  readonly what: "chunk" | "blob" | "directory" | "root";
  /** Digest, or the name of a root. */
  readonly which: string;
  /** What is wrong with it. */
  readonly fault: string;
}

export interface VerifyReport extends Readonly<VerifyProgress> {
  /** The first FAULTS_LISTED_MAX of them. */
  readonly listed: readonly Fault[];
}

export interface VerifyOptions {
  readonly onProgress?: (progress: Readonly<VerifyProgress>) => void;
  readonly signal?: AbortSignal;
}

/**
 * Verifies the store in the folder `path`. Damage is reported, not thrown.
 * @throws StoreAbsent, UnsupportedFormat, StoreError when the index itself cannot be read.
 */
export async function verifyStore(
  path: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const database = openIndex(path, "read");
  try {
    using objects = new DiskObjects(path, database);
    return await new Verification(database, objects, options).run();
  } catch (error) {
    throw indexFailure(error, indexPath(path));
  } finally {
    database.close();
  }
}

class Verification {
  readonly #database: DatabaseSync;
  readonly #objects: DiskObjects;
  readonly #options: VerifyOptions;
  readonly #progress: VerifyProgress;
  readonly #listed: Fault[] = [];
  readonly #sizes = new RecentSizes();
  readonly #buffer = new Uint8Array(CHUNK_BYTES_MAX);
  #turnEnds = 0;

  constructor(database: DatabaseSync, objects: DiskObjects, options: VerifyOptions) {
    this.#database = database;
    this.#objects = objects;
    this.#options = options;
    const count = prepareRows(database, "SELECT count(*) FROM objects").get();
    const objectsExpected = (count as unknown as [number])[0];
    this.#progress = {
      chunks: 0,
      directories: 0,
      blobs: 0,
      roots: 0,
      bytes: 0,
      objectsExpected,
      faults: 0,
    };
  }

  async run(): Promise<VerifyReport> {
    // As they lie on disk: read in order, and read ahead by the kernel.
    const objects = prepareRows(
      this.#database,
      "SELECT kind, digest, length FROM objects ORDER BY segment, offset",
    );
    for (const row of objects.iterate()) {
      const [kind, digest, length] = row as unknown as [number, Uint8Array, number];
      if (isDigest(digest)) this.#object(kind, Digest.from(digest), length);
      else this.#fault("chunk", "?", "the index has an object without a digest");
      if (performance.now() >= this.#turnEnds) await this.#pause();
    }
    for (const row of prepareRows(this.#database, "SELECT digest FROM blobs").iterate()) {
      const [digest] = row as unknown as [Uint8Array];
      if (isDigest(digest)) await this.#blob(Digest.from(digest));
      else this.#fault("blob", "?", "the index has a blob without a digest");
    }
    this.#roots();
    this.#options.onProgress?.(this.#progress);
    return { ...this.#progress, listed: this.#listed };
  }

  #object(kind: number, digest: Digest, length: number): void {
    if (kind === OBJECT_CHUNK) {
      this.#progress.chunks += 1;
      this.#attempt("chunk", digest, () => {
        this.#objects.readChunk({ digest, size: length }, this.#buffer);
        this.#progress.bytes += length;
      });
      return;
    }
    this.#progress.directories += 1;
    this.#attempt("directory", digest, () => {
      const directory = this.#objects.directory(digest);
      if (directory === undefined) return;
      this.#progress.bytes += length;
      this.#sizes.putDirectory(digest, directory.size, directory.entries.length);
      for (const { name, node } of directory.entries) {
        const fault = this.#nodeFault(node);
        if (fault !== undefined) {
          this.#fault("directory", `${digest}`, `${JSON.stringify(textOf(name))}: ${fault}`);
        }
      }
    });
  }

  async #blob(digest: Digest): Promise<void> {
    this.#progress.blobs += 1;
    const chunks = this.#attempt("blob", digest, () => this.#objects.statBlob(digest)?.chunks);
    const hasher = createHasher();
    for (const chunk of chunks ?? []) {
      const there = this.#attempt("blob", digest, () =>
        this.#objects.readChunk(chunk, this.#buffer),
      );
      if (there === undefined) return;
      if (!there) {
        this.#fault("blob", `${digest}`, `chunk ${chunk.digest} is missing`);
        return;
      }
      hasher.update(this.#buffer.subarray(0, chunk.size));
      this.#progress.bytes += chunk.size;
      if (performance.now() >= this.#turnEnds) await this.#pause();
    }
    if (chunks !== undefined && !hasher.digest().equals(digest)) {
      this.#fault("blob", `${digest}`, "its chunks make up something else");
    }
  }

  #roots(): void {
    const roots = new RootTable(this.#database);
    for (const name of roots.list()) {
      this.#progress.roots += 1;
      try {
        const entry = roots.get(name);
        if (entry === undefined) continue;
        const fault = this.#nodeFault(decodeEntry(entry).node);
        if (fault !== undefined) this.#fault("root", textOf(name), fault);
      } catch (error) {
        this.#fault("root", textOf(name), (error as Error).message);
      }
    }
  }

  /** What is wrong with what `node` names, as far as a look into the index tells. */
  #nodeFault(node: Node): string | undefined {
    if (node.kind === "symlink") return undefined;
    if (node.kind === "file") {
      const size = this.#objects.blobSize(node.digest);
      if (size === undefined) return `blob ${node.digest} is missing`;
      return size === node.size ? undefined : `blob ${node.digest} has another size`;
    }
    try {
      const size = this.#sizes.directory(node.digest) ?? this.#objects.directorySize(node.digest);
      if (size === undefined) return `directory ${node.digest} is missing`;
      const right = acceptsSize(size.size, size.children, node.size);
      return right ? undefined : `directory ${node.digest} has another size`;
    } catch {
      return `directory ${node.digest} is rotten`;
    }
  }

  /** Undefined, and a fault noted, when `step` finds damage. */
  #attempt<T>(what: Fault["what"], digest: Digest, step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof CorruptObject)) throw error;
      const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
      const other = error.digest.equals(digest) ? "" : ` (chunk ${error.digest})`;
      this.#fault(what, `${digest}`, `rotten or unreadable${other}${cause}`);
      return undefined;
    }
  }

  #fault(what: Fault["what"], which: string, fault: string): void {
    this.#progress.faults += 1;
    if (this.#listed.length < FAULTS_LISTED_MAX) this.#listed.push({ what, which, fault });
  }

  async #pause(): Promise<void> {
    this.#options.onProgress?.(this.#progress);
    await nextTurn();
    this.#options.signal?.throwIfAborted();
    this.#turnEnds = performance.now() + PROGRESS_MILLISECONDS;
  }
}

function isDigest(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === DIGEST_BYTES;
}

function textOf(name: Uint8Array): string {
  return Buffer.from(name).toString();
}

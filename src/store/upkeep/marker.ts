/**
 * Finds what is reachable. Directories are held by their whole digests; contents, of which there
 * are many more, by prefixes: one that is held by mistake is only kept for longer.
 *
 * What cannot be read may name anything, so nothing may be deleted then. Marking throws.
 */
import type { DatabaseSync } from "node:sqlite";
import { Digest } from "../../castore/digest.ts";
import type { DirectoryRecords } from "../../castore/directory-scan.ts";
import { KIND_FILE, KIND_SYMLINK, scanDirectory } from "../../castore/directory-scan.ts";
import type { Node } from "../../castore/node.ts";
import { BlobTable } from "../blob-table.ts";
import { DigestSet } from "../digest-set.ts";
import { prepareRows } from "../disk-index.ts";
import { CHUNK_RECORD_BYTES } from "../disk-layout.ts";
import type { DiskObjects } from "../disk-objects.ts";
import { CorruptObject, MissingObject } from "../errors.ts";
import { CHUNK_BYTES_MIN } from "../fastcdc.ts";
import { PrefixTable } from "../prefix-table.ts";
import type { Turns } from "./turns.ts";

const REMEDY = {
  remedy: "nothing was deleted; castorefs verify --repair --source ADDRESS fetches it anew",
};

export class Marker {
  readonly #objects: DiskObjects;
  readonly #turns: Turns;
  readonly #blobs: BlobTable;
  readonly #blobDigests;
  /** Every directory that something reaches, in the order in which they were found. */
  readonly #directories = new DigestSet();
  /** By position: 1 when it must be there, as something whole names it. */
  #required = new Uint8Array(1024);
  /** Positions of those that are not stored, and may be fetched later. */
  #absent: number[] = [];
  /** Directories up to here were looked at. */
  #next = 0;
  readonly #contents: PrefixTable;

  /** The caller keeps and closes `database` and `objects`; `objectsExpected`: a guess. */
  constructor(database: DatabaseSync, objects: DiskObjects, objectsExpected: number, turns: Turns) {
    this.#objects = objects;
    this.#turns = turns;
    this.#blobs = new BlobTable(database);
    this.#blobDigests = prepareRows(database, "SELECT digest FROM blobs");
    this.#contents = new PrefixTable(objectsExpected, false);
  }

  /** Directories that were looked at. */
  get directories(): number {
    return this.#next;
  }

  /** Adds a node to start from; `whole`: everything below it was stored once. */
  addRoot(node: Node, whole: boolean): void {
    if (node.kind === "symlink") return;
    if (node.kind === "directory") this.#addDirectory(node.digest.bytes, 0, whole);
    else this.#addFile(node.digest.bytes, 0, node.size, whole);
  }

  /** Adds a digest that may name a directory, a file or a chunk. */
  addDigest(digest: Digest): void {
    this.#addDirectory(digest.bytes, 0, false);
    this.#contents.add(digest.bytes, 0);
  }

  /**
   * Marks everything below what was added. Again after more was added or stored: what was absent
   * is looked for again.
   * @throws CorruptObject, MissingObject when what cannot be read or found may name anything.
   */
  async mark(): Promise<void> {
    const absent = this.#absent;
    this.#absent = [];
    for (const position of absent) {
      this.#visit(position);
      if (this.#turns.over) await this.#turns.pause();
    }
    while (this.#next < this.#directories.size) {
      this.#visit(this.#next);
      this.#next += 1;
      if (this.#turns.over) await this.#turns.pause();
    }
    for (const position of this.#absent) {
      if (this.#required[position] === 1) {
        throw new MissingObject("directory", this.#directories.at(position), REMEDY);
      }
    }
    await this.#markChunks();
  }

  hasDirectory(digest: Uint8Array): boolean {
    return this.#directories.positionOf(digest, 0) >= 0;
  }

  /** Chunks, and blobs of several. */
  hasContents(digest: Uint8Array): boolean {
    return this.#contents.has(digest, 0);
  }

  #visit(position: number): void {
    const digest = this.#directories.at(position);
    const encoded = withRemedy(() => this.#objects.encodedDirectory(digest));
    if (encoded === undefined) {
      this.#absent.push(position);
      return;
    }
    const whole = this.#objects.isWhole(digest);
    const records = scan(digest, encoded);
    for (let i = 0; i < records.count; i += 1) {
      const kind = records.kind[i]!;
      const start = records.digestStart[i]!;
      if (kind === KIND_SYMLINK) continue;
      if (kind === KIND_FILE) this.#addFile(encoded, start, records.size[i]!, whole);
      else this.#addDirectory(encoded, start, whole);
    }
  }

  #addDirectory(bytes: Uint8Array, start: number, required: boolean): void {
    const position = this.#directories.add(bytes, start);
    if (position >= this.#required.length) {
      const grown = new Uint8Array(this.#required.length * 2);
      grown.set(this.#required);
      this.#required = grown;
    }
    if (required) this.#required[position] = 1;
  }

  #addFile(bytes: Uint8Array, start: number, size: number, required: boolean): void {
    if (!this.#contents.add(bytes, start)) return;
    // Most files are too small to have more than one chunk, and then nothing hangs on them.
    if (!required || size <= CHUNK_BYTES_MIN) return;
    const digest = Digest.at(bytes, start);
    const there =
      this.#objects.chunkSize(digest) !== undefined ||
      this.#objects.stateOfBlob(digest) !== "absent";
    if (!there) throw new MissingObject("blob", digest, REMEDY);
  }

  /** One way through all blobs costs less than looking up each file. */
  async #markChunks(): Promise<void> {
    for (const row of this.#blobDigests.iterate()) {
      const [digest] = row as unknown as [Uint8Array];
      if (this.hasContents(digest)) this.#markChunksOf(digest);
      if (this.#turns.over) await this.#turns.pause();
    }
  }

  #markChunksOf(digest: Uint8Array): void {
    const blob = this.#blobs.find(digest);
    if (blob === undefined) return;
    if (blob === "damaged") throw new CorruptObject("blob", Digest.from(digest), REMEDY);
    for (let at = 0; at < blob.chunks.length; at += CHUNK_RECORD_BYTES) {
      this.#contents.add(blob.chunks, at);
    }
  }
}

function scan(digest: Digest, encoded: Uint8Array): DirectoryRecords {
  try {
    return scanDirectory(encoded);
  } catch (error) {
    throw new CorruptObject("directory", digest, { ...REMEDY, cause: error });
  }
}

function withRemedy<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CorruptObject)) throw error;
    throw new CorruptObject("directory", error.digest, { ...REMEDY, cause: error.cause });
  }
}

/**
 * What roots take up: all that they show, what is stored for that, and how much of it is theirs
 * alone. One way through each root. Contents are told apart by prefixes of their digests: figures
 * may be wrong by one object in 2^64.
 */
import type { DatabaseSync } from "node:sqlite";
import { DIGEST_BYTES, Digest } from "../../castore/digest.ts";
import type { DirectoryRecords } from "../../castore/directory-scan.ts";
import { KIND_DIRECTORY, KIND_FILE, scanDirectory } from "../../castore/directory-scan.ts";
import type { Node } from "../../castore/node.ts";
import { BlobTable } from "../blob-table.ts";
import { packedSize } from "../chunk-list.ts";
import { DigestSet } from "../digest-set.ts";
import type { Location } from "../disk-index.ts";
import { ObjectTable } from "../disk-index.ts";
import { CHUNK_RECORD_BYTES, OBJECT_CHUNK } from "../disk-layout.ts";
import type { DiskObjects } from "../disk-objects.ts";
import { CorruptObject } from "../errors.ts";
import { PrefixTable } from "../prefix-table.ts";
import { Numbers } from "./numbers.ts";
import type { TreeTotals } from "./tree-totals.ts";
import { addTotals, noTotals, RememberedTotals } from "./tree-totals.ts";
import type { Turns } from "./turns.ts";

export interface RootUsage extends Readonly<TreeTotals> {
  /** Bytes of directories and chunks, each once. */
  readonly stored: number;
  /** Bytes of those that no other root reaches. */
  readonly own: number;
}

interface Frame {
  readonly position: number;
  readonly records: DirectoryRecords;
  readonly totals: TreeTotals;
  next: number;
}

export class Usage {
  /** Bytes that any root reaches, each object once. */
  stored = 0;
  /** Of these, contents of files. */
  storedContents = 0;
  readonly #objects: DiskObjects;
  readonly #table: ObjectTable;
  readonly #blobs: BlobTable;
  readonly #turns: Turns;
  readonly #location: Location = { segment: 0, offset: 0, length: 0 };
  readonly #directories = new DigestSet();
  /** By position of a directory: who reaches it, and what is below it. */
  readonly #states = new Numbers();
  readonly #below = new RememberedTotals();
  /** Who reaches it, by chunk or blob of several. */
  readonly #contents: PrefixTable;
  /** Of each root. */
  readonly #totals: TreeTotals[] = [];
  readonly #stored: number[] = [];
  readonly #own: number[] = [];

  /** The caller keeps and closes `database` and `objects`. */
  constructor(database: DatabaseSync, objects: DiskObjects, turns: Turns) {
    this.#objects = objects;
    this.#table = new ObjectTable(database);
    this.#blobs = new BlobTable(database);
    this.#turns = turns;
    this.#contents = new PrefixTable(0, true);
  }

  /** Directories and contents that were looked at. */
  get looked(): number {
    return this.#directories.size + this.#contents.size;
  }

  /** Adds another root. @throws CorruptObject: a directory or a list of chunks is damaged. */
  async add(node: Node): Promise<void> {
    const totals = noTotals();
    this.#totals.push(totals);
    this.#stored.push(0);
    this.#own.push(0);
    if (node.kind === "symlink") totals.symlinks += 1;
    else if (node.kind === "file") this.#file(node.digest.bytes, 0, node.size, totals);
    else await this.#walk(node.digest, totals);
  }

  /** Of each root, in the order in which they were added. */
  roots(): RootUsage[] {
    return this.#totals.map((totals, i) => ({
      ...totals,
      stored: this.#stored[i]!,
      own: this.#own[i]!,
    }));
  }

  async #walk(root: Digest, totals: TreeTotals): Promise<void> {
    const stack: Frame[] = [];
    this.#enter(root.bytes, 0, totals, stack);
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const { records } = frame;
      const i = frame.next;
      frame.next += 1;
      const start = records.digestStart[i]!;
      if (i >= records.count) {
        stack.pop();
        this.#below.set(frame.position, frame.totals);
        addTotals(stack.at(-1)?.totals ?? totals, frame.totals);
      } else if (records.kind[i] === KIND_DIRECTORY) {
        this.#enter(records.bytes, start, frame.totals, stack);
      } else if (records.kind[i] === KIND_FILE) {
        this.#file(records.bytes, start, records.size[i]!, frame.totals);
      } else {
        frame.totals.symlinks += 1;
      }
      if (this.#turns.over) await this.#turns.pause();
    }
  }

  /** Goes into a directory, unless this root has been there: what is below it is known then. */
  #enter(bytes: Uint8Array, start: number, totals: TreeTotals, stack: Frame[]): void {
    const position = this.#directories.add(bytes, start);
    if (position === this.#states.length) {
      this.#states.push(0);
      this.#below.grow();
    }
    const state = this.#states.at(position);
    if (state !== 0 && lastRoot(state) === this.#totals.length - 1) {
      addTotals(totals, this.#below.at(position));
      return;
    }
    const digest = Digest.at(bytes, start);
    const encoded = this.#objects.encodedDirectory(digest);
    if (encoded === undefined) {
      // Of a tree that is here in part.
      totals.directories += 1;
      return;
    }
    this.#states.set(position, this.#reach(state, encoded.length));
    stack.push({
      position,
      records: scan(digest, encoded),
      totals: { ...noTotals(), directories: 1 },
      next: 0,
    });
  }

  #file(bytes: Uint8Array, start: number, size: number, totals: TreeTotals): void {
    totals.files += 1;
    totals.bytes += size;
    const state = this.#contents.value(bytes, start);
    if (state !== 0 && lastRoot(state) === this.#totals.length - 1) return;
    const digest = bytes.subarray(start, start + DIGEST_BYTES);
    if (this.#table.locate(OBJECT_CHUNK, digest, this.#location)) {
      this.#content(bytes, start, this.#location.length);
      return;
    }
    const blob = this.#blobs.find(digest);
    if (blob === undefined) return;
    if (blob === "damaged") throw new CorruptObject("blob", Digest.from(digest));
    this.#content(bytes, start, 0);
    for (let i = 0; i * CHUNK_RECORD_BYTES < blob.chunks.length; i += 1) {
      this.#chunk(blob.chunks, i * CHUNK_RECORD_BYTES, packedSize(blob.chunks, i), blob.whole);
    }
  }

  #chunk(bytes: Uint8Array, start: number, size: number, whole: boolean): void {
    const digest = bytes.subarray(start, start + DIGEST_BYTES);
    if (!whole && !this.#table.locate(OBJECT_CHUNK, digest, this.#location)) return;
    this.#content(bytes, start, size);
  }

  #content(bytes: Uint8Array, start: number, size: number): void {
    const state = this.#contents.value(bytes, start);
    if (state === 0) this.storedContents += size;
    this.#contents.setValue(bytes, start, this.#reach(state, size));
  }

  /** Counts an object for this root. Returns its new state: see `lastRoot` and `isShared`. */
  #reach(state: number, size: number): number {
    const root = this.#totals.length - 1;
    if (state === 0) {
      this.stored += size;
      this.#stored[root]! += size;
      this.#own[root]! += size;
      return (root + 1) * 2;
    }
    const last = lastRoot(state);
    if (last === root) return state;
    if (!isShared(state)) this.#own[last]! -= size;
    this.#stored[root]! += size;
    return (root + 1) * 2 + 1;
  }
}

/** A state is 0 until some root reaches the object. */
function lastRoot(state: number): number {
  return Math.floor(state / 2) - 1;
}

function isShared(state: number): boolean {
  return state % 2 === 1;
}

function scan(digest: Digest, encoded: Uint8Array): DirectoryRecords {
  try {
    return scanDirectory(encoded);
  } catch (error) {
    throw new CorruptObject("directory", digest, { cause: error });
  }
}

/**
 * Names in directories, as far as they are in memory: all that the layer says of the directories
 * that were looked into, and of the base's those that inodes in memory go by. One hash table over
 * all directories, so that finding a name of a request makes no text of it.
 */
import { assert } from "../../base/assert.ts";
import type { NameBytes } from "../../fuse/file-system.ts";
import { scramble } from "../byte-range.ts";
import { HashIndex } from "../hash-index.ts";
import { CLEAN, type Inode } from "./inode.ts";

/** `NameEntry.id` of what the layer says nothing of: the base's inode, which `node` is. */
export const OF_BASE = 0;
/** `NameEntry.id` of a name of the base's that is gone. */
export const WHITEOUT = -1;

/** A byte of a name at a time: as FNV-1a does it. */
const HASH_FACTOR = 0x01000193;

export class NameEntry {
  readonly directory: Inode;
  /** A character for each byte. */
  readonly name: string;
  /** In the base's directory, or beyond all of those: see EntryRow (layer/rows.ts). */
  readonly position: number;
  readonly hash: number;
  /** The inode's in the layer, or OF_BASE, or WHITEOUT. */
  id: number;
  /** The inode, of OF_BASE only: others are found by their id. */
  node: Inode | undefined = undefined;
  /** In the table. */
  cell = 0;
  /** A row of it was put into a batch. */
  stored = false;
  /** Where it stands among what is to be put into the next batch, or CLEAN. */
  dirtyAt = CLEAN;
  /** It is not in the table any more. */
  gone = false;

  constructor(directory: Inode, name: string, hash: number, position: number, id: number) {
    this.directory = directory;
    this.name = name;
    this.hash = hash;
    this.position = position;
    this.id = id;
  }

  /** It is to be put into the next batch. */
  get dirty(): boolean {
    return this.dirtyAt !== CLEAN;
  }
}

export class NameTable {
  readonly #index = new HashIndex();
  /** By cell, from 1 on. */
  readonly #entries: (NameEntry | undefined)[] = [undefined];
  readonly #freeCells: number[] = [];

  /** Names held. */
  get count(): number {
    return this.#index.count;
  }

  find(directory: Inode, { bytes, start, end }: NameBytes): NameEntry | undefined {
    return this.findRange(directory, bytes, start, end);
  }

  findRange(
    directory: Inode,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): NameEntry | undefined {
    const hash = hashOf(directory.salt, bytes, start, end);
    for (let at = this.#index.first(hash); at >= 0; at = this.#index.next(at, hash)) {
      const entry = this.#entries[this.#index.valueAt(at)] as NameEntry;
      if (entry.directory === directory && isName(entry.name, bytes, start, end)) return entry;
    }
    return undefined;
  }

  /** Adds a name that is not in the table yet. */
  add(
    directory: Inode,
    bytes: Uint8Array,
    start: number,
    end: number,
    position: number,
    id: number,
  ): NameEntry {
    const hash = hashOf(directory.salt, bytes, start, end);
    const entry = new NameEntry(directory, textOf(bytes, start, end), hash, position, id);
    entry.cell = this.#freeCells.pop() ?? this.#entries.length;
    this.#entries[entry.cell] = entry;
    this.#index.add(hash, entry.cell);
    return entry;
  }

  remove(entry: NameEntry): void {
    assert(!entry.gone, "a name is removed once");
    entry.gone = true;
    this.#index.remove(entry.hash, entry.cell);
    this.#entries[entry.cell] = undefined;
    this.#freeCells.push(entry.cell);
  }
}

/** A character for each byte. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}

/** The bytes that `textOf` made a text of, in memory of their own. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

function hashOf(salt: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = salt;
  for (let at = start; at < end; at++) {
    hash = Math.imul(hash ^ (bytes[at] as number), HASH_FACTOR);
  }
  return scramble(hash);
}

function isName(name: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let at = 0; at < name.length; at++) {
    if (name.charCodeAt(at) !== bytes[start + at]) return false;
  }
  return true;
}

/**
 * The tree that every daemon serves: the same bytes at every run, from a seeded generator.
 *
 *   big      64 MiB                for READ
 *   names/   1,024 small files     for GETATTR, LOOKUP, OPEN
 *   list/    10,000 small files    for READDIRPLUS
 *   tree/    2,000 files of mixed sizes in 120 directories, and 100 symlinks   for the walk
 *
 * No two files have the same bytes: a daemon that knows files by their content gains nothing here.
 */
import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

export const BIG_BYTES = 64 << 20;
export const NAMED_FILES = 1024;
export const LISTED_FILES = 10_000;
export const WALKED_FILES = 2000;
const WALKED_DIRECTORIES = 120;
const WALKED_SYMLINKS = 100;

/** Bytes that depend on the seed alone (xorshift32). */
export function seededBytes(seed: number, length: number): Uint8Array {
  const words = new Uint32Array((length + 3) >>> 2);
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** The name of a file in `names/`, and in `list/`. */
export function namedFile(index: number): string {
  return `module-${String(index).padStart(4, "0")}.js`;
}

export function listedFile(index: number): string {
  return `entry-${String(index).padStart(5, "0")}.txt`;
}

/** Bytes of a file in `names/`. */
export function namedFileBytes(index: number): number {
  return 200 + ((index * 37) % 3700);
}

/** Makes the tree in `folder`, which must be empty. */
export function makeBenchTree(folder: string): void {
  const big = openSync(join(folder, "big"), "w");
  for (let at = 0; at < BIG_BYTES; at += BIG_PART) {
    writeSync(big, bigBytes(at, BIG_PART));
  }
  closeSync(big);
  mkdirSync(join(folder, "names"));
  for (let index = 0; index < NAMED_FILES; index++) {
    const content = seededBytes(10_000 + index, namedFileBytes(index));
    writeFileSync(join(folder, "names", namedFile(index)), content);
  }
  mkdirSync(join(folder, "list"));
  for (let index = 0; index < LISTED_FILES; index++) {
    const content = seededBytes(20_000 + index, 32);
    writeFileSync(join(folder, "list", listedFile(index)), content);
  }
  makeWalkedTree(join(folder, "tree"));
}

const BIG_PART = 1 << 20;

/** `length` bytes of `big` from `offset` on; both are multiples of 4 KiB, inside one MiB. */
export function bigBytes(offset: number, length: number): Uint8Array {
  const part = Math.floor(offset / BIG_PART);
  const inPart = offset - part * BIG_PART;
  return seededBytes(part, BIG_PART).subarray(inPart, inPart + length);
}

function makeWalkedTree(root: string): void {
  const directories = [root];
  mkdirSync(root);
  for (let index = 1; index < WALKED_DIRECTORIES; index++) {
    // Three children each: a tree some five levels deep.
    const directory = join(directories[Math.floor((index - 1) / 3)]!, `part-${index}`);
    mkdirSync(directory);
    directories.push(directory);
  }
  for (let index = 0; index < WALKED_FILES; index++) {
    const directory = directories[(index * 31) % directories.length]!;
    const content = seededBytes(walkedFileSeed(index), walkedFileBytes(index));
    writeFileSync(join(directory, walkedFile(index)), content);
  }
  for (let index = 0; index < WALKED_SYMLINKS; index++) {
    const directory = directories[(index * 17) % directories.length]!;
    symlinkSync(`../some/where/else-${index}`, join(directory, `link-${index}`));
  }
}

/** The name of a file below `tree/`: no two directories have the same one. */
export function walkedFile(index: number): string {
  return `source-${index}.ts`;
}

export function walkedFileSeed(index: number): number {
  return 40_000 + index;
}

/** As in a source tree: mostly a few KiB, some large: 60 %, 30 %, 9 % and 1 %. */
function walkedFileBytes(index: number): number {
  const [word] = new Uint32Array(seededBytes(60_000 + index, 4).slice().buffer);
  const rank = index % 100;
  if (rank < 60) return 200 + (word! % 3900);
  if (rank < 90) return 4096 + (word! % 28_672);
  if (rank < 99) return 32_768 + (word! % 229_376);
  return 1 << 20;
}

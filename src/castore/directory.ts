/** A directory: names in byte order, each with a node. Named by the digest of its encoding. */
import { InvalidEncoding } from "./errors.ts";
import type { Name } from "./name.ts";
import { compareBytes } from "./name.ts";
import type { Node } from "./node.ts";

/**
 * Bytes of an encoded directory, at the most: some 3 million entries. Keeps every position in a
 * directory far inside 32 bits, and a directory inside one segment of the disk store.
 */
export const DIRECTORY_BYTES_MAX = 256 * 1024 * 1024;

export interface DirectoryEntry {
  readonly name: Name;
  readonly node: Node;
}

export class Directory {
  /** In byte order of the names, which are unique. */
  readonly entries: readonly DirectoryEntry[];
  /**
   * What a node naming this directory says as its size: the number of children and the sizes of
   * the child directories.
   */
  readonly size: number;

  private constructor(entries: readonly DirectoryEntry[], size: number) {
    this.entries = entries;
    this.size = size;
  }

  /**
   * Sorts `entries` by name.
   * @throws InvalidEncoding when a name is there twice or the sizes exceed what a number holds.
   */
  static of(entries: Iterable<DirectoryEntry>): Directory {
    const sorted = [...entries].sort((a, b) => compareNames(a.name, b.name));
    for (let i = 1; i < sorted.length; i += 1) {
      if (compareNames(sorted[i - 1]!.name, sorted[i]!.name) === 0) {
        throw new InvalidEncoding("directory", "two entries have the same name");
      }
    }
    let size = sorted.length;
    for (const { node } of sorted) {
      if (node.kind === "directory") size += node.size;
      if (size > Number.MAX_SAFE_INTEGER) {
        throw new InvalidEncoding("directory", "sizes add up to 2^53 or more");
      }
    }
    return new Directory(sorted, size);
  }

  /** The node of that name, or undefined. */
  get(name: Uint8Array): Node | undefined {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const entry = this.entries[middle]!;
      const order = compareNames(entry.name, name);
      if (order === 0) return entry.node;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  /**
   * True when a node may name this directory with `size`. Older writers counted every child
   * directory twice; stores and digests made by them stay valid.
   */
  acceptsSize(size: number): boolean {
    return acceptsSize(this.size, this.entries.length, size);
  }
}

/** `Directory.acceptsSize` for a directory known only by its size and number of children. */
export function acceptsSize(exact: number, children: number, size: number): boolean {
  return size >= exact && size <= exact + children;
}

function compareNames(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length);
}

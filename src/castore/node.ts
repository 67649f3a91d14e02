/** What a name stands for: a directory or a file by digest, or a symlink. Values, never changed. */
import type { Digest } from "./digest.ts";
import { InvalidNode } from "./errors.ts";
import { targetFault } from "./name.ts";

export interface DirectoryNode {
  readonly kind: "directory";
  readonly digest: Digest;
  /** Entries below it, at every depth, as `Directory.size` counts them. */
  readonly size: number;
}

export interface FileNode {
  readonly kind: "file";
  /** Of the contents. */
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly executable: boolean;
}

export interface SymlinkNode {
  readonly kind: "symlink";
  /** 1 to 4095 bytes without a NUL, otherwise anything. */
  readonly target: Uint8Array;
}

export type Node = DirectoryNode | FileNode | SymlinkNode;

/** @throws InvalidNode */
export function directoryNode(digest: Digest, size: number): DirectoryNode {
  return { kind: "directory", digest, size: checkedSize(size) };
}

/** @throws InvalidNode */
export function fileNode(digest: Digest, size: number, executable: boolean): FileNode {
  return { kind: "file", digest, size: checkedSize(size), executable };
}

/**
 * Copies `target`; text is taken as UTF-8.
 * @throws InvalidNode
 */
export function symlinkNode(target: Uint8Array | string): SymlinkNode {
  const copy = Uint8Array.from(typeof target === "string" ? Buffer.from(target) : target);
  const fault = targetFault(copy, 0, copy.length);
  if (fault !== undefined) throw new InvalidNode(fault);
  return { kind: "symlink", target: copy };
}

function checkedSize(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new InvalidNode("size is not a whole number below 2^53");
  }
  return size;
}

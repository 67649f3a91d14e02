/** What the threads of an import say to each other. Contents of files are never in a message. */
import type { MessagePort } from "node:worker_threads";
import type { CutMemory } from "./fastcdc.ts";

export interface ImportThreadData {
  readonly memory: CutMemory;
  /** The worker's own slots: `slots` of them from `firstSlot` on. All are free. */
  readonly firstSlot: number;
  readonly slots: number;
  /** To the other workers. */
  readonly peers: readonly MessagePort[];
}

/** From the main thread to a worker. */
export type ToImportThread =
  /** Import these files, in this order. See `packPaths`. */
  | { readonly kind: "files"; readonly paths: Uint8Array }
  /** The slot that was filled longest ago is free again. */
  | { readonly kind: "free" }
  /** Leave everything as it is, and end. */
  | { readonly kind: "end" };

/** Why a file cannot be imported. */
export interface FileFailure {
  readonly message: string;
  /** Of an error of `node:fs`; left out: the file would not hold still. */
  readonly code?: string;
  readonly syscall?: string;
}

/** From a worker to the main thread. */
export type FromImportThread =
  /** All records of the slot are there. */
  | { readonly kind: "ready"; readonly slot: number }
  /** Comes before the slot with the record of it. */
  | { readonly kind: "failure"; readonly failure: FileFailure };

/** From a worker to one that helps with a large file. */
export type ToHelper =
  /** Compute the digests of the chunks of the piece in this slot. */
  | { readonly kind: "chunks"; readonly slot: number }
  /** Hash the piece in this slot after those before it; `digestAt`: it is the last, write the digest there. */
  | { readonly kind: "whole"; readonly slot: number; readonly digestAt?: number }
  /** The file begins anew. */
  | { readonly kind: "forget" };

const LENGTH_BYTES = 2;

/** Paths in one piece: each after its length in two bytes, little-endian. */
export function packPaths(paths: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const path of paths) length += LENGTH_BYTES + path.length;
  const packed = new Uint8Array(length);
  let at = 0;
  for (const path of paths) {
    packed[at] = path.length & 0xff;
    packed[at + 1] = path.length >>> 8;
    packed.set(path, at + LENGTH_BYTES);
    at += LENGTH_BYTES + path.length;
  }
  return packed;
}

/** Each is a view of `packed`. */
export function* unpackPaths(packed: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < packed.length; ) {
    const length = packed[at]! | (packed[at + 1]! << 8);
    yield Buffer.from(packed.buffer, packed.byteOffset + at + LENGTH_BYTES, length);
    at += LENGTH_BYTES + length;
  }
}

/**
 * What the generator must know of a daemon's share before it can send requests: nodeids, handles and
 * listing offsets, which are the daemon's own. Taken by ordinary requests, outside the timed part.
 */
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import { ENOSYS } from "../../src/base/errno.ts";
import { type FuseClient, FuseError } from "../frontend/fuse-client.ts";
import { NAMED_FILES, namedFile } from "./bench-tree.ts";

export interface ShareFacts {
  readonly namesDirectory: number;
  /** nodeids of the files of `names/`. */
  readonly named: Float64Array;
  /** nodeid of `tree/`. */
  readonly walkRoot: number;
  readonly big: number;
  readonly bigHandle: number;
  readonly listDirectory: number;
  /** A handle of `list/` for each stream, as every process that lists has its own. */
  readonly listHandles: Float64Array;
  /** By buffer size: the offsets that a whole listing goes through, in halves. */
  readonly listOffsets: ReadonlyMap<number, ListOffsets>;
}

/** The offset of each READDIRPLUS of a listing; the last one finds nothing more. */
export interface ListOffsets {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

/** Buffer sizes of READDIRPLUS that are measured. */
export const LIST_BYTES = [4096, 131_072] as const;

export function learnShare(fuse: FuseClient, streams: number): ShareFacts {
  const namesDirectory = fuse.lookup(FUSE_ROOT_ID, "names").nodeid;
  const named = new Float64Array(NAMED_FILES);
  for (let index = 0; index < NAMED_FILES; index++) {
    named[index] = fuse.lookup(namesDirectory, namedFile(index)).nodeid;
  }
  const big = fuse.lookup(FUSE_ROOT_ID, "big").nodeid;
  const listDirectory = fuse.lookup(FUSE_ROOT_ID, "list").nodeid;
  const listHandles = new Float64Array(streams);
  for (let stream = 0; stream < streams; stream++) {
    listHandles[stream] = handleOf(() => fuse.opendir(listDirectory));
  }
  const listOffsets = new Map<number, ListOffsets>();
  for (const bytes of LIST_BYTES) {
    listOffsets.set(bytes, offsetsOf(fuse, listDirectory, listHandles[0]!, bytes));
  }
  return {
    namesDirectory,
    named,
    walkRoot: fuse.lookup(FUSE_ROOT_ID, "tree").nodeid,
    big,
    bigHandle: handleOf(() => fuse.open(big)),
    listDirectory,
    listHandles,
    listOffsets,
  };
}

function offsetsOf(fuse: FuseClient, directory: number, fh: number, bytes: number): ListOffsets {
  const offsets: bigint[] = [];
  for (let next = 0n; ; ) {
    offsets.push(next);
    const entries = fuse.readdirplusOnce(directory, next, bytes, fh);
    const last = entries.at(-1);
    if (last === undefined) break;
    next = last.next;
  }
  return {
    low: Uint32Array.from(offsets, (offset) => Number(offset & 0xffff_ffffn)),
    high: Uint32Array.from(offsets, (offset) => Number(offset >> 32n)),
  };
}

/** A handle, or 0 where the daemon says that none is needed. */
export function handleOf(open: () => { readonly fh: number }): number {
  try {
    return open().fh;
  } catch (error) {
    if (error instanceof FuseError && error.errno === ENOSYS) return 0;
    throw error;
  }
}

/** Facts of the same shape for a device that answers nothing. */
export function noFacts(streams: number): ShareFacts {
  const offsets = {
    low: Uint32Array.from({ length: 400 }, (_, i) => i),
    high: new Uint32Array(400),
  };
  return {
    namesDirectory: 2,
    named: Float64Array.from({ length: NAMED_FILES }, (_, index) => 3 + index),
    walkRoot: 2002,
    big: 2000,
    bigHandle: 1,
    listDirectory: 2001,
    listHandles: new Float64Array(streams),
    listOffsets: new Map(LIST_BYTES.map((bytes) => [bytes, offsets])),
  };
}

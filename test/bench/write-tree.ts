/**
 * The tree that a writable share begins with, for every daemon its own, and what is known of it:
 *
 *   big      64 MiB                        for WRITE
 *   names/   1,024 small files             for SETATTR
 *   made/    500 small files               where CREATE and MKDIR make more, and remove them
 *   moved/   a file for each stream        for RENAME
 *   logs/    a file of 64 KiB for each stream   for FSYNC
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import type { FuseClient } from "../frontend/fuse-client.ts";
import { NameTable } from "../frontend/name-table.ts";
import {
  BIG_BYTES,
  bigBytes,
  NAMED_FILES,
  namedFile,
  namedFileBytes,
  seededBytes,
} from "./bench-tree.ts";
import { FileModel } from "./file-model.ts";
import { handleOf } from "./share-facts.ts";

/** What Linux offers in INIT beyond a read-only share's flags, as far as these daemons care. */
export const writeInitFlags =
  op.FUSE_WRITEBACK_CACHE | op.FUSE_DONT_MASK | op.FUSE_HANDLE_KILLPRIV_V2 | op.FUSE_SETXATTR_EXT;

/** 16 queues of 16 requests each. */
export const WRITE_STREAMS_MAX = 256;
const MADE_FILES = 500;
const LOG_BYTES = 64 << 10;
const BIG_PART = 1 << 20;
const O_RDWR = 2;
/** As a regular file's mode is sent; what the tree's files have. */
export const S_IFREG = 0o100000;

/** nodeids and handles of a daemon's writable share, and what it should hold by now. */
export interface WriteFacts {
  readonly big: FileModel;
  /** By stream. */
  readonly logs: readonly FileModel[];
  /** nodeids of the files of `names/`, and the mode that each was given last, or 0. */
  readonly named: Float64Array;
  readonly namedModes: Uint16Array;
  readonly madeDirectory: number;
  readonly movedDirectory: number;
  /** By stream: whether its file in `moved/` has its second name. */
  readonly isMoved: Uint8Array;
}

export const MOVED_NAMES = new NameTable(
  Array.from({ length: 2 * WRITE_STREAMS_MAX }, (_, index) => movedFile(index >> 1, index & 1)),
);

/** The two names of a stream's file in `moved/` are numbers 2 × stream and 2 × stream + 1. */
function movedFile(stream: number, second: number): string {
  return `${second === 0 ? "before" : "after"}-${String(stream).padStart(3, "0")}.o`;
}

/** Makes the tree in `folder`, which must be empty. */
export function makeWriteTree(folder: string): void {
  writeFileSync(join(folder, "big"), wholeBig());
  for (const name of ["names", "made", "moved", "logs"]) mkdirSync(join(folder, name));
  for (let index = 0; index < NAMED_FILES; index++) {
    const content = seededBytes(10_000 + index, namedFileBytes(index));
    writeFileSync(join(folder, "names", namedFile(index)), content);
  }
  for (let index = 0; index < MADE_FILES; index++) {
    writeFileSync(join(folder, "made", `there-${index}.h`), seededBytes(70_000 + index, 600));
  }
  for (let stream = 0; stream < WRITE_STREAMS_MAX; stream++) {
    writeFileSync(join(folder, "moved", movedFile(stream, 0)), seededBytes(80_000 + stream, 700));
    writeFileSync(join(folder, "logs", logFile(stream)), logBytes(stream));
  }
}

/** `streams` at the most will be used. */
export function learnWriteShare(fuse: FuseClient, streams: number): WriteFacts {
  const directory = (name: string) => fuse.lookup(FUSE_ROOT_ID, name).nodeid;
  const opened = (parent: number, name: string, base: () => Uint8Array) => {
    const { nodeid } = fuse.lookup(parent, name);
    return new FileModel(
      nodeid,
      handleOf(() => fuse.open(nodeid, O_RDWR)),
      base,
    );
  };
  const logs = directory("logs");
  const names = directory("names");
  const moved = directory("moved");
  for (let stream = 0; stream < streams; stream++) fuse.lookup(moved, movedFile(stream, 0));
  return {
    big: opened(FUSE_ROOT_ID, "big", wholeBig),
    logs: Array.from({ length: streams }, (_, stream) =>
      opened(logs, logFile(stream), () => logBytes(stream)),
    ),
    named: Float64Array.from(
      { length: NAMED_FILES },
      (_, index) => fuse.lookup(names, namedFile(index)).nodeid,
    ),
    namedModes: new Uint16Array(NAMED_FILES),
    madeDirectory: directory("made"),
    movedDirectory: moved,
    isMoved: new Uint8Array(streams),
  };
}

/** Facts of the same shape for a device that answers nothing. */
export function noWriteFacts(streams: number): WriteFacts {
  return {
    big: new FileModel(2, 1, wholeBig),
    logs: Array.from({ length: streams }, (_, stream) => new FileModel(10 + stream, 1, wholeBig)),
    named: Float64Array.from({ length: NAMED_FILES }, (_, index) => 3000 + index),
    namedModes: new Uint16Array(NAMED_FILES),
    madeDirectory: 3,
    movedDirectory: 4,
    isMoved: new Uint8Array(streams),
  };
}

let big: Uint8Array | undefined;

/** What `big` holds at first: made once. */
function wholeBig(): Uint8Array {
  if (big !== undefined) return big;
  big = new Uint8Array(BIG_BYTES);
  for (let at = 0; at < BIG_BYTES; at += BIG_PART) big.set(bigBytes(at, BIG_PART), at);
  return big;
}

function logFile(stream: number): string {
  return `stream-${String(stream).padStart(3, "0")}.log`;
}

function logBytes(stream: number): Uint8Array {
  return seededBytes(90_000 + stream, LOG_BYTES);
}

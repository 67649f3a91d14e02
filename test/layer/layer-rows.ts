/** Layers and their rows, made for tests. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { Digest } from "../../src/castore/digest.ts";
import { type DirectoryNode, directoryNode } from "../../src/castore/node.ts";
import type { LayerBatch } from "../../src/layer/batch.ts";
import { LayerDirectory } from "../../src/layer/layer-directory.ts";
import type { InodeRow, Origin, Time } from "../../src/layer/rows.ts";
import { temporaryFolder } from "../store/temporary.ts";

export const BASE: DirectoryNode = directoryNode(Digest.from(new Uint8Array(32).fill(7)), 3);

export interface TestLayer {
  readonly storeDirectory: string;
  readonly directory: string;
  open(root?: DirectoryNode): LayerDirectory;
}

/** Where a layer can be made; removed with the test. */
export function testLayer(folder = temporaryFolder()): TestLayer {
  return makeTestLayer(folder);
}

/** The same in a folder that stays. */
export function makeTestLayer(folder: string): TestLayer {
  const storeDirectory = join(folder, "store");
  const directory = join(folder, "layer");
  mkdirSync(storeDirectory, { recursive: true });
  return {
    storeDirectory,
    directory,
    open: (root = BASE) => LayerDirectory.open(directory, { storeDirectory, root }),
  };
}

export const NO_CHANGES: Omit<LayerBatch, "id"> = {
  durable: true,
  writes: new Float64Array(0),
  freed: new Float64Array(0),
  inodes: [],
  removedInodes: [],
  entries: [],
  removedEntries: [],
  xattrs: [],
  pieces: [],
  nextInode: 2,
};

export function inodeRow(id: number, changes: Partial<InodeRow> = {}): InodeRow {
  const time: Time = { seconds: 1_700_000_000, nanoseconds: 5 };
  return {
    id,
    mode: 0o100644,
    uid: 0,
    gid: 0,
    rdev: 0,
    links: 1,
    size: 0,
    inoLow: id,
    inoHigh: 0,
    atime: time,
    mtime: time,
    ctime: time,
    btime: time,
    origin: undefined,
    target: undefined,
    ...changes,
  };
}

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });

const time: fc.Arbitrary<Time> = fc.record({
  seconds: fc.oneof(fc.integer(), fc.maxSafeInteger()),
  nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
});

const origin: fc.Arbitrary<Origin> = fc.record({
  kind: fc.constantFrom("directory", "file"),
  digest: bytes(32, 32),
  size: fc.maxSafeNat(),
  executable: fc.boolean(),
});

/** Any inode, with that id. */
export function anyInode(id: number): fc.Arbitrary<InodeRow> {
  return fc.record({
    id: fc.constant(id),
    mode: u32,
    uid: u32,
    gid: u32,
    rdev: u32,
    links: fc.integer({ min: 1, max: 1000 }),
    size: fc.maxSafeNat(),
    inoLow: u32,
    inoHigh: u32,
    atime: time,
    mtime: time,
    ctime: time,
    btime: time,
    origin: fc.option(origin, { nil: undefined }),
    target: fc.option(bytes(1, 300), { nil: undefined }),
  });
}

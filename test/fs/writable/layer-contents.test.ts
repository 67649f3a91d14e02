import { describe, expect, it } from "vitest";
import { EFBIG, EIO, ENOSPC, EOPNOTSUPP } from "../../../src/base/errno.ts";
import { MISSING } from "../../../src/base/missing.ts";
import { WAITING } from "../../../src/base/waiting.ts";
import type { FileContents } from "../../../src/fs/writable/file-contents.ts";
import { FILE_BYTES_MAX } from "../../../src/fs/writable/file-writer.ts";
import { CorruptExtents } from "../../../src/layer/extent-code.ts";
import { PIECE_BYTES } from "../../../src/layer/rows.ts";
import { ContentsRig, sourceOf } from "./contents-rig.ts";
import { RandomContents } from "./random-contents.ts";

/** More of them: CONTENTS_STEPS=300000. */
const STEPS = Number(process.env["CONTENTS_STEPS"] ?? 4000);
const SEEDS = [1, 2, 3, 4];
const MiB = 1024 * 1024;

const KEEP_SIZE = 1;
const PUNCH_HOLE = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

describe("the contents of a layer", () => {
  // Little memory makes requests wait for batches; little room makes them fail.
  it.each(SEEDS)(
    "are as plain arrays are, whatever happens (seed %i)",
    (seed) => {
      const memoryBytes = seed % 2 === 0 ? 4 * MiB : 16 * MiB;
      const random = new RandomContents(seed, memoryBytes, seed > 2 ? MiB : undefined);
      for (let i = 0; i < STEPS / SEEDS.length; i += 1) random.step();
      random.finish();
      expect(random.counts["write"]).toBeGreaterThan(0);
      // Ends by itself, however many steps it was told to go.
    },
    1_000_000,
  );
});

describe("a file's contents", () => {
  it("are the origin's, of which a small change costs little", () => {
    const { rig, file } = fileOfBase(10 * 2 ** 30);
    expect(write(file, 5 * 2 ** 30, new Uint8Array(4096).fill(7))).toBe(4096);
    const { writes, pieces } = rig.contents.collect(1);
    expect(writes).toHaveLength(3);
    expect(pieces.map(({ piece }) => piece)).toEqual([(5 * 2 ** 30) / PIECE_BYTES]);
    expect(pieces[0]?.extents?.length).toBeLessThan(200);
    expect(rig.contents.usedBytes).toBe(4096);
  });

  it("do not show the origin's bytes again after they were cut off, also when loaded anew", () => {
    const { rig, file } = fileOfBase(5 * PIECE_BYTES);
    file.resize(0);
    save(rig);
    const again = rig.contents.file({
      id: 2,
      size: 0,
      origin: unreadable(5 * PIECE_BYTES),
      pieces: [],
    });
    again.resize(4 * PIECE_BYTES);
    save(rig);
    const pieces = rig.pieces(2);
    const loaded = rig.contents.file({
      id: 2,
      size: 4 * PIECE_BYTES,
      origin: unreadable(5 * PIECE_BYTES),
      pieces,
    });
    for (let piece = 0; piece < 4; piece += 1) {
      expect(read(rig, loaded, piece * PIECE_BYTES, 3)).toEqual([0, 0, 0]);
    }
    expect(loaded.seek(0, SEEK_DATA)).toBeLessThan(0);
  });

  it("stay as they are when a write into a block lacks the rest of it", () => {
    const rig = new ContentsRig([10_000]);
    const file = rig.contents.file({ id: 2, size: 10_000, origin: rig.blobs[0]!.base, pieces: [] });
    rig.absences = 1;
    expect(write(file, 100, new Uint8Array(50))).toBe(MISSING);
    expect(file.isDirty).toBe(false);
    expect(write(file, 100, new Uint8Array(50))).toBe(50);
    expect(read(rig, file, 98, 4)).toEqual([...rig.blobs[0]!.bytes.subarray(98, 100), 0, 0]);
  });

  it("wait when memory is full, and go on when a batch has settled", () => {
    const rig = new ContentsRig([], 4 * MiB);
    const file = empty(rig);
    expect(write(file, 0, new Uint8Array(2 * MiB).fill(1))).toBe(2 * MiB);
    expect(write(file, 2 * MiB, new Uint8Array(2 * MiB).fill(2))).toBe(WAITING);
    expect(file.size).toBe(2 * MiB);
    expect(rig.contents.mustFlush).toBe(true);
    save(rig);
    expect(write(file, 2 * MiB, new Uint8Array(2 * MiB).fill(2))).toBe(2 * MiB);
    expect(read(rig, file, 2 * MiB - 1, 2)).toEqual([1, 2]);
  });

  it("are written in runs of at most 1 MiB, in order", () => {
    const rig = new ContentsRig();
    const file = empty(rig);
    for (let at = 5; at >= 0; at -= 1) write(file, at * MiB, new Uint8Array(MiB).fill(at + 1));
    const { writes } = rig.contents.collect(1);
    const lengths = [...writes].filter((_, i) => i % 3 === 1);
    expect(lengths).toEqual(Array(6).fill(MiB));
    const positions = [...writes].filter((_, i) => i % 3 === 2);
    expect(positions).toEqual([0, 1, 2, 3, 4, 5].map((i) => positions[0]! + i * MiB));
    expect(file.extents).toBe(1);
  });

  it("are overwritten in place, without a row being written", () => {
    const rig = new ContentsRig();
    const file = empty(rig);
    write(file, 0, new Uint8Array(8192).fill(1));
    const [, , position] = rig.contents.collect(1).writes;
    rig.contents.settled(1, false, 0);
    write(file, 0, new Uint8Array(4096).fill(2));
    const second = rig.contents.collect(2);
    expect([...second.writes].slice(1)).toEqual([4096, position]);
    expect(second.pieces).toEqual([]);
  });

  it("give memory back without a row, and wait for theirs", () => {
    const rig = new ContentsRig();
    const file = empty(rig);
    write(file, 0, new Uint8Array(8 * 4096).fill(1));
    expect(rig.contents.collectBlocks(1, 5)[1]).toBe(5 * 4096);
    expect(rig.contents.dirtyBytes).toBe(3 * 4096);
    rig.contents.collectBlocks(2);
    rig.contents.settled(2, false, 0);
    expect([rig.contents.dirtyBytes, file.isDirty, file.isSettled]).toEqual([0, true, false]);
    const { writes, pieces } = rig.contents.collect(3);
    expect([writes.length, pieces.length, file.isDirty, file.isSettled]).toEqual([
      0,
      1,
      false,
      false,
    ]);
    rig.contents.settled(3, false, 0);
    expect(file.isSettled).toBe(true);
  });

  it("that were written in a random order become few extents", () => {
    const rig = new ContentsRig();
    const file = empty(rig);
    const order = Array.from({ length: 2048 }, (_, i) => (i * 1237) % 2048);
    order.forEach((block, i) => {
      write(file, block * 4096, new Uint8Array(4096).fill(block));
      if (i % 100 === 99) save(rig);
    });
    save(rig);
    expect(file.extents).toBeLessThanOrEqual(8);
  });

  it("refuse what is beyond all bounds", () => {
    const file = empty(new ContentsRig());
    expect(write(file, FILE_BYTES_MAX, new Uint8Array(1))).toBe(-EFBIG);
    expect(write(file, FILE_BYTES_MAX - 1, new Uint8Array(2))).toBe(1);
    expect(file.resize(FILE_BYTES_MAX + 1)).toBe(-EFBIG);
    expect(file.fallocate(FILE_BYTES_MAX, 1, 0)).toBe(-EFBIG);
    expect(file.fallocate(0, 1, 8)).toBe(-EOPNOTSUPP);
  });
});

describe("the room of a layer", () => {
  it("ends with -ENOSPC, after as much as fits was written", () => {
    const rig = new ContentsRig();
    rig.limits = { layerBytes: 10 * 4096, memoryBytes: 0 };
    const file = empty(rig);
    expect(write(file, 0, new Uint8Array(16 * 4096))).toBe(10 * 4096);
    expect(write(file, 20 * 4096, new Uint8Array(1))).toBe(-ENOSPC);
    expect(write(file, 0, new Uint8Array(4096))).toBe(4096);
    expect(rig.contents.roomBytes).toBe(0);
  });

  it("is promised by fallocate(2): what was allocated can be written", () => {
    const rig = new ContentsRig();
    rig.limits = { layerBytes: 10 * 4096, memoryBytes: 0 };
    const file = empty(rig);
    expect(file.fallocate(0, 8 * 4096, KEEP_SIZE)).toBe(0);
    expect(file.allocatedBytes).toBe(8 * 4096);
    const other = rig.contents.file({ id: 3, size: 0, origin: undefined, pieces: [] });
    expect(write(other, 0, new Uint8Array(8 * 4096))).toBe(2 * 4096);
    expect(write(file, 0, new Uint8Array(8 * 4096))).toBe(8 * 4096);
    expect(file.fallocate(0, 9 * 4096, 0)).toBe(-ENOSPC);
  });

  it("is needed for a block that lies over the base, also where it was allocated", () => {
    const rig = new ContentsRig([4096]);
    rig.limits = { layerBytes: 2 * 4096, memoryBytes: 0 };
    const { base } = rig.blobs[0]!;
    const file = rig.contents.file({ id: 2, size: 4096, origin: base, pieces: [] });
    write(file, 0, new Uint8Array(4096));
    expect(file.fallocate(0, 2 * 4096, 0)).toBe(0);
    expect(rig.contents.usedBytes).toBe(2 * 4096);
    save(rig);
    expect(rig.contents.usedBytes).toBe(2 * 4096);
  });

  it("is kept and used by whole blocks, wherever a file ends in them", () => {
    const rig = new ContentsRig();
    const file = empty(rig);
    file.fallocate(0, 4096, 0);
    file.resize(1);
    expect(rig.contents.usedBytes).toBe(4096);
    write(file, 0, new Uint8Array([1]));
    save(rig);
    expect(rig.contents.usedBytes).toBe(4096);
    expect(file.allocatedBytes).toBe(4096);
  });

  it("is as little as the disk has, and comes back with a durable batch", () => {
    const rig = new ContentsRig();
    rig.freeBytes = 8 * MiB + 3 * 4096;
    const file = empty(rig);
    expect(write(file, 0, new Uint8Array(4 * 4096))).toBe(3 * 4096);
    save(rig);
    rig.freeBytes = 8 * MiB;
    expect(file.resize(0)).toBe(0);
    expect(write(file, 0, new Uint8Array(4096))).toBe(WAITING);
    expect(rig.contents.mustFlushDurably).toBe(true);
    save(rig);
    rig.freeBytes = 8 * MiB + 3 * 4096;
    expect(write(file, 0, new Uint8Array(4096))).toBe(4096);
  });

  it("is not given out again before a durable batch is settled", () => {
    const rig = new ContentsRig();
    const file = empty(rig);
    write(file, 0, new Uint8Array(4096));
    const first = rig.contents.collect(1).writes[2];
    rig.contents.settled(1, false, 0);
    file.discard();
    expect([...rig.contents.collect(2).freed]).toEqual([first, 4096]);
    rig.contents.settled(2, false, 0);
    expect(rig.contents.collect(3).freed).toHaveLength(0);
  });

  it("is counted anew from the rows when a layer is opened", () => {
    const rig = new ContentsRig();
    const file = empty(rig);
    write(file, 0, new Uint8Array(5000));
    file.fallocate(1 * MiB, 4096, 0);
    save(rig);
    rig.crash();
    expect(rig.contents.usedBytes).toBe(3 * 4096);
  });
});

describe("a layer that failed", () => {
  it("keeps what it has in memory readable, and refuses changes", () => {
    const rig = new ContentsRig();
    const file = empty(rig);
    write(file, 0, new Uint8Array([1, 2, 3]));
    rig.contents.collect(1);
    rig.contents.settled(1, true, EIO);
    expect(rig.contents.failed).toBe(EIO);
    expect(write(file, 0, new Uint8Array(1))).toBe(-EIO);
    expect(file.resize(0)).toBe(-EIO);
    expect(read(rig, file, 0, 3)).toEqual([1, 2, 3]);
  });

  it("is not opened when two files claim the same place", () => {
    const rig = new ContentsRig();
    write(empty(rig), 0, new Uint8Array(4096));
    save(rig);
    rig.rows.set(3, new Map(rig.rows.get(2)));
    expect(() => rig.crash()).toThrow(CorruptExtents);
  });
});

describe("holes", () => {
  it("are found between data in memory, in the data file, and in the base", () => {
    const rig = new ContentsRig([4096]);
    const { base } = rig.blobs[0]!;
    const file = rig.contents.file({ id: 2, size: 4096, origin: base, pieces: [] });
    write(file, 3 * 4096, new Uint8Array(4096));
    save(rig);
    write(file, 5 * 4096, new Uint8Array(10));
    file.resize(10 * 4096);
    const blocks = (whence: number): number[] =>
      Array.from({ length: 10 }, (_, i) => file.seek(i * 4096, whence) / 4096);
    expect(blocks(SEEK_HOLE)).toEqual([1, 1, 2, 4, 4, 6, 6, 7, 8, 9]);
    expect(blocks(SEEK_DATA).slice(0, 6)).toEqual([0, 3, 3, 3, 5, 5]);
    expect(file.seek(6 * 4096, SEEK_DATA)).toBeLessThan(0);
    expect(file.fallocate(0, 4 * 4096, PUNCH_HOLE | KEEP_SIZE)).toBe(0);
    expect(file.seek(0, SEEK_DATA)).toBe(5 * 4096);
    expect(file.allocatedBytes).toBe(4096);
  });
});

function empty(rig: ContentsRig): FileContents {
  return rig.contents.file({ id: 2, size: 0, origin: undefined, pieces: [] });
}

function write(file: FileContents, offset: number, bytes: Uint8Array): number {
  return file.write(offset, sourceOf(bytes));
}

function read(rig: ContentsRig, file: FileContents, offset: number, length: number): number[] {
  const sink = rig.sink();
  expect(file.read(offset, length, sink)).toBe(0);
  return [...sink.bytes];
}

/** A durable batch, settled. */
function save(rig: ContentsRig): void {
  rig.collect(true, undefined);
  rig.writeNext();
  rig.commitNext();
  rig.settleNext();
}

/** A blob that nothing should be read of. */
function unreadable(size: number): { digest: Uint8Array; size: number } {
  return { digest: new Uint8Array(32).fill(0xff), size };
}

function fileOfBase(size: number): { rig: ContentsRig; file: FileContents } {
  const rig = new ContentsRig();
  const file = rig.contents.file({ id: 2, size, origin: unreadable(size), pieces: [] });
  return { rig, file };
}

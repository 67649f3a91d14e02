/**
 * What the contents of a layer cost in the device thread: processor time of reads and writes with the
 * write-back that belongs to them, extents and memory after a million random writes. No disk and no
 * queue take part.
 *
 *     node --expose-gc --conditions=castorefs-source test/fs/writable/contents-cost.ts
 */
import type { FileContents } from "../../../src/fs/writable/file-contents.ts";
import { LayerContents } from "../../../src/fs/writable/layer-contents.ts";
import type { ByteSource } from "../../../src/fuse/modifications.ts";
import type { Base } from "../../../src/layer/extent-code.ts";
import type { LayerPort } from "../../../src/layer/layer-port.ts";

const MiB = 1024 * 1024;
const BLOCK = 4096;
const FILE_BLOCKS = 2 ** 20;
const WRITES = 1_000_000;
/** Of the batches that memory pressure makes, every so many-th has the rows, as one a second has. */
const BATCHES_PER_ROWS = 32;
const BASE_FILE: Base = { digest: new Uint8Array(32), size: FILE_BLOCKS * BLOCK };

const memory = new Uint8Array(256 * MiB).fill(1);
const payload = new Uint8Array(MiB).fill(2);

function measure(origin: Base | undefined): void {
  const layer = new Layer();
  const file = layer.contents.file({ id: 2, size: origin?.size ?? 0, origin, pieces: [] });
  const random = generator();
  const anyBlock = (blocks: number): number => (random() % blocks) * BLOCK;
  const small = source(BLOCK);
  const large = source(128 * 1024);
  const write = (to: FileContents, offset: number, bytes: ByteSource): void => {
    while (to.write(offset, bytes) < 0) layer.flush();
    if (layer.contents.mustFlush) layer.flush();
  };
  cost("write 4 KiB, random", WRITES, () => write(file, anyBlock(FILE_BLOCKS), small));
  layer.flush();
  globalThis.gc?.();
  const held = (process.memoryUsage().arrayBuffers - memory.length) / MiB;
  print(`  extents ${file.extents}; ${held.toFixed(0)} MiB for them and the file's tables`);
  print(`  rows written ${layer.rows}, ${(layer.rowBytes / MiB).toFixed(1)} MiB`);
  const [bytesOnly, withRows] = layer.longest.map((time) => (time / 1000).toFixed(1));
  print(`  longest time a batch took to be made: ${bytesOnly} ms, with rows ${withRows} ms`);
  const reads = (from: FileContents, blocks: number, bytes: number) => () =>
    void from.read(anyBlock(blocks - bytes / BLOCK), bytes, NOWHERE);
  cost("read 4 KiB, random, written back", WRITES, reads(file, FILE_BLOCKS, BLOCK));
  cost("read 128 KiB, random, written back", WRITES / 10, reads(file, FILE_BLOCKS, 128 * 1024));
  const other = layer.contents.file({ id: 3, size: 0, origin: undefined, pieces: [] });
  let end = 0;
  cost("write 128 KiB, sequential", 40_000, () => {
    write(other, end, large);
    end += large.length;
  });
  layer.flush();
  const third = layer.contents.file({ id: 4, size: 0, origin: undefined, pieces: [] });
  for (let at = 0; at < 64 * MiB; at += large.length) third.write(at, large);
  cost("write 4 KiB, random, again in memory", WRITES, () => write(third, anyBlock(16384), small));
  cost("read 4 KiB, random, in memory", WRITES, reads(third, 16384, BLOCK));
  cost("read 128 KiB, random, in memory", WRITES / 10, reads(third, 16384, 128 * 1024));
}

/** A layer whose batches settle at once. */
class Layer {
  readonly contents: LayerContents;
  rows = 0;
  rowBytes = 0;
  /** Microseconds: of batches of bytes only, and of those with rows. */
  readonly longest: [number, number] = [0, 0];
  #batch = 0;

  constructor() {
    const port: LayerPort = {
      reader: {
        nextInode: 2,
        inode: () => undefined,
        entries: () => [],
        xattrs: () => [],
        pieces: () => [],
        allPieces: () => [],
      },
      data: { address: (position) => 2 ** 40 + position },
      memory: { bytes: memory, copyMapped: () => 0 },
      limits: { layerBytes: undefined, memoryBytes: memory.length },
      freeBytes: 2 ** 45,
      metadataBytes: 0,
      submit: () => {},
      held: () => {},
      take: () => {},
    };
    const read = (): number => 0;
    this.contents = new LayerContents(port, (_, size) => ({ size, read }));
  }

  flush(): void {
    const id = ++this.#batch;
    const before = processorTime();
    const withRows = id % BATCHES_PER_ROWS === 0;
    const pieces = withRows ? this.contents.collect(id).pieces : [];
    if (!withRows) this.contents.collectBlocks(id);
    const kind = withRows ? 1 : 0;
    this.longest[kind] = Math.max(this.longest[kind], processorTime() - before);
    this.rows += pieces.length;
    for (const { extents } of pieces) this.rowBytes += extents?.length ?? 0;
    this.contents.settled(id, withRows, 0);
  }
}

const NOWHERE = { append: () => 0, appendMapped: () => 0 };

function source(length: number): ByteSource {
  const copy = (offset: number, target: Uint8Array, start: number, bytes: number): number =>
    Buffer.prototype.copy.call(payload, target, start, offset, offset + bytes);
  return { length, copy };
}

function cost(name: string, count: number, once: () => void): void {
  const before = processorTime();
  for (let i = 0; i < count; i += 1) once();
  const each = (processorTime() - before) / count;
  print(`  ${name.padEnd(40)}${each.toFixed(2).padStart(8)} µs`);
}

/** Microseconds of this process. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Xorshift: 32 bits. */
function generator(): () => number {
  let state = 0x2545_f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

for (const origin of [undefined, BASE_FILE]) {
  print(origin === undefined ? "A new file of 4 GiB" : "A file of the base of 4 GiB");
  measure(origin);
}

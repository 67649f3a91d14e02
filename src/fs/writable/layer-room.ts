/**
 * What the contents take of the layer's limit and of the disk, and what becomes of the blocks that
 * files give up: they wait until a durable batch without them is settled, and while the layer is held
 * those that it had then wait for its release.
 */
import type { LayerPort } from "../../layer/layer-port.ts";
import type { BlockCache } from "./block-cache.ts";
import { BLOCK_BYTES, DATA_BYTES_MAX, type DataSpace } from "./data-space.ts";

/** Bytes of the disk left alone, for the rows that a full layer still has to write. */
export const DISK_RESERVE_BYTES = 8 * 1024 * 1024;

/** Freed runs, and the batch that told of them. */
interface FreedRuns {
  readonly batch: number;
  readonly runs: Float64Array;
}

export class LayerRoom {
  /** Bytes that ZERO extents keep. */
  zeroBytes = 0;
  /** Bytes that the layer's rows take. */
  metadataBytes = 0;
  readonly #port: LayerPort;
  readonly #space: DataSpace;
  readonly #cache: BlockCache;
  /** Pairs of position and bytes that the next batch will tell of. */
  #freed: number[] = [];
  /** Those that wait for the release besides. */
  #held: number[] = [];
  #told: FreedRuns[] = [];
  #waitingBlocks = 0;
  /** Bytes that batches under way are about to take of the disk. */
  #flyingBytes = 0;

  constructor(port: LayerPort, space: DataSpace, cache: BlockCache) {
    this.#port = port;
    this.#space = space;
    this.#cache = cache;
  }

  /** Bytes taken or promised. */
  get usedBytes(): number {
    const blocks = this.#space.taken - this.#waitingBlocks + this.#cache.growing;
    return blocks * BLOCK_BYTES + this.zeroBytes;
  }

  /** Bytes that may be taken besides. */
  get roomBytes(): number {
    const { limits, freeBytes } = this.#port;
    const used = this.usedBytes;
    const promised = this.#cache.growing * BLOCK_BYTES + this.zeroBytes + this.#flyingBytes;
    const room = Math.min(
      (limits.layerBytes ?? DATA_BYTES_MAX) - this.metadataBytes - used,
      freeBytes - DISK_RESERVE_BYTES - promised,
      DATA_BYTES_MAX - used,
    );
    return Math.max(0, room);
  }

  /** Blocks that were given up are on their way to be free. */
  get isClearing(): boolean {
    return this.#freed.length > 0 || this.#told.length > 0;
  }

  /** Something to be told of. */
  get hasFreed(): boolean {
    return this.#freed.length > 0;
  }

  /** A file gives up blocks from `position` on. */
  give(position: number, blocks: number): void {
    this.#waitingBlocks += blocks;
    const space = this.#space;
    if (!space.isHolding) {
      this.#freed.push(position, blocks * BLOCK_BYTES);
      return;
    }
    const end = position + blocks * BLOCK_BYTES;
    for (let at = position; at < end; ) {
      const start = at;
      const isYoung = space.mayChange(start);
      do at += BLOCK_BYTES;
      while (at < end && space.mayChange(at) === isYoung);
      (isYoung ? this.#freed : this.#held).push(start, at - start);
    }
  }

  /** A batch takes bytes of the disk. */
  fly(bytes: number): void {
    this.#flyingBytes += bytes;
  }

  /** What the batch `id` has to tell of. */
  tell(id: number): Float64Array {
    const runs = Float64Array.from(this.#freed);
    this.#freed = [];
    if (runs.length > 0) this.#told.push({ batch: id, runs });
    return runs;
  }

  /** They are taken. */
  landed(bytes: number): void {
    this.#flyingBytes -= bytes;
  }

  settled(id: number, durable: boolean): void {
    if (!durable) return;
    for (const { batch, runs } of this.#told) if (batch <= id) this.#free(runs);
    this.#told = this.#told.filter(({ batch }) => batch > id);
  }

  release(): void {
    for (const number of this.#held) this.#freed.push(number);
    this.#held = [];
  }

  #free(runs: Float64Array): void {
    for (let at = 0; at < runs.length; at += 2) {
      const blocks = runs[at + 1]! / BLOCK_BYTES;
      this.#space.free(runs[at]!, blocks);
      this.#waitingBlocks -= blocks;
    }
  }
}

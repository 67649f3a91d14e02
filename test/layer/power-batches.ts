/** Batches as a guest's writing would make them, the same for each seed, and what is to come of them. */

import type { LayerBatch } from "../../src/layer/batch.ts";
import { ExtentWriter, LAYER } from "../../src/layer/extent-code.ts";
import { noise } from "../store/temporary.ts";
import { inodeRow, NO_CHANGES } from "./layer-rows.ts";

export const BLOCK = 4096;
export const MEMORY_BYTES = 16 * BLOCK;

export interface PowerBatch {
  readonly batch: LayerBatch;
  /** The layer's memory while it is written. */
  readonly memory: Uint8Array;
}

/** What the layer shows after a batch. */
export interface PowerState {
  /** Positions of their blocks, by inode. */
  readonly files: ReadonlyMap<number, readonly number[]>;
}

/** Each batch makes a file, or overwrites blocks of some in place; some files are removed. */
export class PowerBatches {
  /** After each batch; the first is the empty layer. */
  readonly states: PowerState[] = [{ files: new Map() }];
  /** By position: what batches have written there, in order. */
  readonly blocks = new Map<number, { batch: number; bytes: Uint8Array }[]>();
  readonly durable: boolean[] = [true];
  #files = new Map<number, number[]>();
  /** Given up, and free once a durable batch has been written. */
  #freed: number[] = [];
  #free: number[] = [];
  #end = 0;
  #random: number;

  constructor(seed: number) {
    this.#random = (seed * 2_654_435_761) | 1;
  }

  next(): PowerBatch {
    const id = this.states.length;
    const memory = noise(MEMORY_BYTES, id * 7919 + 1);
    const durable = this.#below(3) > 0;
    const overwrites = this.#files.size > 3 && this.#below(2) === 0;
    const positions = overwrites ? this.#some() : this.#allocate(1 + this.#below(12));
    const removed = !overwrites && this.#files.size > 8 ? this.#remove() : [];
    const freed = removed.flatMap((inode) => this.#files.get(inode) ?? []);
    for (const inode of removed) this.#files.delete(inode);
    if (!overwrites) this.#files.set(id + 1, positions);
    for (const [index, at] of positions.entries()) this.#wrote(at, id, memory, index);
    this.#freed.push(...freed);
    if (durable) this.#free.push(...this.#freed.splice(0));
    this.states.push({ files: new Map(this.#files) });
    this.durable.push(durable);
    const batch: LayerBatch = {
      ...NO_CHANGES,
      id,
      durable,
      writes: Float64Array.from(positions.flatMap((at, index) => [index * BLOCK, BLOCK, at])),
      freed: Float64Array.from(freed.flatMap((at) => [at, BLOCK])),
      inodes: overwrites ? [inodeRow(this.#last(), { mtime: time(id) })] : [inodeRow(id + 1)],
      removedInodes: removed,
      pieces: overwrites ? [] : [{ inode: id + 1, piece: 0, extents: extents(positions) }],
      nextInode: id + 2,
    };
    return { batch, memory };
  }

  #wrote(position: number, batch: number, memory: Uint8Array, index: number): void {
    const bytes = memory.slice(index * BLOCK, (index + 1) * BLOCK);
    const before = this.blocks.get(position) ?? [];
    this.blocks.set(position, [...before, { batch, bytes }]);
  }

  #some(): number[] {
    const all = [...this.#files.values()].flat();
    const count = 1 + this.#below(6);
    return [...new Set(Array.from({ length: count }, () => all[this.#below(all.length)]!))];
  }

  #allocate(count: number): number[] {
    return Array.from({ length: count }, () => {
      const reused = this.#free.shift();
      if (reused !== undefined) return reused;
      this.#end += BLOCK;
      return this.#end - BLOCK;
    });
  }

  #remove(): number[] {
    const inodes = [...this.#files.keys()];
    return [inodes[this.#below(inodes.length)]!];
  }

  #last(): number {
    return [...this.#files.keys()].at(-1)!;
  }

  #below(bound: number): number {
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return (this.#random >>> 0) % bound;
  }
}

function time(seconds: number): { seconds: number; nanoseconds: number } {
  return { seconds, nanoseconds: 0 };
}

function extents(positions: readonly number[]): Uint8Array {
  const writer = new ExtentWriter();
  writer.begin();
  for (const [index, at] of positions.entries()) writer.add(index * BLOCK, BLOCK, LAYER, at);
  return writer.finish();
}

/**
 * The inodes in memory, by nodeid and by the layer's id. A nodeid is slot + generation × 2^32; a
 * slot's generation rises whenever its inode goes, so that a nodeid of an earlier one is recognised.
 */
import { getHeapStatistics } from "node:v8";
import { assert } from "../../base/assert.ts";
import type { NodeId } from "../../base/brands.ts";
import { scramble } from "../byte-range.ts";
import { MAX_GENERATION } from "../inode-table.ts";
import { Inode, NO_ID } from "./inode.ts";

const GENERATION_UNIT = 2 ** 32;

/** FUSE fixes the root's nodeid. */
const ROOT_SLOT = 1;

/** Inodes in memory at one time, by default. */
export const NODES_MAX = 1 << 21;

/** Of V8's memory that each is reckoned with; they take 600 to 850, and half of it is left to others. */
const NODE_BYTES = 2048;

/** Inodes for which V8 has memory in this thread. */
export function nodesMax(): number {
  return Math.floor(getHeapStatistics().heap_size_limit / NODE_BYTES);
}

export class InodeSet {
  readonly root: Inode;
  readonly #maxInodes: number;
  readonly #bySlot: (Inode | undefined)[] = [];
  /** By slot: of the inode in it, or of the next one. */
  readonly #generations: number[] = [];
  readonly #freeSlots: number[] = [];
  readonly #byId = new Map<number, Inode>();
  readonly #firstGeneration: number;
  readonly #seed: number;
  #salts = 0;
  #count = 1;

  /** `firstGeneration`: a random one makes nodeids of an earlier daemon unknown. `seed`: 32 bits. */
  constructor(maxInodes: number, firstGeneration: number, seed: number) {
    assert(firstGeneration >= 1 && firstGeneration <= MAX_GENERATION, "generations are 21 bits");
    this.#maxInodes = maxInodes;
    this.#firstGeneration = firstGeneration;
    this.#seed = seed;
    this.root = new Inode(ROOT_SLOT as NodeId, this.#salt());
    this.#bySlot.push(undefined, this.root);
    this.#generations.push(0, 0);
  }

  get count(): number {
    return this.#count;
  }

  /** The inode that the kernel knows by this nodeid. */
  get(node: NodeId): Inode | undefined {
    const inode = this.#bySlot[node >>> 0];
    return inode !== undefined && inode.nodeid === node && !inode.gone ? inode : undefined;
  }

  byId(id: number): Inode | undefined {
    return this.#byId.get(id);
  }

  /** A new inode, of which nothing is set but its nodeid; undefined: there are too many. */
  take(): Inode | undefined {
    const slot = this.#freeSlots.pop() ?? this.#extend();
    if (slot === 0) return undefined;
    this.#count += 1;
    const nodeid = slot + (this.#generations[slot] as number) * GENERATION_UNIT;
    const inode = new Inode(nodeid as NodeId, this.#salt());
    this.#bySlot[slot] = inode;
    return inode;
  }

  /** From now on the layer knows this inode by `id`. */
  setId(inode: Inode, id: number): void {
    inode.id = id;
    this.#byId.set(id, inode);
  }

  drop(inode: Inode): void {
    const slot = inode.nodeid >>> 0;
    assert(slot !== ROOT_SLOT && this.#bySlot[slot] === inode, "only what is there is dropped");
    this.#bySlot[slot] = undefined;
    if (inode.id !== NO_ID) this.#byId.delete(inode.id);
    this.#count -= 1;
    const generation = (this.#generations[slot] as number) + 1;
    if (generation > MAX_GENERATION) return;
    this.#generations[slot] = generation;
    this.#freeSlots.push(slot);
  }

  /** Every nodeid but the root's becomes another. */
  renumber(): void {
    for (let slot = ROOT_SLOT + 1; slot < this.#bySlot.length; slot++) {
      const inode = this.#bySlot[slot];
      if (inode === undefined) continue;
      const generation = Math.min((this.#generations[slot] as number) + 1, MAX_GENERATION);
      this.#generations[slot] = generation;
      inode.nodeid = (slot + generation * GENERATION_UNIT) as NodeId;
    }
  }

  /** All inodes but the root; those that go meanwhile may be left out. */
  *all(): Iterable<Inode> {
    for (let slot = ROOT_SLOT + 1; slot < this.#bySlot.length; slot++) {
      const inode = this.#bySlot[slot];
      if (inode !== undefined) yield inode;
    }
  }

  #extend(): number {
    if (this.#count >= this.#maxInodes) return 0;
    this.#bySlot.push(undefined);
    this.#generations.push(this.#firstGeneration);
    return this.#bySlot.length - 1;
  }

  #salt(): number {
    this.#salts += 1;
    return scramble(this.#salts ^ this.#seed) | 0;
  }
}

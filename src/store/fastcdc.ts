/**
 * Content-defined chunking: FastCDC as its 2020 paper has it (rolling two bytes a step, normalised
 * chunking of level 1), with the sizes that snix uses, so that equal contents have equal chunks
 * there and here. A cut depends on the bytes around it only: an insertion moves few chunks.
 */
import { createHash } from "node:crypto";
import {
  CUT_DATA_AT,
  cutModule,
  GEAR_AT,
  SHIFTED_GEAR_AT,
  WASM_PAGE_BYTES,
} from "./fastcdc-module.ts";

export const CHUNK_BYTES_AVERAGE = 256 * 1024;
/** No chunk is shorter, but the last of a blob. */
export const CHUNK_BYTES_MIN = CHUNK_BYTES_AVERAGE / 2;
export const CHUNK_BYTES_MAX = CHUNK_BYTES_AVERAGE * 2;

// Masks of the paper for 512 KiB and 128 KiB: one step above and below the average. Before the
// average size a cut is made harder than after it, which evens out the sizes.
const HARD_MASK = 0x0000_d917_0753_7000n;
const EASY_MASK = 0x0000_d907_0353_7000n;

type Cut = (at: number, centre: number, limit: number, none: number) => number;

/** What is used of WebAssembly: the compiler's library knows it as a part of browsers only. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number; shared: true }) => CutMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { castorefs: { memory: CutMemory } },
  ) => { readonly exports: { readonly cut: Cut } };
};

/** Memory whose bytes a Cutter finds cuts in. Can be posted to other threads, which then share it. */
export interface CutMemory {
  /** The gear tables, and from CUT_DATA_AT on room for data. */
  readonly buffer: SharedArrayBuffer;
}

/** A memory with room for `bytes` of data from CUT_DATA_AT on. */
export function createCutMemory(bytes: number): CutMemory {
  const initial = Math.ceil((CUT_DATA_AT + bytes) / WASM_PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial, maximum: initial, shared: true });
  const view = new DataView(memory.buffer);
  for (let value = 0; value < 256; value += 1) {
    // An entry is the first eight bytes, big-endian, of the MD5 of 64 times the value.
    const digest = createHash("md5").update(Buffer.alloc(64, value)).digest();
    const entry = digest.readBigUInt64BE(0);
    view.setBigUint64(GEAR_AT + 8 * value, entry, true);
    view.setBigUint64(SHIFTED_GEAR_AT + 8 * value, entry << 1n, true);
  }
  return memory;
}

/** Finds cuts in a memory. Each thread has one of its own. */
export class Cutter {
  readonly #cut: Cut;

  constructor(memory: CutMemory) {
    const module = new WebAssembly.Module(cutModule(HARD_MASK, EASY_MASK));
    this.#cut = new WebAssembly.Instance(module, { castorefs: { memory } }).exports.cut;
  }

  /**
   * The length of the first chunk of the memory's bytes `[start, end)`. The answer is final when
   * CHUNK_BYTES_MAX bytes are there or the blob ends at `end`. The first CHUNK_BYTES_MIN of them
   * are not looked at.
   */
  firstChunkLength(start: number, end: number): number {
    const available = end - start;
    if (available <= CHUNK_BYTES_MIN) return available;
    const limit = Math.min(available, CHUNK_BYTES_MAX);
    const centre = Math.min(available, CHUNK_BYTES_AVERAGE);
    // Whole steps of two bytes only: of an odd number of bytes the last is not looked at.
    return (
      this.#cut(
        start + CHUNK_BYTES_MIN,
        start + (centre & ~1),
        start + (limit & ~1),
        start + limit,
      ) - start
    );
  }
}

interface Scratch {
  readonly bytes: Uint8Array;
  readonly cutter: Cutter;
}

let scratch: Scratch | undefined;

/** As `Cutter.firstChunkLength`, for `bytes[start, end)` anywhere: costs a copy. */
export function firstChunkLength(bytes: Uint8Array, start: number, end: number): number {
  const available = end - start;
  if (available <= CHUNK_BYTES_MIN) return available;
  scratch ??= createScratch();
  const length = Math.min(available, CHUNK_BYTES_MAX);
  scratch.bytes.set(bytes.subarray(start + CHUNK_BYTES_MIN, start + length), CHUNK_BYTES_MIN);
  return scratch.cutter.firstChunkLength(CUT_DATA_AT, CUT_DATA_AT + length);
}

function createScratch(): Scratch {
  const memory = createCutMemory(CHUNK_BYTES_MAX);
  return { bytes: new Uint8Array(memory.buffer, CUT_DATA_AT), cutter: new Cutter(memory) };
}

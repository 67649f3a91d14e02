/**
 * What the machine copies: 128 KiB at a time between 64 MiB of a mapped file and guest pages of 4 KiB,
 * by the daemon's own native copy, and beside it the system call that peers make. A daemon answers no
 * more large requests than these copies let it, whatever it does besides.
 */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MappedFile, mapFile, NativeBlock, NativeCopy, SharedMemory } from "node-vhost-user";
import { BIG_BYTES, seededBytes } from "../bench-tree.ts";
import { type MicroResult, stopwatch } from "./stopwatch.ts";

const REQUEST_BYTES = 128 << 10;
const PAGE = 4096;
const PAGES = REQUEST_BYTES / PAGE;
const SLOTS = 16;
/** Fits the caches of many processors. */
const HOT_BYTES = 8 << 20;

export function copies(): MicroResult[] {
  const folder = mkdtempSync(join(tmpdir(), "castorefs-copies-"));
  const path = join(folder, "segment");
  writeFileSync(path, seededBytes(1, BIG_BYTES));
  const fd = openSync(path, "r+");
  try {
    using mapped = mapFile(path, BIG_BYTES);
    using guest = SharedMemory.create(SLOTS * REQUEST_BYTES);
    using memory = new NativeBlock(BIG_BYTES);
    new Uint8Array(memory.buffer).fill(1);
    using native = new NativeCopy();
    const table = new CopyTable(native, guest);
    const call = (name: string, span: number, request: (slot: number, at: number) => void) =>
      overSpan(`128 KiB of ${span >> 20} MiB, ${name}`, span, request);
    const copyOut =
      (source: MappedFile | NativeBlock, streaming: boolean) => (slot: number, at: number) =>
        table.out(slot, source.address + at, streaming);
    return [
      call("mapped file to guest pages", BIG_BYTES, copyOut(mapped, false)),
      call("the same past the caches", BIG_BYTES, copyOut(mapped, true)),
      call("mapped file to guest pages", HOT_BYTES, copyOut(mapped, false)),
      call("pread(2) into guest memory", BIG_BYTES, (slot, at) => {
        readSync(fd, guest.bytes, slot * REQUEST_BYTES, REQUEST_BYTES, at);
      }),
      call("guest pages to memory", BIG_BYTES, (slot, at) => {
        table.in(slot, memory.address + at, false);
      }),
      call("the same past the caches", BIG_BYTES, (slot, at) => {
        table.in(slot, memory.address + at, true);
      }),
      call("pwrite(2) out of guest memory", BIG_BYTES, (slot, at) => {
        writeSync(fd, guest.bytes, slot * REQUEST_BYTES, REQUEST_BYTES, at);
      }),
    ];
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

/** Copies of one request, page by page, the pages of a slot in descending order. */
class CopyTable {
  readonly #native: NativeCopy;
  readonly #guest: number;

  constructor(native: NativeCopy, guest: SharedMemory) {
    this.#native = native;
    this.#guest = guest.address;
  }

  out(slot: number, source: number, streaming: boolean): void {
    const { copies: table } = this.#native;
    for (let page = 0; page < PAGES; page++) {
      table[3 * page] = source + page * PAGE;
      table[3 * page + 1] = this.#page(slot, page);
      table[3 * page + 2] = PAGE;
    }
    this.#native.run(0, PAGES, streaming);
  }

  in(slot: number, target: number, streaming: boolean): void {
    const { copies: table } = this.#native;
    for (let page = 0; page < PAGES; page++) {
      table[3 * page] = this.#page(slot, page);
      table[3 * page + 1] = target + page * PAGE;
      table[3 * page + 2] = PAGE;
    }
    this.#native.run(0, PAGES, streaming);
  }

  #page(slot: number, page: number): number {
    return this.#guest + slot * REQUEST_BYTES + (PAGES - 1 - page) * PAGE;
  }
}

/** Requests one after another over `span` bytes, each from another slot. */
function overSpan(
  name: string,
  span: number,
  request: (slot: number, at: number) => void,
): MicroResult {
  let at = 0;
  let slot = 0;
  return stopwatch(name, (steps) => {
    for (let i = 0; i < steps; i++) {
      request(slot, at);
      slot = (slot + 1) % SLOTS;
      at = (at + REQUEST_BYTES) % span;
    }
  });
}

/**
 * The layer under LayerContents: a data file, rows and a base in memory, where batches are written,
 * committed and settled when the test says so, and where all can be lost but what is on the disk.
 */
import type { HostAddress } from "../../../src/base/brands.ts";
import { EIO } from "../../../src/base/errno.ts";
import { MISSING } from "../../../src/base/missing.ts";
import type { ByteSink } from "../../../src/base/segments.ts";
import { LayerContents } from "../../../src/fs/writable/layer-contents.ts";
import type { ByteSource } from "../../../src/fuse/modifications.ts";
import type { Base } from "../../../src/layer/extent-code.ts";
import type { LayerLimits, LayerPort } from "../../../src/layer/layer-port.ts";
import type { PieceRow } from "../../../src/layer/rows.ts";
import type { BlobReader } from "../../../src/store/local-reader.ts";

/** Addresses of the data file and of the base's blobs, in a process that there is not. */
const DATA_ADDRESS = 2 ** 40;
const BLOB_ADDRESS = 2 ** 45;
const BLOB_SPACING = 2 ** 32;
const PAGE_BYTES = 4096;
/** What a position holds that was freed and punched out: nobody should see it. */
const POISON = 0xee;

interface Batch {
  readonly id: number;
  readonly durable: boolean;
  readonly writes: Float64Array;
  readonly freed: Float64Array;
  readonly pieces: PieceRow[];
  /** What the test wants to remember with the batch. */
  readonly note: unknown;
}

export class ContentsRig {
  readonly memory: Uint8Array;
  readonly blobs: { base: Base; bytes: Uint8Array }[] = [];
  /** A blob that is asked for is MISSING so many times before it is there. */
  absences = 0;
  limits: LayerLimits = { layerBytes: undefined, memoryBytes: 0 };
  freeBytes = 2 ** 40;
  /** Rows that are committed, by inode and piece. */
  rows = new Map<number, Map<number, Uint8Array>>();
  contents: LayerContents;
  #pages = new Map<number, Uint8Array>();
  #submitted: Batch[] = [];
  #written: Batch[] = [];
  #committed: Batch[] = [];
  /** Freed ranges that no durable batch has followed yet. */
  #toPunch: Float64Array[] = [];
  #nextBatch = 1;

  constructor(blobSizes: readonly number[] = [], memoryBytes = 16 * 1024 * 1024) {
    this.memory = new Uint8Array(memoryBytes);
    blobSizes.forEach((size, index) => {
      const bytes = new Uint8Array(size).map((_, i) => 1 + ((i * 7 + (i >> 8) + index * 31) % 255));
      this.blobs.push({ base: { digest: new Uint8Array(32).fill(index + 1), size }, bytes });
    });
    this.contents = this.#open();
  }

  /** All that is not on the disk is gone. */
  crash(): void {
    this.#submitted = [];
    this.#written = [];
    this.#committed = [];
    this.#toPunch = [];
    this.contents = this.#open();
  }

  pieces(inode: number): PieceRow[] {
    const rows = [...(this.rows.get(inode) ?? [])];
    return rows.sort(([a], [b]) => a - b).map(([piece, extents]) => ({ inode, piece, extents }));
  }

  collect(durable: boolean, note: unknown): void {
    const id = this.#nextBatch++;
    this.#submitted.push({ id, durable, note, ...this.contents.collect(id) });
  }

  /** A batch of bytes only, of `most` blocks. */
  collectBlocks(most: number, note: unknown): void {
    const id = this.#nextBatch++;
    const writes = this.contents.collectBlocks(id, most);
    const freed = new Float64Array(0);
    this.#submitted.push({ id, durable: false, note, writes, freed, pieces: [] });
  }

  get batchesUnderWay(): number {
    return this.#submitted.length + this.#written.length + this.#committed.length;
  }

  /** The next batch's data reaches the file. Its note. */
  writeNext(): unknown {
    const batch = this.#submitted.shift();
    if (batch === undefined) return undefined;
    for (let at = 0; at < batch.writes.length; at += 3) {
      const [from, bytes, position] = batch.writes.subarray(at, at + 3) as unknown as number[];
      this.writeData(position!, this.memory.subarray(from!, from! + bytes!));
    }
    this.#written.push(batch);
    return batch.note;
  }

  /** The rows of the next batch whose data is written reach the database. Its note. */
  commitNext(): unknown {
    const batch = this.#written.shift();
    if (batch === undefined) return undefined;
    for (const { inode, piece, extents } of batch.pieces) {
      const rows = this.rows.get(inode) ?? new Map<number, Uint8Array>();
      if (extents === undefined) rows.delete(piece);
      else rows.set(piece, extents);
      this.rows.set(inode, rows);
    }
    this.#toPunch.push(batch.freed);
    if (batch.durable) this.#punch();
    this.#committed.push(batch);
    return batch.note;
  }

  settleNext(): void {
    const batch = this.#committed.shift();
    if (batch !== undefined) this.contents.settled(batch.id, batch.durable, 0);
  }

  writeData(position: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      this.#pages.set((position + at) / PAGE_BYTES, bytes.slice(at, at + PAGE_BYTES));
    }
  }

  /** The bytes at an address that was given to a sink. */
  mapped(address: number, length: number): Uint8Array {
    if (address >= BLOB_ADDRESS) {
      const blob = this.blobs[Math.floor((address - BLOB_ADDRESS) / BLOB_SPACING)]!;
      const start = (address - BLOB_ADDRESS) % BLOB_SPACING;
      return blob.bytes.subarray(start, start + length);
    }
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const position = address - DATA_ADDRESS + at;
      const page = this.#pages.get(Math.floor(position / PAGE_BYTES)) ?? new Uint8Array(PAGE_BYTES);
      const within = position % PAGE_BYTES;
      const part = page.subarray(within, within + length - at);
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  sink(): ListSink {
    return new ListSink(this);
  }

  openBlob(digest: Uint8Array): BlobReader | number {
    const index = digest[0]! - 1;
    const blob = this.blobs[index];
    if (blob === undefined) return -EIO;
    const read = (offset: number, length: number, sink: ByteSink): number => {
      if (this.absences > 0) {
        this.absences -= 1;
        return MISSING;
      }
      const address = BLOB_ADDRESS + index * BLOB_SPACING + offset;
      return sink.appendMapped(address as HostAddress, length);
    };
    return { size: blob.base.size, read };
  }

  #punch(): void {
    for (const freed of this.#toPunch) {
      for (let at = 0; at < freed.length; at += 2) {
        this.writeData(freed[at]!, new Uint8Array(freed[at + 1]!).fill(POISON));
      }
    }
    this.#toPunch = [];
  }

  #open(): LayerContents {
    const rig = this;
    const port: LayerPort = {
      reader: {
        nextInode: 2,
        inode: () => undefined,
        entries: () => [],
        xattrs: () => [],
        pieces: (inode) => this.pieces(inode),
        allPieces: () => [...this.rows.keys()].flatMap((inode) => this.pieces(inode)),
      },
      data: { address: (position) => DATA_ADDRESS + position },
      memory: {
        bytes: this.memory,
        copyMapped: (source, offset, length) => {
          this.memory.set(this.mapped(source, length), offset);
          return 0;
        },
      },
      get limits() {
        return rig.limits;
      },
      get freeBytes() {
        return rig.freeBytes;
      },
      metadataBytes: 0,
      submit: () => {},
      held: () => {},
      take: () => {},
    };
    return new LayerContents(port, (digest) => this.openBlob(digest));
  }
}

/** Collects what is read. */
export class ListSink implements ByteSink {
  readonly #rig: ContentsRig;
  readonly #parts: Uint8Array[] = [];

  constructor(rig: ContentsRig) {
    this.#rig = rig;
  }

  append(source: Uint8Array, start: number, length: number): number {
    this.#parts.push(source.slice(start, start + length));
    return 0;
  }

  appendMapped(source: HostAddress, length: number): number {
    this.#parts.push(this.#rig.mapped(source, length).slice());
    return 0;
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

export function sourceOf(bytes: Uint8Array): ByteSource {
  return {
    length: bytes.length,
    copy: (offset, target, start, length) => {
      const part = bytes.subarray(offset, offset + length);
      target.set(part, start);
      return part.length;
    },
  };
}

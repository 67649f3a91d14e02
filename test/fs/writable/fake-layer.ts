/**
 * A layer in memory, behind the port that a file system has: batches wait until the test settles
 * them, and a crash loses those that it has not.
 */
import type { HostAddress } from "../../../src/base/brands.ts";
import type { LayerBatch } from "../../../src/layer/batch.ts";
import type {
  LayerEvents,
  LayerLimits,
  LayerPort,
  LayerReader,
} from "../../../src/layer/layer-port.ts";
import type { EntryRow, InodeRow, PieceRow, XattrRow } from "../../../src/layer/rows.ts";

/** Addresses of the data file, in a process that there is not. */
const DATA_ADDRESS = 2 ** 40;
const PAGE_BYTES = 4096;

function keyOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

/** What is on the disk of a layer. */
export class FakeLayerDisk {
  readonly inodes = new Map<number, InodeRow>();
  readonly entries = new Map<number, Map<string, EntryRow>>();
  readonly xattrs = new Map<number, Map<string, XattrRow>>();
  readonly pieces = new Map<number, Map<number, PieceRow>>();
  readonly pages = new Map<number, Uint8Array>();
  nextInode = 2;

  apply(batch: LayerBatch): void {
    for (const id of batch.removedInodes) this.removeInode(id);
    for (const { parent, name } of batch.removedEntries) {
      this.entries.get(parent)?.delete(keyOf(name));
    }
    for (const row of batch.inodes) this.inodes.set(row.id, row);
    for (const row of batch.entries) rowsOf(this.entries, row.parent).set(keyOf(row.name), row);
    for (const row of batch.xattrs) {
      const rows = rowsOf(this.xattrs, row.inode);
      if (row.value === undefined) rows.delete(keyOf(row.name));
      else rows.set(keyOf(row.name), row);
    }
    for (const row of batch.pieces) {
      const rows = rowsOf(this.pieces, row.inode);
      if (row.extents === undefined) rows.delete(row.piece);
      else rows.set(row.piece, row);
    }
    this.nextInode = batch.nextInode;
  }

  removeInode(id: number): void {
    this.inodes.delete(id);
    this.xattrs.delete(id);
    this.pieces.delete(id);
  }

  /** What a start does: inodes without a name are gone. */
  recover(): void {
    for (const { id, links } of [...this.inodes.values()]) if (links === 0) this.removeInode(id);
  }

  write(position: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      this.pages.set((position + at) / PAGE_BYTES, bytes.slice(at, at + PAGE_BYTES));
    }
  }

  read(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const page = this.pages.get(Math.floor((position + at) / PAGE_BYTES));
      const within = (position + at) % PAGE_BYTES;
      const part = (page ?? new Uint8Array(PAGE_BYTES)).subarray(within, within + length - at);
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}

function rowsOf<Key, Row>(tables: Map<number, Map<Key, Row>>, id: number): Map<Key, Row> {
  const rows = tables.get(id) ?? new Map<Key, Row>();
  tables.set(id, rows);
  return rows;
}

type LayerEvent = (events: LayerEvents) => void;

export class FakeLayer implements LayerPort {
  readonly disk: FakeLayerDisk;
  readonly reader: LayerReader;
  readonly data = { address: (position: number) => DATA_ADDRESS + position };
  readonly memory;
  limits: LayerLimits = { layerBytes: undefined, memoryBytes: 0 };
  freeBytes = 2 ** 40;
  metadataBytes = 0;
  /** Not settled yet. */
  readonly batches: LayerBatch[] = [];
  /** How often "hold" was answered. */
  helds = 0;
  /** The next batch to be settled fails with this errno, and all after it. */
  errno = 0;
  readonly #events: LayerEvent[] = [];
  #lastSettled = 0;

  constructor(disk = new FakeLayerDisk(), memoryBytes = 8 * 1024 * 1024) {
    disk.recover();
    this.disk = disk;
    const bytes = new Uint8Array(memoryBytes);
    this.memory = {
      bytes,
      copyMapped: (source: HostAddress, offset: number, length: number) => {
        bytes.set(this.mapped(source, length), offset);
        return 0;
      },
    };
    this.reader = {
      get nextInode() {
        return disk.nextInode;
      },
      inode: (id) => disk.inodes.get(id),
      entries: (parent) =>
        [...(disk.entries.get(parent)?.values() ?? [])].sort((a, b) => a.position - b.position),
      xattrs: (inode) => [...(disk.xattrs.get(inode)?.values() ?? [])],
      pieces: (inode) =>
        [...(disk.pieces.get(inode)?.values() ?? [])].sort((a, b) => a.piece - b.piece),
      allPieces: () => [...disk.pieces.values()].flatMap((rows) => [...rows.values()]),
    };
  }

  /** The bytes at an address that was given to a sink. */
  mapped(address: number, length: number): Uint8Array {
    return this.disk.read(address - DATA_ADDRESS, length);
  }

  submit(batch: LayerBatch): void {
    this.batches.push(batch);
  }

  held(): void {
    this.helds += 1;
    const id = this.#lastSettled;
    this.#events.push((events) => events.settled(id, true, 0));
  }

  hold(): void {
    this.#events.push((events) => events.hold());
  }

  release(): void {
    this.#events.push((events) => events.release());
  }

  take(events: LayerEvents): void {
    for (const event of this.#events.splice(0)) event(events);
  }

  /** Writes and settles the oldest batch. The file system hears of it with `layerChanged`. */
  settleNext(): LayerBatch | undefined {
    const batch = this.batches.shift();
    if (batch === undefined) return undefined;
    const { id, durable, writes } = batch;
    const { errno } = this;
    if (errno === 0) {
      for (let at = 0; at < writes.length; at += 3) {
        const [from, bytes, position] = writes.subarray(at, at + 3) as unknown as number[];
        this.disk.write(position!, this.memory.bytes.subarray(from!, from! + bytes!));
      }
      // What a message carries is a copy.
      this.disk.apply(structuredClone(batch));
    }
    this.#lastSettled = id;
    this.#events.push((events) => events.settled(id, durable, errno));
    return batch;
  }
}

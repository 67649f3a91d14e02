/**
 * Checks what always holds of a store on disk, with queries of its own: every row names bytes that
 * have its digest and that nobody else's row overlaps; what is whole, is.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "vitest";
import { blake3, createHasher } from "../../src/castore/blake3.ts";
import type { Node } from "../../src/castore/node.ts";
import { decodeDirectory, decodeEntry } from "../../src/castore/proto.ts";
import { unpackChunks } from "../../src/store/chunk-list.ts";

interface ObjectRow {
  readonly kind: number;
  readonly digest: Uint8Array;
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
  readonly whole: number;
}

interface BlobRow {
  readonly digest: Uint8Array;
  readonly size: number;
  readonly chunks: Uint8Array;
  readonly whole: number;
}

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly whole: boolean;
}

/** What a store holds, by the hexadecimal digest. */
export interface CheckedStore {
  readonly chunks: ReadonlyMap<string, StoredObject>;
  readonly directories: ReadonlyMap<string, StoredObject>;
  /** Of several chunks: the size of each that is whole, undefined for one that is not. */
  readonly blobs: ReadonlyMap<string, number | undefined>;
  /** How many objects and blobs there are. */
  readonly size: number;
}

export function checkStore(folder: string): CheckedStore {
  const database = new DatabaseSync(join(folder, "index.sqlite"), { readOnly: true });
  try {
    // One snapshot for all, whatever is being written meanwhile.
    database.exec("BEGIN");
    const rows = database
      .prepare("SELECT * FROM objects ORDER BY segment, offset, length")
      .all() as unknown as ObjectRow[];
    const [chunks, directories] = readObjects(folder, rows, segmentLengths(database));
    const blobs = checkBlobs(
      database.prepare("SELECT * FROM blobs").all() as unknown as BlobRow[],
      chunks,
    );
    const store = {
      chunks,
      directories,
      blobs,
      size: chunks.size + directories.size + blobs.size,
    };
    for (const { bytes, whole } of directories.values()) {
      for (const { node } of decodeDirectory(bytes).entries) if (whole) checkWhole(store, node);
    }
    for (const { entry } of database.prepare("SELECT entry FROM roots").all()) {
      checkWhole(store, decodeEntry(entry as Uint8Array).node);
    }
    return store;
  } finally {
    database.close();
  }
}

function segmentLengths(database: DatabaseSync): Map<number, number> {
  const rows = database.prepare("SELECT id, length FROM segments").all();
  return new Map(rows.map(({ id, length }) => [Number(id), Number(length)]));
}

/** Chunks and directories. */
function readObjects(
  folder: string,
  rows: readonly ObjectRow[],
  lengths: ReadonlyMap<number, number>,
): [Map<string, StoredObject>, Map<string, StoredObject>] {
  const byKind: [Map<string, StoredObject>, Map<string, StoredObject>] = [new Map(), new Map()];
  let segment = 0;
  let end = 0;
  let file = Buffer.alloc(0);
  for (const row of rows) {
    if (row.segment !== segment) {
      segment = row.segment;
      end = 0;
      const name = `${String(segment).padStart(8, "0")}.seg`;
      file = readFileSync(join(folder, "segments", name));
    }
    expect(row.offset, "two objects overlap").toBeGreaterThanOrEqual(end);
    end = row.offset + row.length;
    expect(end, "an object lies beyond its segment").toBeLessThanOrEqual(lengths.get(segment)!);
    const bytes = file.subarray(row.offset, end);
    const hex = Buffer.from(row.digest).toString("hex");
    expect(blake3(bytes).hex).toBe(hex);
    byKind[row.kind as 0 | 1].set(hex, { bytes, whole: row.whole === 1 });
  }
  return byKind;
}

function checkBlobs(
  rows: readonly BlobRow[],
  stored: ReadonlyMap<string, StoredObject>,
): Map<string, number | undefined> {
  const blobs = new Map<string, number | undefined>();
  for (const { digest, size, chunks, whole } of rows) {
    const hex = Buffer.from(digest).toString("hex");
    blobs.set(hex, whole === 1 ? size : undefined);
    if (whole !== 1) continue;
    const hasher = createHasher();
    for (const chunk of unpackChunks(chunks)) {
      const bytes = stored.get(chunk.digest.hex)?.bytes;
      expect(bytes?.length, "a chunk of a whole blob").toBe(chunk.size);
      hasher.update(bytes!);
    }
    expect(hasher.digest().hex).toBe(hex);
  }
  return blobs;
}

/** What `node` names is there, and whole. */
function checkWhole({ chunks, directories, blobs }: CheckedStore, node: Node): void {
  if (node.kind === "symlink") return;
  const { hex } = node.digest;
  if (node.kind === "directory") {
    expect(directories.get(hex)?.whole, `directory ${hex}`).toBe(true);
  } else {
    expect(chunks.get(hex)?.bytes.length ?? blobs.get(hex), `blob ${hex}`).toBe(node.size);
  }
}

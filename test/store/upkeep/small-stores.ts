/**
 * Stores with little segments and batches, trees for them, and what an index holds. Knows nothing
 * of the test runner: processes that are started by tests use it, too.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Digest } from "../../../src/castore/digest.ts";
import { Directory, type DirectoryEntry } from "../../../src/castore/directory.ts";
import { parseName } from "../../../src/castore/name.ts";
import { type DirectoryNode, fileNode, type Node, symlinkNode } from "../../../src/castore/node.ts";
import type { DiskStore } from "../../../src/store/disk-store.ts";
import { openDiskStore } from "../../../src/store/disk-store.ts";
import type { Store } from "../../../src/store/services.ts";
import type { StoreWriter } from "../../../src/store/store-writer.ts";
import { walkTree } from "../../../src/store/tree-walk.ts";

export const SMALL = { segmentBytesMax: 900_000, batchBytesMax: 300_000, batchObjectsMax: 40 };

/** A tree in a test: file contents by their length and seed, folders, links. */
export type Shape =
  | { readonly bytes: number; readonly seed: number; readonly executable?: boolean }
  | { readonly target: string }
  | { readonly [name: string]: Shape };

export function openSmall(folder: string): DiskStore {
  return openDiskStore(folder, { ...SMALL, create: true });
}

/** Bytes that look random and are the same everywhere. */
export function contents({ bytes, seed }: { bytes: number; seed: number }): Uint8Array {
  const hash = createHash("shake256", { outputLength: Math.max(1, bytes) });
  return Uint8Array.from(hash.update(`${seed}`).digest().subarray(0, bytes));
}

/** Stores a tree; returns its node. */
export function put(writer: StoreWriter, shape: Shape): Node {
  if (isFile(shape)) {
    const { digest, size } = writer.putBlob(contents(shape));
    return fileNode(digest, size, shape.executable ?? false);
  }
  if (isLink(shape)) return symlinkNode(shape.target);
  const entries: DirectoryEntry[] = Object.entries(shape).map(([name, child]) => ({
    name: parseName(name),
    node: put(writer, child),
  }));
  return writer.putDirectory(Directory.of(entries));
}

/** Stores a tree under a name. */
export async function putRoot(store: Store, name: string, shape: Shape): Promise<DirectoryNode> {
  using writer = await store.openWriter();
  const node = put(writer, shape);
  writer.putRoot(parseName(name), node);
  return node as DirectoryNode;
}

/** The digests of everything below these nodes, themselves included: of objects and of blobs. */
export async function reachable(store: Store, nodes: readonly Node[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (const root of nodes) {
    for await (const { node } of walkTree(store.directories, root)) {
      if (node.kind === "directory") found.add(`directory ${node.digest.hex}`);
      if (node.kind !== "file") continue;
      const { chunks } = (await store.blobs.stat(node.digest))!;
      if (chunks.length > 1) found.add(`blob ${node.digest.hex}`);
      for (const { digest } of chunks) found.add(`chunk ${digest.hex}`);
    }
  }
  return found;
}

/** The digests of all rows in the index. */
export function stored(folder: string): Set<string> {
  return query(folder, (database) => {
    const objects = database.prepare("SELECT kind, digest FROM objects").all();
    const blobs = database.prepare("SELECT digest FROM blobs").all();
    return new Set([
      ...objects.map(({ kind, digest }) => `${kind === 0 ? "chunk" : "directory"} ${hex(digest)}`),
      ...blobs.map(({ digest }) => `blob ${hex(digest)}`),
    ]);
  });
}

/** Changes the index behind the back of everybody. */
export function changeIndex(
  folder: string,
  sql: string,
  ...values: (Uint8Array | number)[]
): number {
  return query(folder, (database) => Number(database.prepare(sql).run(...values).changes));
}

export function query<T>(folder: string, use: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(join(folder, "index.sqlite"), { timeout: 5000 });
  try {
    return use(database);
  } finally {
    database.close();
  }
}

function hex(digest: unknown): string {
  return Digest.from(digest as Uint8Array).hex;
}

function isFile(shape: Shape): shape is Extract<Shape, { seed: number }> {
  return typeof shape["seed" as keyof Shape] === "number";
}

function isLink(shape: Shape): shape is Extract<Shape, { target: string }> {
  return typeof shape["target" as keyof Shape] === "string";
}

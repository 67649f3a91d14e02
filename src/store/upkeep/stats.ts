/** Figures about a store on disk as a whole. */
import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { openIndex, prepareRows } from "../disk-index.ts";
import { indexPath, OBJECT_CHUNK, OBJECT_DIRECTORY, segmentPath } from "../disk-layout.ts";
import { CorruptObject, MissingObject } from "../errors.ts";
import { RootTable } from "../root-table.ts";
import { indexFailure } from "../sqlite-failure.ts";
import { measureUsage } from "./disk-usage.ts";
import { collectGarbage } from "./gc.ts";
import { liveLeases } from "./lease-list.ts";
import { fileBytes } from "./segment-plan.ts";

export interface ObjectStats {
  readonly count: number;
  readonly bytes: number;
  /** Of `count`: fetched while parts below are still elsewhere. */
  readonly partial: number;
}

/** What only a way through all trees tells. */
export interface TreeStats {
  /** Of all files that roots show, under each of their names. */
  readonly bytesShown: number;
  /** Of contents that are stored for that. */
  readonly bytesStored: number;
  /** Bytes that a collection would give back now, and those that it would leave wasted. */
  readonly bytesFreeable: number;
  readonly bytesWasted: number;
}

export interface StoreStats {
  readonly chunks: ObjectStats;
  readonly directories: ObjectStats;
  /** Files of several chunks. `bytes` is what they take if each is stored by itself. */
  readonly blobs: ObjectStats;
  readonly roots: number;
  /** Processes that show something of the store. */
  readonly leases: number;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly indexBytes: number;
  /** Why that is not known, in one line: something is damaged. */
  readonly trees: TreeStats | string;
}

export interface StatsOptions {
  readonly signal?: AbortSignal;
}

/** @throws StoreAbsent, UnsupportedFormat, StoreError */
export async function storeStats(
  directory: string,
  options: StatsOptions = {},
): Promise<StoreStats> {
  const database = openIndex(directory, "read");
  try {
    const segments = prepareRows(database, "SELECT id FROM segments").all() as unknown as [
      number,
    ][];
    const sizes = segments.map(([id]) => fileBytes(segmentPath(directory, id)));
    return {
      chunks: objectStats(database, OBJECT_CHUNK),
      directories: objectStats(database, OBJECT_DIRECTORY),
      blobs: blobStats(database),
      roots: new RootTable(database).list().length,
      leases: liveLeases(directory).length,
      segments: segments.length,
      segmentBytes: sizes.reduce((sum, size) => sum + size, 0),
      indexBytes: statSync(indexPath(directory)).size,
      trees: await treeStats(directory, options),
    };
  } catch (error) {
    throw indexFailure(error, indexPath(directory));
  } finally {
    database.close();
  }
}

async function treeStats(directory: string, options: StatsOptions): Promise<TreeStats | string> {
  try {
    const { roots, storedContents } = await measureUsage(directory, options);
    const report = await collectGarbage(directory, { ...options, dryRun: true });
    return {
      bytesShown: roots.reduce((sum, { bytes }) => sum + bytes, 0),
      bytesStored: storedContents,
      bytesFreeable: report.bytesFreed,
      bytesWasted: report.bytesWasted,
    };
  } catch (error) {
    if (error instanceof CorruptObject || error instanceof MissingObject) return error.message;
    throw error;
  }
}

function objectStats(database: DatabaseSync, kind: number): ObjectStats {
  const row = prepareRows(
    database,
    "SELECT count(*), total(length), count(*) - total(whole) FROM objects WHERE kind = ?",
  ).get(kind);
  return toStats(row);
}

function blobStats(database: DatabaseSync): ObjectStats {
  const sql = "SELECT count(*), total(size), count(*) - total(whole) FROM blobs";
  return toStats(prepareRows(database, sql).get());
}

function toStats(row: unknown): ObjectStats {
  const [count, bytes, partial] = row as [number, number, number];
  return { count, bytes, partial };
}

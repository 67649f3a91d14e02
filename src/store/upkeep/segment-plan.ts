/** Which segments hold so little that their room is worth giving back. */
import { readdirSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { prepareRows } from "../disk-index.ts";
import { segmentPath, segmentsPath } from "../disk-layout.ts";
import { systemFailure } from "../sqlite-failure.ts";

const FILE = /^(\d{8})\.seg$/;

export interface SegmentPlan {
  /** Segments that nothing lies in. */
  readonly empty: readonly number[];
  /** Segments to empty first: those with the least in them before the others. */
  readonly sparse: readonly number[];
  /** Bytes of the files of both. */
  readonly fileBytes: number;
  /** Bytes of them that stay, elsewhere. */
  readonly keptBytes: number;
  /** Bytes of all segments that no object lies in, when all is done. */
  readonly wasteBytes: number;
}

/** What stays of a segment. */
export interface SegmentShare {
  objects: number;
  bytes: number;
}

export type SegmentShares = ReadonlyMap<number, Readonly<SegmentShare>>;

export interface PlanOptions {
  /** What stays. */
  readonly kept: SegmentShares;
  /** Lengths of the segments when that began to be counted: others have been written to since. */
  readonly lengths: ReadonlyMap<number, number>;
  /** A segment goes when more than this share of it is waste. */
  readonly wasteShare: number;
}

export function planSegments(
  database: DatabaseSync,
  directory: string,
  { kept, lengths, wasteShare }: PlanOptions,
): SegmentPlan {
  const empty: number[] = [];
  const sparse: { segment: number; bytes: number }[] = [];
  const plan = { fileBytes: 0, keptBytes: 0, wasteBytes: 0 };
  for (const [segment, length] of segmentLengths(database)) {
    const { objects, bytes } = kept.get(segment) ?? { objects: 0, bytes: 0 };
    const size = fileBytes(segmentPath(directory, segment));
    // A new segment of some slot, where nothing was put yet, comes without a file.
    if (size === 0 || lengths.get(segment) !== length) continue;
    const waste = size - bytes;
    if (objects > 0 && waste <= size * wasteShare) {
      plan.wasteBytes += Math.max(0, waste);
      continue;
    }
    // An object may have no bytes.
    if (objects > 0) sparse.push({ segment, bytes });
    else empty.push(segment);
    plan.fileBytes += size;
    plan.keptBytes += bytes;
  }
  sparse.sort((a, b) => a.bytes - b.bytes);
  return { ...plan, empty, sparse: sparse.map(({ segment }) => segment) };
}

/**
 * Files of segments that neither the index knows nor an object lies in: a compaction was killed
 * before it could remove them. A new segment gets its row before its file.
 */
export function unknownSegmentFiles(
  database: DatabaseSync,
  directory: string,
  kept: SegmentShares,
): string[] {
  const names = segmentFileNames(directory);
  const known = segmentLengths(database);
  const segments = names.map((name) => Number(FILE.exec(name)?.[1] ?? Number.NaN));
  return segments
    .filter((segment) => !Number.isNaN(segment) && !known.has(segment) && !kept.has(segment))
    .map((segment) => segmentPath(directory, segment));
}

/** 0 when there is no such file. */
export function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Committed bytes of all segments, as the index says. */
export function segmentLengths(database: DatabaseSync): Map<number, number> {
  const rows = prepareRows(database, "SELECT id, length FROM segments").all();
  return new Map(rows as unknown as [id: number, length: number][]);
}

function segmentFileNames(directory: string): string[] {
  try {
    return readdirSync(segmentsPath(directory));
  } catch (error) {
    throw systemFailure(error, segmentsPath(directory));
  }
}

/**
 * The objects of some segments, as they lie on disk: read from the index in one go, so that whoever
 * goes through them holds no transaction open meanwhile. What it says of a place may be outdated.
 */
import type { DatabaseSync } from "node:sqlite";
import { DIGEST_BYTES, Digest } from "../../castore/digest.ts";
import type { Location } from "../disk-index.ts";
import { prepareRows } from "../disk-index.ts";
import type { ObjectKind } from "../disk-layout.ts";
import type { SegmentShares } from "./segment-plan.ts";

/** Objects in one list, about: 75 bytes for each. A segment's are never in two. */
export const LISTED_OBJECTS_MAX = 1024 * 1024;

/**
 * These segments, in their order, in groups that have up to LISTED_OBJECTS_MAX objects together or
 * are a single one.
 */
export function segmentGroups(segments: readonly number[], shares: SegmentShares): number[][] {
  const groups: number[][] = [];
  let objects = Number.POSITIVE_INFINITY;
  for (const segment of segments) {
    const share = shares.get(segment)?.objects ?? 0;
    objects += share;
    if (objects > LISTED_OBJECTS_MAX) {
      groups.push([]);
      objects = share;
    }
    groups.at(-1)!.push(segment);
  }
  return groups;
}

export class ObjectList {
  /** How many there are. */
  readonly size: number;
  readonly #digests: Uint8Array;
  readonly #kinds: Uint8Array;
  // A damaged row may hold any number.
  readonly #segments: Float64Array;
  readonly #offsets: Float64Array;
  readonly #lengths: Float64Array;
  readonly #whole: Uint8Array;
  /** Positions in the arrays above, in the order of the list. */
  readonly #order: Uint32Array;

  /** Lists the objects of these segments by segment and offset. */
  constructor(database: DatabaseSync, segments: readonly number[]) {
    const where = `FROM objects WHERE segment IN (${segments.join(", ")})`;
    const count = prepareRows(database, `SELECT count(*) ${where}`).get();
    const [capacity] = count as unknown as [number];
    this.#digests = new Uint8Array(capacity * DIGEST_BYTES);
    this.#kinds = new Uint8Array(capacity);
    this.#segments = new Float64Array(capacity);
    this.#offsets = new Float64Array(capacity);
    this.#lengths = new Float64Array(capacity);
    this.#whole = new Uint8Array(capacity);
    const rows = prepareRows(
      database,
      `SELECT kind, digest, segment, offset, length, whole ${where}`,
    );
    let size = 0;
    for (const row of rows.iterate()) {
      // More may have come since they were counted.
      if (size === capacity) break;
      const [kind, digest, segment, offset, length, whole] = row as unknown as Row;
      if (digest.length !== DIGEST_BYTES) continue;
      this.#digests.set(digest, size * DIGEST_BYTES);
      this.#kinds[size] = kind;
      this.#segments[size] = segment;
      this.#offsets[size] = offset;
      this.#lengths[size] = length;
      this.#whole[size] = whole;
      size += 1;
    }
    this.size = size;
    this.#order = Uint32Array.from({ length: size }, (_, i) => i).sort(
      (a, b) => this.#segments[a]! - this.#segments[b]! || this.#offsets[a]! - this.#offsets[b]!,
    );
  }

  kindOf(i: number): ObjectKind {
    return this.#kinds[this.#order[i]!]! as ObjectKind;
  }

  digestOf(i: number): Digest {
    return Digest.at(this.#digests, this.#order[i]! * DIGEST_BYTES);
  }

  /** Everything below the directory is said to be stored. */
  isWhole(i: number): boolean {
    return this.#whole[this.#order[i]!] === 1;
  }

  /** Fills in where the object lies. */
  locate(i: number, location: Location): void {
    const at = this.#order[i]!;
    location.segment = this.#segments[at]!;
    location.offset = this.#offsets[at]!;
    location.length = this.#lengths[at]!;
  }
}

type Row = [
  kind: number,
  digest: Uint8Array,
  segment: number,
  offset: number,
  length: number,
  whole: number,
];

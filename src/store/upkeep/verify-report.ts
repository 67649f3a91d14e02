/** What a verification says of itself, on the way and at the end. */
import type { WantedObject } from "../object-fetcher.ts";

/** Faults that a report lists; more are counted only. */
export const FAULTS_LISTED_MAX = 10_000;

export interface VerifyProgress {
  chunks: number;
  directories: number;
  /** Blobs of more than one chunk; the others are among the chunks. */
  blobs: number;
  roots: number;
  /** Read so far. */
  bytes: number;
  /** Chunks and directories together, and their bytes, as the index says. */
  objectsExpected: number;
  bytesExpected: number;
  /** Directories and blobs that were fetched while parts of them are still elsewhere. */
  partial: number;
  /** What these name and is not here: normal, unless somebody needs it. */
  notFetched: number;
  faults: number;
}

export interface Fault {
  readonly what: "chunk" | "blob" | "directory" | "root";
  /** Digest, or the name of a root. */
  readonly which: string;
  /** What is wrong with it. */
  readonly fault: string;
  /** What must be fetched to mend it; undefined: nothing would. */
  readonly wanted: WantedObject | undefined;
}

export interface VerifyReport extends Readonly<VerifyProgress> {
  /** The first FAULTS_LISTED_MAX of them. */
  readonly listed: readonly Fault[];
}

export function newProgress(): VerifyProgress {
  return {
    chunks: 0,
    directories: 0,
    blobs: 0,
    roots: 0,
    bytes: 0,
    objectsExpected: 0,
    bytesExpected: 0,
    partial: 0,
    notFetched: 0,
    faults: 0,
  };
}

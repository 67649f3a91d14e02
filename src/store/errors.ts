/**
 * Failures of a store. Each says what went wrong in one line, where, and what may help; the cause,
 * an error of the system or of the index, hangs on it.
 */
import type { Digest } from "../castore/digest.ts";

export interface StoreErrorOptions extends ErrorOptions {
  /** The file or folder it happened at. */
  readonly path?: string;
  /** What a person may do about it: one sentence. */
  readonly remedy?: string;
}

export class StoreError extends Error {
  override readonly name: string = "StoreError";
  readonly path: string | undefined;
  readonly remedy: string | undefined;

  constructor(message: string, options: StoreErrorOptions = {}) {
    super(message, options);
    this.path = options.path;
    this.remedy = options.remedy;
  }
}

/** There is no store at that path, and nobody asked to make one. */
export class StoreAbsent extends StoreError {
  override readonly name = "StoreAbsent";
}

/** Too many write to the store, or one deletes. */
export class StoreBusy extends StoreError {
  override readonly name = "StoreBusy";
}

/** The store was written by a newer version. */
export class UnsupportedFormat extends StoreError {
  override readonly name = "UnsupportedFormat";
}

/** Something names this digest, and the store does not have it. */
export class MissingObject extends StoreError {
  override readonly name = "MissingObject";
  readonly digest: Digest;

  constructor(what: string, digest: Digest, options: StoreErrorOptions = {}) {
    super(`${what} ${digest} is not in the store`, options);
    this.digest = digest;
  }
}

/** What is stored under this digest is not what the digest names, or cannot be read. */
export class CorruptObject extends StoreError {
  override readonly name = "CorruptObject";
  readonly digest: Digest;

  constructor(what: string, digest: Digest, options: StoreErrorOptions = {}) {
    super(`${what} ${digest} is rotten or unreadable`, options);
    this.digest = digest;
  }
}

/** The source of an import cannot be stored: a device, a damaged archive, a file that will not hold still. */
export class ImportError extends StoreError {
  override readonly name = "ImportError";
}

/** The target of an export is in the way, or cannot be written. */
export class ExportError extends StoreError {
  override readonly name = "ExportError";
}

/** Directories that were to be one tree are none: one is named by no other, or comes too late. */
export class InvalidGraph extends StoreError {
  override readonly name = "InvalidGraph";
}

/**
 * A source cannot be reached, takes too long, refuses, or answers what makes no sense. Whether it
 * has the object is not known: another source, or a later time, may do.
 */
export class SourceUnavailable extends StoreError {
  override readonly name = "SourceUnavailable";
}

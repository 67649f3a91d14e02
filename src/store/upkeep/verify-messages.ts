/** What the main thread of a verification and its workers say to each other. */

/** Objects of one segment, as they lie in it. Arrays have an entry for each. */
export interface ObjectTask {
  readonly kind: "objects";
  readonly segment: number;
  /** OBJECT_CHUNK or OBJECT_DIRECTORY. */
  readonly kinds: Uint8Array;
  /** 32 bytes each. */
  readonly digests: Uint8Array;
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;
  /** 1: everything below the directory is said to be stored. */
  readonly whole: Uint8Array;
}

/** Blobs of several chunks. */
export interface BlobTask {
  readonly kind: "blobs";
  /** 32 bytes each. */
  readonly digests: Uint8Array;
  /** Chunks that were found rotten: 32 bytes each. */
  readonly rotten: Uint8Array;
}

export type VerifyTask = ObjectTask | BlobTask;

/**
 * `missing`: not there, or not whole where it should be. `wrong size`: not as long as whoever names
 * it says. `wrong contents`: chunks that are right make up something else.
 */
export type FaultKind = "rotten" | "missing" | "wrong size" | "wrong contents";

/** A directory or list that names what is not as it should be. Digests as bytes. */
export interface NameFault {
  /** What names it. */
  readonly inside: Uint8Array;
  /** What is named; undefined: what names is damaged itself. */
  readonly named: Uint8Array | undefined;
  readonly fault: FaultKind;
}

/** Something is rotten or unreadable. */
export interface ObjectFault {
  /** In the task. */
  readonly position: number;
  /** What the system said, where it said something. */
  readonly reason: string | undefined;
}

interface Outcome {
  /** Bytes that were read. */
  readonly bytes: number;
  readonly names: readonly NameFault[];
  /** Faults that `names` has no room for. */
  readonly moreNames: number;
  /** What partial directories and lists name that is not here. */
  readonly notFetched: number;
}

export interface ObjectOutcome extends Outcome {
  readonly kind: "objects";
  readonly rotten: readonly ObjectFault[];
  /** Sound directories: positions in the task, sizes and numbers of entries. */
  readonly directories: Uint32Array;
  readonly sizes: Float64Array;
  readonly children: Uint32Array;
  /** Directories that these name: the position of what names, digest, size. */
  readonly parents: Uint32Array;
  readonly childDigests: Uint8Array;
  readonly childSizes: Float64Array;
}

export interface BlobOutcome extends Outcome {
  readonly kind: "blobs";
  readonly blobs: number;
  readonly partial: number;
}

export type VerifyOutcome = ObjectOutcome | BlobOutcome;

export interface VerifyThreadData {
  readonly directory: string;
  /** Hashes blobs of several chunks as a whole, too. */
  readonly wholeBlobs: boolean;
}

/** Why a worker cannot go on: the index cannot be read, or the like. */
export interface VerifyFailure {
  readonly message: string;
  readonly remedy: string | undefined;
}

/** One for each task, in their order. */
export type FromVerifyThread =
  | { readonly kind: "done"; readonly outcome: VerifyOutcome }
  | { readonly kind: "failed"; readonly failure: VerifyFailure };

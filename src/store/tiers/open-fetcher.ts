/** A local store and the sources that fill it, put together from a folder and addresses. */
import type { Logger } from "../../base/logger.ts";
import type { Digest } from "../../castore/digest.ts";
import type { ObjectFetcher } from "../object-fetcher.ts";

export interface FetcherOptions {
  /** Gets lines about sources that lie, fail or recover; rate-limited here. */
  readonly logger: Logger;
  /** Uses lists of chunks that nobody has proven: see `BlobService.stat`. */
  readonly trustChunkLists?: boolean;
  /** Requests to one source at a time. */
  readonly concurrency?: number;
  /** Bytes a second from one source; 0, the default: as fast as it goes. */
  readonly bytesPerSecond?: number;
  /** How long one request to one source may take. */
  readonly attemptMilliseconds?: number;
  /** How long a foreground fetch may take before it fails with SourceUnavailable. */
  readonly deadlineMilliseconds?: number;
}

/** Counted since the start. */
export interface FetchCounts {
  /** Objects that were brought into the local store. */
  readonly directories: number;
  readonly chunks: number;
  /** Of both. */
  readonly bytes: number;
  /** Requests to sources, those that failed, and answers that were not what the digest names. */
  readonly requests: number;
  readonly failures: number;
  readonly lies: number;
}

/** Disposing ends what is under way (it fails with SourceUnavailable) and closes the sources. */
export interface Fetcher extends ObjectFetcher, AsyncDisposable {
  /**
   * Tells of a tree that is being served or fetched. Some sources give directories only with the
   * tree that they belong to.
   */
  addRoot(root: Digest): void;
  readonly counts: FetchCounts;
}

/**
 * Opens the local store in `directory` (made when there is none) and the sources, near to far.
 * @throws StoreError: an address is none, the store cannot be opened, …
 */
export declare function openFetcher(
  directory: string,
  addresses: readonly string[],
  options: FetcherOptions,
): Promise<Fetcher>;

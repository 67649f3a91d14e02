/**
 * Where a local store gets what it lacks, and what it may be copied to: a castore service or a
 * bucket elsewhere, or another local store. See open-source.ts for the addresses.
 */
import type { BlobService, DirectoryService, RootService } from "./services.ts";

export interface SourceOptions {
  /**
   * How long a source may take to connect, and how long it may then stay silent in the middle of
   * an answer, before the request fails with SourceUnavailable.
   */
  readonly timeoutMilliseconds: number;
}

/**
 * Disposing of a source ends its connections. Opening one does not reach out to it: a source that
 * is down now may be up when it is needed.
 */
export interface Source extends AsyncDisposable {
  /** Its address as people gave it, without secrets: for logs. */
  readonly name: string;
  readonly blobs: BlobService;
  readonly directories: DirectoryService;
  /** Names of trees, where the source keeps such. */
  readonly roots?: RootService;
}

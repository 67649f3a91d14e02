/** A local store and the sources that fill it, put together from a folder and addresses. */
import type { Logger } from "../../base/logger.ts";
import { openStoreFiller } from "../disk-filler.ts";
import { openIndex } from "../disk-index.ts";
import { openSource } from "../open-source.ts";
import type { Source } from "../source.ts";
import { systemClock } from "./clock.ts";
import { REQUESTS_MAX } from "./guarded-source.ts";
import { openLocalObjects } from "./local-objects.ts";
import { type Fetcher, TierFetcher } from "./tier-fetcher.ts";

export interface FetcherOptions {
  /** Gets lines about sources that lie, fail or recover; rate-limited here. */
  readonly logger: Logger;
  /** Uses lists of chunks that nobody has proven: see `BlobService.stat`. */
  readonly trustChunkLists?: boolean;
  /** Requests to one source at a time: CONCURRENCY_MIN at least. */
  readonly concurrency?: number;
  /** Bytes a second from one source; 0: as fast as it goes. */
  readonly bytesPerSecond?: number;
  /** How long a source may keep silent before a request to it fails. */
  readonly attemptMilliseconds?: number;
  /** How long asking for one chunk, directory or list of chunks may take, all sources together. */
  readonly deadlineMilliseconds?: number;
  /** A list of chunks that was used turned out to be a lie, and is gone: open such blobs anew. */
  readonly exposed?: () => void;
}

/** Less, and what follows in the background could hold up what is waited for. */
export const CONCURRENCY_MIN = 4;
export const ATTEMPT_MILLISECONDS = 10_000;
export const DEADLINE_MILLISECONDS = 30_000;

/**
 * Opens the local store in `directory` (made when there is none) and the sources at `addresses`,
 * near to far. What comes from a source goes into the local store, and into no other source.
 * @throws StoreError: one is no address, the store cannot be opened, …
 */
export async function openFetcher(
  directory: string,
  addresses: readonly string[],
  options: FetcherOptions,
): Promise<Fetcher> {
  const timeoutMilliseconds = options.attemptMilliseconds ?? ATTEMPT_MILLISECONDS;
  await using opened = new AsyncDisposableStack();
  const sources: Source[] = [];
  for (const address of addresses) {
    sources.push(opened.use(await openSource(address, { timeoutMilliseconds })));
  }
  const fetcher = openFetcherOver(directory, sources, options);
  opened.move();
  return fetcher;
}

/** The same with sources that are open already, which become the fetcher's. */
export function openFetcherOver(
  directory: string,
  sources: readonly Source[],
  options: FetcherOptions,
): Fetcher {
  openIndex(directory, "create").close();
  using opened = new DisposableStack();
  const local = opened.use(openLocalObjects(directory));
  const filler = opened.use(openStoreFiller(directory));
  const fetcherOptions = {
    clock: systemClock,
    logger: options.logger,
    trustChunkLists: options.trustChunkLists ?? false,
    concurrency: Math.max(CONCURRENCY_MIN, options.concurrency ?? REQUESTS_MAX),
    bytesPerSecond: options.bytesPerSecond ?? 0,
    attemptMilliseconds: options.attemptMilliseconds ?? ATTEMPT_MILLISECONDS,
    deadlineMilliseconds: options.deadlineMilliseconds ?? DEADLINE_MILLISECONDS,
    exposed: options.exposed,
  };
  return new TierFetcher(local, filler, sources, fetcherOptions, opened.move());
}

/** The sources of a daemon: what fetches from them for its devices, and for itself at the start. */
import type { Logger } from "../base/logger.ts";
import type { Digest } from "../castore/digest.ts";
import { SourceUnavailable } from "../store/errors.ts";
import type { ObjectFetcher } from "../store/object-fetcher.ts";
import { parseSourceAddress, shownAddress } from "../store/source-address.ts";
import { ATTEMPT_MILLISECONDS, openFetcher } from "../store/tiers/open-fetcher.ts";
import type { Fetcher } from "../store/tiers/tier-fetcher.ts";
import { DaemonError } from "./errors.ts";
import type { SourcesConfig } from "./serve-config.ts";
import { RETRY_MILLISECONDS } from "./want-broker.ts";

/** A source may keep silent for this share of what a guest waits: others can be asked after it. */
const ATTEMPTS_PER_TIMEOUT = 3;

/**
 * Opens the store in `storeDirectory`, made when there is none, and the sources.
 * @throws StoreError: an address is none, …
 */
export async function openServedSources(
  storeDirectory: string,
  config: SourcesConfig,
  logger: Logger,
): Promise<Fetcher> {
  const deadlineMilliseconds = config.timeoutSeconds * 1000;
  return await openFetcher(storeDirectory, config.addresses, {
    logger,
    trustChunkLists: config.trustChunkLists,
    deadlineMilliseconds,
    attemptMilliseconds: Math.min(
      ATTEMPT_MILLISECONDS,
      deadlineMilliseconds / ATTEMPTS_PER_TIMEOUT,
    ),
    ...(config.concurrency !== undefined && { concurrency: config.concurrency }),
    ...(config.bytesPerSecond !== undefined && { bytesPerSecond: config.bytesPerSecond }),
  });
}

/**
 * Fetches a directory that the daemon cannot begin without, as long as a guest would wait for it.
 * @throws DaemonError, which names the sources.
 */
export async function fetchAtStart(
  fetcher: ObjectFetcher,
  { addresses, timeoutSeconds }: Pick<SourcesConfig, "addresses" | "timeoutSeconds">,
  digest: Digest,
  heal: boolean,
): Promise<void> {
  const end = performance.now() + timeoutSeconds * 1000;
  let failure: unknown = new SourceUnavailable("no answer");
  do {
    try {
      const fetched = fetcher.fetch({ kind: "directory", digest, heal }, "foreground");
      if (await settlesBefore(fetched, end)) return;
    } catch (error) {
      failure = error;
      if (!(error instanceof SourceUnavailable)) break;
      await delay(Math.min(RETRY_MILLISECONDS, Math.max(0, end - performance.now())));
    }
  } while (performance.now() < end);
  const reason = failure instanceof Error ? failure.message : String(failure);
  throw new DaemonError(`the root directory ${digest} cannot be fetched: ${reason}`, {
    hint: `the sources are ${addresses.map(sourceName).join(", ")}`,
    cause: failure,
  });
}

/** False: time was up first. */
async function settlesBefore(work: Promise<void>, end: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, end - performance.now()));
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
    // It may still fail, with nobody there to hear it.
    work.catch(() => {});
  }
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** How logs name the source at that address: without secrets. */
export function sourceName(address: string): string {
  const parsed = parseSourceAddress(address);
  return parsed.kind === "store" ? parsed.path : shownAddress(parsed.url);
}

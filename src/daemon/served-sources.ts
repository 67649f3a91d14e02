/** The sources of a daemon: what fetches from them for its devices, and for itself at the start. */
import type { Logger } from "../base/logger.ts";
import type { Digest } from "../castore/digest.ts";
import { SourceUnavailable } from "../store/errors.ts";
import type { ObjectFetcher } from "../store/object-fetcher.ts";
import { parseSourceAddress, shownAddress } from "../store/source-address.ts";
import { ATTEMPT_MILLISECONDS, openFetcher } from "../store/tiers/open-fetcher.ts";
import { type Prefetch, type PrefetchPlan, startPrefetch } from "../store/tiers/prefetch.ts";
import type { Fetcher } from "../store/tiers/tier-fetcher.ts";
import { readTrace } from "../store/tiers/trace.ts";
import { DaemonError } from "./errors.ts";
import type { SourcesConfig } from "./serve-config.ts";
import { RETRY_MILLISECONDS } from "./want-broker.ts";

/** A source may keep silent for this share of what a guest waits: others can be asked after it. */
const ATTEMPTS_PER_TIMEOUT = 3;

export class ServedSources implements AsyncDisposable {
  readonly #fetcher: Fetcher;
  readonly #config: SourcesConfig;
  readonly #logger: Logger;
  readonly #plan: PrefetchPlan | undefined;
  readonly #signal: AbortSignal | undefined;
  #prefetch: Prefetch | undefined;
  /** A list of chunks that devices may have open was a lie. */
  #exposed: () => void = () => {};

  private constructor(
    fetcher: Fetcher,
    config: SourcesConfig,
    plan: PrefetchPlan | undefined,
    logger: Logger,
    signal: AbortSignal | undefined,
  ) {
    this.#fetcher = fetcher;
    this.#config = config;
    this.#plan = plan;
    this.#logger = logger;
    this.#signal = signal;
  }

  /**
   * Opens the store in `storeDirectory`, made when there is none, and the sources. `signal` ends
   * `fetchAtStart`.
   * @throws StoreError: an address is none, a recording cannot be read, …
   */
  static async open(
    storeDirectory: string,
    config: SourcesConfig,
    logger: Logger,
    signal?: AbortSignal,
  ): Promise<ServedSources> {
    const { prefetch, concurrency, bytesPerSecond } = config;
    const plan = prefetch?.kind === "recording" ? readTrace(prefetch.path) : prefetch?.kind;
    const deadlineMilliseconds = config.timeoutSeconds * 1000;
    const attempt = deadlineMilliseconds / ATTEMPTS_PER_TIMEOUT;
    let sources: ServedSources | undefined;
    const fetcher = await openFetcher(storeDirectory, config.addresses, {
      exposed: () => {
        if (sources !== undefined) sources.#exposed();
      },
      logger,
      trustChunkLists: config.trustChunkLists,
      deadlineMilliseconds,
      attemptMilliseconds: Math.min(ATTEMPT_MILLISECONDS, attempt),
      ...(concurrency !== undefined && { concurrency }),
      ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    });
    sources = new ServedSources(fetcher, config, plan, logger, signal);
    return sources;
  }

  get fetcher(): ObjectFetcher {
    return this.#fetcher;
  }

  /**
   * Tells which tree is served, and begins to fetch ahead, if that is wanted. `exposed` is called
   * when a list of chunks that devices may have open was a lie.
   */
  begin(root: Digest | undefined, exposed: () => void): void {
    this.#exposed = exposed;
    if (root !== undefined) this.#fetcher.addRoot(root);
    if (this.#plan === undefined) return;
    this.#prefetch = startPrefetch(this.#fetcher, this.#plan, root, { logger: this.#logger });
  }

  /**
   * Fetches the root directory, as long as a guest would wait for it.
   * @throws DaemonError, which names the sources; the reason of the signal.
   */
  async fetchAtStart(digest: Digest, heal: boolean): Promise<void> {
    this.#fetcher.addRoot(digest);
    const { addresses, timeoutSeconds } = this.#config;
    const end = performance.now() + timeoutSeconds * 1000;
    let failure: unknown = new SourceUnavailable("no answer");
    do {
      try {
        const fetched = this.#fetcher.fetch({ kind: "directory", digest, heal }, "foreground");
        if (await settlesBefore(fetched, end, this.#signal)) return;
      } catch (error) {
        failure = error;
        if (!(error instanceof SourceUnavailable)) break;
        await settlesBefore(NEVER, performance.now() + RETRY_MILLISECONDS, this.#signal);
      }
    } while (performance.now() < end);
    this.#signal?.throwIfAborted();
    const reason = failure instanceof Error ? failure.message : String(failure);
    throw new DaemonError(`the root directory ${digest} cannot be fetched: ${reason}`, {
      hint: `the sources are ${addresses.map(sourceName).join(", ")}`,
      cause: failure,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#prefetch?.[Symbol.dispose]();
    await this.#fetcher[Symbol.asyncDispose]();
  }
}

const NEVER = new Promise<void>(() => {});

/** False: time was up first. @throws the reason of the signal, when it comes first. */
async function settlesBefore(
  work: Promise<void>,
  end: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), Math.max(0, end - performance.now()));
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  if (signal?.aborted) onAbort();
  work.then(() => resolve(true), reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** How people are told of the source at that address: without secrets. */
function sourceName(address: string): string {
  const parsed = parseSourceAddress(address);
  return parsed.kind === "store" ? parsed.path : shownAddress(parsed.url);
}

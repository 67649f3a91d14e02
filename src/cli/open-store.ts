/** Opens the store of a command for as long as the command runs. */
import type { Store } from "../store/services.ts";
import type { Fetcher } from "../store/tiers/tier-fetcher.ts";
import type { Output } from "./output.ts";
import { StderrLogger } from "./stderr-logger.ts";
import { requiredStore } from "./store-option.ts";
import type { Target } from "./target.ts";

export interface OpenOptions {
  /** Makes the store when there is none. */
  readonly create?: boolean;
}

export async function withStore<Result>(
  directory: string,
  options: OpenOptions,
  use: (store: Store) => Promise<Result>,
): Promise<Result> {
  // Loaded here, so that `--help` and wrong use do not wait for it.
  const { openDiskStore } = await import("../store/disk-store.ts");
  using store = openDiskStore(directory, { create: options.create ?? false });
  return await use(store);
}

/** Options of every command that reads. */
export interface ReadOptions {
  readonly store?: string;
  /** Addresses, near to far. */
  readonly source?: readonly string[];
}

/**
 * The store for a command that reads `targets`: one that gets from the sources what it lacks, where
 * there are any; then `fetcher` is what it gets it with.
 */
export async function withReadStore<Result>(
  options: ReadOptions,
  targets: readonly Target[],
  err: Output,
  use: (store: Store, fetcher: Fetcher | undefined) => Promise<Result>,
): Promise<Result> {
  const directory = requiredStore(options.store);
  const { source } = options;
  if (source === undefined) {
    return await withStore(directory, {}, (store) => use(store, undefined));
  }
  const { openComposedStore } = await import("../store/tiers/composed-store.ts");
  return await withFetcher(directory, source, err, async (fetcher) => {
    for (const { start } of targets) if (start.kind === "digest") fetcher.addRoot(start.digest);
    return await withStore(directory, {}, (local) =>
      use(openComposedStore(local, fetcher), fetcher),
    );
  });
}

/** Opens what fills the store from sources; the store is made when there is none. */
export async function withFetcher<Result>(
  directory: string,
  sources: readonly string[],
  err: Output,
  use: (fetcher: Fetcher) => Promise<Result>,
): Promise<Result> {
  const { openFetcher } = await import("../store/tiers/open-fetcher.ts");
  await using fetcher = await openFetcher(directory, sources, { logger: warnings(err) });
  return await use(fetcher);
}

/** What goes wrong beside the result, as lines of a log. */
export function warnings(err: Output): StderrLogger {
  return new StderrLogger("warn", (line) => {
    void err.write(line);
    void err.flush();
  });
}

/** An empty local store on disk over sources, for as long as a test runs. */
import { onTestFinished } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { type DiskStore, openDiskStore } from "../../../src/store/disk-store.ts";
import type { Store } from "../../../src/store/services.ts";
import type { Source } from "../../../src/store/source.ts";
import { openComposedStore } from "../../../src/store/tiers/composed-store.ts";
import { type FetcherOptions, openFetcherOver } from "../../../src/store/tiers/open-fetcher.ts";
import type { Fetcher } from "../../../src/store/tiers/tier-fetcher.ts";
import { temporaryFolder } from "../temporary.ts";

export interface Composition {
  readonly folder: string;
  readonly local: DiskStore;
  readonly fetcher: Fetcher;
  readonly store: Store;
}

export function compose(
  sources: readonly Source[],
  options: Partial<FetcherOptions> & { readonly folder?: string } = {},
): Composition {
  const { folder = temporaryFolder() } = options;
  const local = openDiskStore(folder, { create: true });
  const fetcher = openFetcherOver(folder, sources, { logger: silentLogger, ...options });
  onTestFinished(async () => {
    await fetcher[Symbol.asyncDispose]();
    local[Symbol.dispose]();
  });
  return { folder, local, fetcher, store: openComposedStore(local, fetcher) };
}

/** A store as a source; the caller keeps it. */
export function sourceOver(name: string, store: Store): Source {
  const { blobs, directories } = store;
  return { name, blobs, directories, [Symbol.asyncDispose]: async () => {} };
}

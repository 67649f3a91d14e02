/**
 * `castorefs serve`: opens the store and its sources, finds the root node, makes the sockets and
 * starts the device threads that own them. Everything asynchronous stays on this side.
 */
import { availableParallelism } from "node:os";
import type { Logger } from "../base/logger.ts";
import { RateLimitedLogger } from "../base/rate-limited-logger.ts";
import type { DirectoryNode } from "../castore/node.ts";
import { encodeEntry } from "../castore/proto.ts";
import { openDiskStore } from "../store/disk-store.ts";
import type { Fetcher } from "../store/tiers/tier-fetcher.ts";
import { type Lease, takeLease } from "../store/upkeep/lease.ts";
import { type DeviceConfig, DevicePool } from "./device-pool.ts";
import { socketName } from "./listen.ts";
import { findShareRoot } from "./root-node.ts";
import type { ServeConfig } from "./serve-config.ts";
import { WantBroker } from "./want-broker.ts";

/** Shares that are being served. */
export interface Serving {
  /** Settles when all have ended; rejects with DaemonError when a device thread failed. */
  readonly ended: Promise<void>;
  /** Disconnects the clients and ends the device threads, in good order. */
  stop(): void;
}

/**
 * Starts serving; settles once VM managers can connect.
 * @throws DaemonError: the root is absent or no directory, a socket is taken, …
 * @throws StoreError: the store is absent or cannot be opened, a source has no such address.
 */
export async function startServe(config: ServeConfig, logger: Logger): Promise<Serving> {
  await using opened = new AsyncDisposableStack();
  const fetcher = opened.use(await openFetcherOf(config, logger));
  const [root, lease] = await leasedRoot(config, fetcher);
  opened.use(lease);
  if (lease.obstacle !== undefined) {
    logger.log("warn", "a collection would not spare what is served", { reason: lease.obstacle });
  }
  if (root !== undefined) fetcher?.addRoot(root.digest);
  const broker = fetcher && new WantBroker(fetcher, new RateLimitedLogger(logger));
  const pool = await DevicePool.start({
    listen: config.listen,
    config: deviceConfig(config, root),
    services: { broker },
    logger,
  });
  logger.log("info", "serving", {
    store: config.storeDirectory,
    root: config.root,
    socket: config.listen.map(socketName).join(" "),
  });
  const after = opened.move();
  return {
    ended: pool.ended.finally(() => after.disposeAsync()),
    stop: () => pool.stop(),
  };
}

async function openFetcherOf(
  { sources, storeDirectory }: ServeConfig,
  logger: Logger,
): Promise<Fetcher | undefined> {
  if (sources === undefined) return undefined;
  // Loaded here: a store that is complete needs none of it.
  const { openServedSources } = await import("./served-sources.ts");
  return await openServedSources(storeDirectory, sources, logger);
}

/**
 * The root directory that is the share, if it is one, under a lease. It is looked for again under
 * the lease, since a collection may have deleted it just before. Opens the store in any case, so that
 * an absent one is reported before a socket is made.
 */
async function leasedRoot(
  config: ServeConfig,
  fetcher: Fetcher | undefined,
): Promise<[root: DirectoryNode | undefined, lease: Lease]> {
  const { storeDirectory, root, sources } = config;
  using store = openDiskStore(storeDirectory, { create: false });
  if (root === undefined) return [undefined, takeLease(storeDirectory, { roots: "all" })];
  const fetch =
    fetcher === undefined || sources === undefined
      ? undefined
      : async (...directory: [digest: DirectoryNode["digest"], heal: boolean]) => {
          const { fetchAtStart } = await import("./served-sources.ts");
          await fetchAtStart(fetcher, sources, ...directory);
        };
  const found = await findShareRoot(store, root, fetch);
  const lease = takeLease(storeDirectory, { roots: [found] });
  try {
    return [await findShareRoot(store, found.digest.toString(), fetch), lease];
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}

function deviceConfig(config: ServeConfig, root: DirectoryNode | undefined): DeviceConfig {
  const { sources } = config;
  const parallel = availableParallelism() > 1;
  return {
    storeDirectory: config.storeDirectory,
    root: root && encodeEntry(root),
    listRoot: config.listRoot,
    showXattr: config.showXattr,
    tag: config.tag,
    requestQueues: config.requestQueues,
    exitOnDisconnect: config.exitOnDisconnect,
    // On one CPU a spinning device only keeps the guest from running.
    spinMicroseconds: parallel ? config.spinMicroseconds : 0,
    parallel,
    maxInodes: config.maxInodes,
    verify: config.verify,
    trustChunkLists: sources?.trustChunkLists ?? false,
    sourceTimeoutMilliseconds: sources && sources.timeoutSeconds * 1000,
    recording: config.recordPath !== undefined,
  };
}

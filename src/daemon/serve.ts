/**
 * `castorefs serve`: opens the store and its sources, finds the root node, makes the sockets and
 * starts the device threads that own them. Everything asynchronous stays on this side.
 */
import { availableParallelism } from "node:os";
import { assert } from "../base/assert.ts";
import type { Logger } from "../base/logger.ts";
import { RateLimitedLogger } from "../base/rate-limited-logger.ts";
import type { DirectoryNode } from "../castore/node.ts";
import { encodeEntry } from "../castore/proto.ts";
import { openDiskStore } from "../store/disk-store.ts";
import { takeLease } from "../store/upkeep/lease.ts";
import { type DeviceConfig, DevicePool } from "./device-pool.ts";
import { socketName } from "./listen.ts";
import { Recording } from "./recording.ts";
import { findShareRoot } from "./root-node.ts";
import type { ServeConfig } from "./serve-config.ts";
import type { ServedSources } from "./served-sources.ts";
import { WantBroker } from "./want-broker.ts";
import type { WritableShare } from "./writable-share.ts";

/** Shares that are being served. */
export interface Serving {
  /** Settles when all have ended; rejects with DaemonError when a device thread failed. */
  readonly ended: Promise<void>;
  /** Disconnects the clients and ends the device threads, in good order. */
  stop(): void;
}

/**
 * Starts serving; settles once VM managers can connect. `signal` ends the wait for a root that has to
 * be fetched first.
 * @throws DaemonError: the root is absent or no directory, a socket is taken, …
 * @throws StoreError: the store is absent or cannot be opened, a source has no such address, …
 */
export async function startServe(
  config: ServeConfig,
  logger: Logger,
  signal?: AbortSignal,
): Promise<Serving> {
  const { storeDirectory, recordPath: path } = config;
  await using opened = new AsyncDisposableStack();
  const sources = opened.use(await openSourcesOf(config, logger, signal));
  const root = await leasedRoot(config, sources, opened, logger);
  const recording =
    path === undefined
      ? undefined
      : opened.use(new Recording({ path, storeDirectory, root: root?.digest, logger }));
  const layer = await writableShare(config, root, logger);
  if (layer !== undefined) opened.use(layer);
  const broker = sources && new WantBroker(sources.fetcher, new RateLimitedLogger(logger));
  const pool = await DevicePool.start({
    listen: config.listen,
    config: deviceConfig(config, root),
    services: { broker, recorder: recording?.recorder, layer },
    logger,
  });
  sources?.begin(root?.digest, () => pool.tell("exposed"));
  logger.log("info", "serving", {
    store: storeDirectory,
    root: config.root,
    socket: config.listen.map(socketName).join(" "),
    layer: layer?.directory,
  });
  const after = opened.move();
  return {
    ended: pool.ended.finally(() => after.disposeAsync()),
    stop: () => pool.stop(),
  };
}

async function openSourcesOf(
  { sources, storeDirectory }: ServeConfig,
  logger: Logger,
  signal: AbortSignal | undefined,
): Promise<ServedSources | undefined> {
  if (sources === undefined) return undefined;
  // Loaded here: a store that is complete needs none of it.
  const { ServedSources } = await import("./served-sources.ts");
  return await ServedSources.open(storeDirectory, sources, logger, signal);
}

/** The differences that the guest makes, if it may; the libraries for it are loaded only then. */
async function writableShare(
  { writable, storeDirectory }: ServeConfig,
  root: DirectoryNode | undefined,
  logger: Logger,
): Promise<WritableShare | undefined> {
  if (writable === undefined) return undefined;
  assert(root !== undefined, "a writable share has a root");
  const { WritableShare } = await import("./writable-share.ts");
  return await WritableShare.open({ storeDirectory, root, config: writable, logger });
}

/**
 * The root directory that is the share, if it is one, under a lease. It is looked for again under
 * the lease, since a collection may have deleted it just before. Opens the store in any case, so that
 * an absent one is reported before a socket is made.
 */
async function leasedRoot(
  { storeDirectory, root }: ServeConfig,
  sources: ServedSources | undefined,
  opened: AsyncDisposableStack,
  logger: Logger,
): Promise<DirectoryNode | undefined> {
  using store = openDiskStore(storeDirectory);
  const fetch = sources?.fetchAtStart.bind(sources);
  const found = root === undefined ? undefined : await findShareRoot(store, root, fetch);
  const roots = found === undefined ? "all" : [found];
  const { obstacle } = opened.use(takeLease(storeDirectory, { roots }));
  if (obstacle !== undefined) {
    logger.log("warn", "castorefs gc would not spare what is served", { reason: obstacle });
  }
  if (found !== undefined) await findShareRoot(store, found.digest.toString(), fetch);
  return found;
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

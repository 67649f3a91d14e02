/**
 * `castorefs serve`: opens the store, finds the root node, makes the socket and starts the device
 * thread that owns it. Everything asynchronous stays on this side.
 */
import { unlinkSync } from "node:fs";
import { availableParallelism } from "node:os";
import { ListenError, listenUnix } from "node-vhost-user";
import type { Logger } from "../base/logger.ts";
import { encodeEntry } from "../castore/proto.ts";
import { openDiskStore } from "../store/disk-store.ts";
import { type DeviceEnd, DeviceWorker } from "./device-worker.ts";
import { DaemonError } from "./errors.ts";
import { findShareRoot } from "./root-node.ts";
import type { ListenAddress, ServeConfig } from "./serve-config.ts";

/** A share that is being served. */
export interface Serving {
  /** Settles when it has ended; rejects with DaemonError when the device thread failed. */
  readonly ended: Promise<DeviceEnd>;
  /** Disconnects the client and ends the device thread, in good order. */
  stop(): void;
}

/**
 * Starts serving; settles once VM managers can connect.
 * @throws DaemonError: the root is absent or no directory, the socket is taken, …
 * @throws StoreError: the store is absent or cannot be opened.
 */
export async function startServe(config: ServeConfig, logger: Logger): Promise<Serving> {
  const root = await encodedRoot(config);
  const socketFd = openSocket(config.listen);
  const parallel = availableParallelism() > 1;
  const worker = new DeviceWorker(
    {
      socketFd,
      storeDirectory: config.storeDirectory,
      root,
      listRoot: config.listRoot,
      showXattr: config.showXattr,
      tag: config.tag,
      requestQueues: config.requestQueues,
      exitOnDisconnect: config.exitOnDisconnect,
      // On one CPU a spinning device only keeps the guest from running.
      spinMicroseconds: parallel ? config.spinMicroseconds : 0,
      parallel,
      maxInodes: config.maxInodes,
    },
    logger,
  );
  try {
    await worker.ready;
  } catch (error) {
    removeSocket(config.listen);
    throw error;
  }
  logger.log("info", "serving", {
    store: config.storeDirectory,
    root: config.root,
    socket: config.listen.kind === "path" ? config.listen.path : `fd ${config.listen.fd}`,
  });
  return {
    ended: worker.ended.finally(() => removeSocket(config.listen)),
    stop: () => worker.stop(),
  };
}

/** Opens the store in any case, so that an absent one is reported before a socket is made. */
async function encodedRoot(config: ServeConfig): Promise<Uint8Array | undefined> {
  using store = await openDiskStore(config.storeDirectory, { create: false });
  if (config.root === undefined) return undefined;
  return encodeEntry(await findShareRoot(store, config.root));
}

function openSocket(listen: ListenAddress): number {
  if (listen.kind === "fd") return listen.fd;
  try {
    const { path, mode, group } = listen;
    return listenUnix(path, { mode, ...(group !== undefined && { group: groupOf(group) }) });
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    throw new DaemonError(error.message, { hint: LISTEN_HINTS[error.code], cause: error });
  }
}

const LISTEN_HINTS: Readonly<Record<ListenError["code"], string>> = {
  "in-use": "each virtual machine needs a socket of its own: choose another --socket-path",
  "not-a-socket": "choose another --socket-path, or remove that file",
  "name-too-long": "choose a shorter --socket-path, such as one in /run",
  "no-such-group": "getent group lists the groups",
  system: "check that the directory of --socket-path exists and can be written",
};

function groupOf(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** The socket file goes with the daemon; that somebody removed it before is no failure. */
function removeSocket(listen: ListenAddress): void {
  if (listen.kind !== "path") return;
  try {
    unlinkSync(listen.path);
  } catch {
    // It is gone, or not ours to remove any more.
  }
}

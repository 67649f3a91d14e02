/**
 * All that a writable share has beside its device thread: the layer's directory and lock, memory for
 * what is not written yet, the layer thread, and the socket by which commands talk to them.
 */
import { realpathSync, rmSync } from "node:fs";
import { EventFd, NativeBlock } from "node-vhost-user";
import type { Logger } from "../base/logger.ts";
import type { DirectoryNode } from "../castore/node.ts";
import { ControlServer } from "../layer/control-server.ts";
import type { DeviceLayerConfig } from "../layer/device-layer.ts";
import { LayerDirectory } from "../layer/layer-directory.ts";
import { controlSocketPath } from "../layer/layer-files.ts";
import { recordLayer } from "../store/upkeep/layer-record.ts";
import { LayerWorker } from "./layer-worker.ts";
import type { WritableConfig } from "./serve-config.ts";
import { temporaryLayer } from "./temporary-layer.ts";

export interface WritableShareOptions {
  readonly storeDirectory: string;
  /** The base; the caller has a lease on it. */
  readonly root: DirectoryNode;
  readonly config: WritableConfig;
  readonly logger: Logger;
}

/** Dispose of it after the device thread has ended. */
export class WritableShare implements AsyncDisposable {
  readonly directory: string;
  readonly worker: LayerWorker;
  /** The device thread's, and the layer thread's to wake it by: it outlives both. */
  readonly wake: EventFd;
  /** `port` can be transferred once. */
  readonly deviceConfig: DeviceLayerConfig;
  readonly #owned: AsyncDisposableStack;

  private constructor(
    directory: string,
    worker: LayerWorker,
    wake: EventFd,
    deviceConfig: DeviceLayerConfig,
    owned: AsyncDisposableStack,
  ) {
    this.directory = directory;
    this.worker = worker;
    this.wake = wake;
    this.deviceConfig = deviceConfig;
    this.#owned = owned;
  }

  /** @throws LayerError, StoreError, DaemonError: nothing is left then but the layer. */
  static async open(options: WritableShareOptions): Promise<WritableShare> {
    const { config, logger } = options;
    const { memoryBytes, layerBytes } = config;
    await using owned = new AsyncDisposableStack();
    const { directory, wasKilled } = openLayer(options, owned);
    const memory = owned.use(new NativeBlock(memoryBytes));
    const wake = owned.use(new EventFd());
    const worker = new LayerWorker({
      directory,
      wasKilled,
      memory,
      memoryBytes,
      wake,
      logger,
    });
    owned.defer(() => worker.end());
    await worker.ready;
    const control = await listenForCommands(directory, worker, logger);
    if (control !== undefined) owned.use(control);
    const { devicePort: port } = worker;
    const deviceConfig = {
      directory,
      memoryAddress: memory.address,
      memoryBytes,
      layerBytes,
      port,
    };
    return new WritableShare(directory, worker, wake, deviceConfig, owned.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/** A path that is too long for a socket, say, is no reason not to serve. */
async function listenForCommands(
  directory: string,
  worker: LayerWorker,
  logger: Logger,
): Promise<ControlServer | undefined> {
  try {
    return await ControlServer.listen(controlSocketPath(directory), worker, logger);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    logger.log("warn", "castorefs layer commit cannot read the layer while it is served", {
      reason,
    });
    return undefined;
  }
}

/** The directory of the layer, locked, and known to the store unless it is to vanish. */
function openLayer(
  options: WritableShareOptions,
  owned: AsyncDisposableStack,
): { directory: string; wasKilled: boolean } {
  const { storeDirectory, root, config, logger } = options;
  const directory = config.layerDirectory ?? temporaryLayer(storeDirectory);
  if (config.layerDirectory === undefined) {
    owned.defer(() => rmSync(directory, { recursive: true, force: true }));
  }
  const layer = owned.use(LayerDirectory.open(directory, { storeDirectory, root }));
  if (config.layerDirectory !== undefined) record(storeDirectory, layer, logger);
  const { wasKilled } = layer;
  return { directory: realpathSync(directory), wasKilled };
}

/** In a store that may not be written to, somebody else may collect what the layer lies upon. */
function record(
  storeDirectory: string,
  { directory, roots }: LayerDirectory,
  logger: Logger,
): void {
  try {
    recordLayer(storeDirectory, { path: realpathSync(directory), roots });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    logger.log("warn", "castorefs gc would not spare what the layer lies upon", { reason });
  }
}

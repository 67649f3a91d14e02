/**
 * The entry of a device thread: one worker per vhost-user socket, from negotiation to the used ring.
 * It blocks in epoll_wait(2) and nowhere else, and imports nothing that returns a promise.
 */
import { parentPort, workerData } from "node:worker_threads";
import { mapFile, NativeCopy } from "node-vhost-user";
import { assert } from "../base/assert.ts";
import type { Logger } from "../base/logger.ts";
import { RateLimitedLogger } from "../base/rate-limited-logger.ts";
import type { DirectoryNode } from "../castore/node.ts";
import { decodeEntry } from "../castore/proto.ts";
import { CastoreFileSystem } from "../fs/castore-file-system.ts";
import { WritableFileSystem } from "../fs/writable/writable-file-system.ts";
import type { FileSystem } from "../fuse/file-system.ts";
import { FuseServer } from "../fuse/server.ts";
import { DeviceLayer } from "../layer/device-layer.ts";
import { openDiskReader } from "../store/disk-reader.ts";
import type { LocalReader } from "../store/local-reader.ts";
import { Misses } from "../store/misses.ts";
import { ControlPort } from "./control-port.ts";
import { finishLayer } from "./layer-end.ts";
import type { DeviceThreadConfig, FromDevice } from "./messages.ts";
import { ParkedRequests } from "./parked-requests.ts";
import { PollLoop } from "./poll-loop.ts";
import { TouchLog } from "./touch-log.ts";

assert(parentPort !== null, "a device thread is a worker");
const port = parentPort;
const config = workerData as DeviceThreadConfig;

function post(message: FromDevice): void {
  port.postMessage(message);
}

const threadLogger: Logger = {
  log: (level, message, fields) => post({ kind: "log", level, message, fields }),
};

function shareRoot(): DirectoryNode | undefined {
  if (config.root === undefined) return undefined;
  const { node } = decodeEntry(config.root);
  assert(node.kind === "directory", "the control thread checked that the root is a directory");
  return node;
}

interface ServedFileSystem extends FileSystem {
  reopenBlobs(): void;
}

/** With a layer it can be written to. */
function openFileSystem(
  reader: LocalReader,
  layer: DeviceLayer | undefined,
  logger: Logger,
): ServedFileSystem {
  const { listRoot, showXattr, maxInodes } = config;
  const root = shareRoot();
  if (layer === undefined) {
    return new CastoreFileSystem(reader, { root, listRoot, showXattr, maxInodes, logger });
  }
  assert(root !== undefined, "the control thread checked that a writable share has a root");
  return new WritableFileSystem(reader, { root, layer, showXattr, maxInodes, logger });
}

function run(): void {
  const logger = new RateLimitedLogger(threadLogger);
  const misses = new Misses();
  const touches = config.recording
    ? new TouchLog((records) => post({ kind: "touched", records }))
    : undefined;
  const timeoutMilliseconds = config.sourceTimeoutMilliseconds;
  using reader = openDiskReader(config.storeDirectory, {
    mapper: { map: mapFile },
    logger,
    verify: config.verify,
    trustChunkLists: config.trustChunkLists,
    misses: timeoutMilliseconds === undefined ? undefined : misses,
    touched: touches && ((kind, bytes, start) => touches.touched(kind, bytes, start)),
  });
  using layer = config.layer && new DeviceLayer(config.layer);
  const fileSystem = openFileSystem(reader, layer, logger);
  const { modifications } = fileSystem;
  const server = new FuseServer(fileSystem, { logger });
  const parked = new ParkedRequests({
    misses,
    timeoutMilliseconds: timeoutMilliseconds ?? 0,
    logger,
    post: (wanted, unwanted) => post({ kind: "wanted", wanted, unwanted }),
    lost: () => fileSystem.reopenBlobs(),
  });
  using native = new NativeCopy();
  using control = new ControlPort({
    port,
    wakeFd: config.wakeFd,
    parked,
    touches,
    reopenBlobs: () => fileSystem.reopenBlobs(),
    trim: () => reader.trim(() => fileSystem.reopenBlobs()),
    modifications,
    layer,
  });
  using loop = new PollLoop(config, server, native, control, logger);
  post({ kind: "ready" });
  const reason = loop.run();
  if (modifications !== undefined && layer !== undefined) {
    finishLayer(modifications, layer, config.wakeFd);
    layer.flush();
  }
  touches?.flush();
  post({ kind: "ended", reason });
}

try {
  run();
} catch (error) {
  const failure = error instanceof Error ? error : new Error(String(error));
  post({ kind: "failed", message: failure.message, stack: failure.stack });
}
// The port would keep the thread alive, since its messages are taken by hand.
port.close();

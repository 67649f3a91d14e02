/**
 * The entry of a device thread: one worker per vhost-user socket, from negotiation to the used ring.
 * It blocks in poll(2) and nowhere else, and imports nothing that returns a promise.
 */
import { parentPort, workerData } from "node:worker_threads";
import { mapFile, NativeCopy } from "node-vhost-user";
import { assert } from "../base/assert.ts";
import type { Logger } from "../base/logger.ts";
import { RateLimitedLogger } from "../base/rate-limited-logger.ts";
import type { DirectoryNode } from "../castore/node.ts";
import { decodeEntry } from "../castore/proto.ts";
import { CastoreFileSystem } from "../fs/castore-file-system.ts";
import { FuseServer } from "../fuse/server.ts";
import { openDiskReader } from "../store/disk-reader.ts";
import type { DeviceThreadConfig, FromDevice } from "./messages.ts";
import { PollLoop } from "./poll-loop.ts";

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

function run(): void {
  const logger = new RateLimitedLogger(threadLogger);
  using reader = openDiskReader(config.storeDirectory, { mapper: { map: mapFile }, logger });
  const fileSystem = new CastoreFileSystem(reader, {
    root: shareRoot(),
    listRoot: config.listRoot,
    showXattr: config.showXattr,
    maxInodes: config.maxInodes,
    logger,
  });
  const server = new FuseServer(fileSystem, { logger });
  using native = new NativeCopy();
  using loop = new PollLoop(config, server, native, port, logger);
  post({ kind: "ready" });
  post({ kind: "ended", reason: loop.run() });
}

try {
  run();
} catch (error) {
  const failure = error instanceof Error ? error : new Error(String(error));
  post({ kind: "failed", message: failure.message, stack: failure.stack });
}
// The port would keep the thread alive, since its messages are taken by hand.
port.close();

/** From the options of `castorefs serve` to the configuration that the daemon runs with. */
import type { LogLevel } from "../base/logger.ts";
import { Digest } from "../castore/digest.ts";
import {
  DEVICES_MAX,
  LAYER_MEMORY_DEFAULT,
  type ListenAddress,
  type PrefetchPlan,
  type ServeConfig,
  type SourcesConfig,
  type WritableConfig,
} from "../daemon/serve-config.ts";
import type { VerifyMode } from "../store/chunk-finder.ts";
import { CommandError } from "./command-error.ts";
import { EXIT } from "./exit-codes.ts";
import { requiredStore } from "./store-option.ts";
import { parseDigest } from "./target.ts";

/** Bytes of `sun_path` without the NUL (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

export interface ServeOptions {
  readonly store?: string;
  readonly socketPath?: readonly string[];
  readonly fd?: number;
  readonly printCapabilities?: true;
  readonly socketGroup?: string;
  readonly socketMode?: number;
  readonly queues: number;
  readonly tag?: string;
  readonly root?: string;
  readonly listRoot?: true;
  readonly showXattr?: true;
  readonly exitOnDisconnect?: true;
  readonly spin: number;
  readonly maxInodes: number;
  readonly verify: VerifyMode;
  readonly source?: readonly string[];
  readonly sourceTimeout: number;
  readonly sourceConcurrency?: number;
  readonly sourceBandwidth?: number;
  readonly trustChunkLists?: true;
  readonly prefetch?: string;
  readonly record?: string;
  readonly writable?: true;
  readonly layer?: string;
  readonly layerMemory?: number;
  readonly layerSize?: number;
  readonly logLevel: LogLevel;
}

/** @throws CommandError when options are missing or contradict one another. */
export function serveConfig(options: ServeOptions): ServeConfig {
  const { root } = options;
  if (root !== undefined && Digest.looksLike(root)) parseDigest(root);
  const sources = sourcesConfig(options);
  const writable = writableConfig(options);
  return Object.freeze({
    storeDirectory: requiredStore(options.store),
    listen: listenAddresses(options),
    requestQueues: options.queues,
    ...(options.tag === undefined ? {} : { tag: options.tag }),
    ...(root === undefined ? {} : { root }),
    listRoot: options.listRoot ?? false,
    showXattr: options.showXattr ?? false,
    exitOnDisconnect: options.exitOnDisconnect ?? false,
    spinMicroseconds: options.spin,
    maxInodes: options.maxInodes,
    verify: options.verify,
    ...(sources === undefined ? {} : { sources }),
    ...(options.record === undefined ? {} : { recordPath: options.record }),
    ...(writable === undefined ? {} : { writable }),
  });
}

function sourcesConfig(options: ServeOptions): SourcesConfig | undefined {
  const { source, sourceConcurrency, sourceBandwidth, prefetch } = options;
  if (source === undefined) {
    if (prefetch !== undefined) throw needsSource("--prefetch");
    if (options.trustChunkLists) throw needsSource("--trust-chunk-lists");
    return undefined;
  }
  return Object.freeze({
    addresses: Object.freeze([...source]),
    timeoutSeconds: options.sourceTimeout,
    trustChunkLists: options.trustChunkLists ?? false,
    ...(sourceConcurrency === undefined ? {} : { concurrency: sourceConcurrency }),
    ...(sourceBandwidth === undefined ? {} : { bytesPerSecond: sourceBandwidth }),
    ...(prefetch === undefined ? {} : { prefetch: prefetchPlan(prefetch, options.root) }),
  });
}

function writableConfig(options: ServeOptions): WritableConfig | undefined {
  const { writable, layer, layerMemory, layerSize, root, socketPath = [] } = options;
  if (writable === undefined) {
    if (layer !== undefined) throw needsWritable("--layer");
    if (layerMemory !== undefined) throw needsWritable("--layer-memory");
    if (layerSize !== undefined) throw needsWritable("--layer-size");
    return undefined;
  }
  if (root === undefined) {
    throw usage("--writable needs a root", "give --root NAME or DIGEST, too");
  }
  if (socketPath.length > 1) {
    throw usage(
      "a writable share is for one virtual machine",
      "start a daemon for each, with a layer of its own; all may use the same store",
    );
  }
  return Object.freeze({
    memoryBytes: layerMemory ?? LAYER_MEMORY_DEFAULT,
    layerBytes: layerSize,
    ...(layer === undefined ? {} : { layerDirectory: layer }),
  });
}

function prefetchPlan(text: string, root: string | undefined): PrefetchPlan {
  if (text !== "all" && text !== "metadata")
    return Object.freeze({ kind: "recording", path: text });
  if (root === undefined) {
    throw usage(
      `--prefetch ${text} needs a root`,
      `give --root, too; a recording of that name is ./${text}`,
    );
  }
  return Object.freeze({ kind: text });
}

function listenAddresses(options: ServeOptions): readonly ListenAddress[] {
  const { socketPath = [], fd, socketGroup, socketMode } = options;
  if (socketPath.length === 0 && fd === undefined) {
    throw usage("no socket to serve on", "give --socket-path PATH, or --fd NUMBER");
  }
  if (socketPath.length > 0 && fd !== undefined) {
    throw usage("--socket-path and --fd exclude one another", "give one of them");
  }
  if (fd !== undefined) {
    if (socketGroup !== undefined || socketMode !== undefined) {
      throw usage(
        "--socket-group and --socket-mode need --socket-path",
        "an inherited socket has its owner and mode already",
      );
    }
    return Object.freeze([Object.freeze({ kind: "fd", fd })]);
  }
  if (socketPath.length > DEVICES_MAX) {
    throw usage(
      `one daemon serves ${DEVICES_MAX} virtual machines at the most`,
      "start another for the others; both may use the same store",
    );
  }
  const twice = socketPath.find((path, index) => socketPath.indexOf(path) !== index);
  if (twice !== undefined) {
    throw usage(`${twice} is given twice`, "each virtual machine needs a socket of its own");
  }
  return Object.freeze(
    socketPath.map((path) =>
      Object.freeze({
        kind: "path",
        path: checkedPath(path),
        mode: socketMode ?? 0o660,
        ...(socketGroup === undefined ? {} : { group: socketGroup }),
      }),
    ),
  );
}

function checkedPath(path: string): string {
  if (path !== "" && Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  throw usage(
    `a socket's path has 1 to ${SOCKET_PATH_BYTES_MAX} bytes, not ${Buffer.byteLength(path)}`,
    "choose a shorter directory, such as /run",
  );
}

function needsWritable(option: string): CommandError {
  return usage(`${option} needs a share that can be written to`, "give --writable, too");
}

function needsSource(option: string): CommandError {
  return usage(`${option} needs a source`, "give --source ADDRESS, too");
}

function usage(message: string, hint: string): CommandError {
  return new CommandError(EXIT.usage, message, { hint });
}

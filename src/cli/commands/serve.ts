/** `castorefs serve`: options to a validated, frozen ServeConfig; signals to a clean end. */
import { type Command, Option } from "commander";
import type { LogLevel } from "../../base/logger.ts";
import { Digest } from "../../castore/digest.ts";
import {
  INODES_DEFAULT,
  type ListenAddress,
  REQUEST_QUEUES_MAX,
  type ServeConfig,
  SPIN_MICROSECONDS_MAX,
  TAG_BYTES_MAX,
} from "../../daemon/serve-config.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { examples } from "../help-text.ts";
import { permissionBits, shortText, wholeNumber } from "../option-values.ts";
import { LOG_LEVELS, StderrLogger } from "../stderr-logger.ts";
import { requiredStore, storeOption } from "../store-option.ts";
import { parseDigest } from "../target.ts";

const SPIN_MICROSECONDS_DEFAULT = 50;
const INODES_MIN = 1000;
/** What the inode table holds (fs/inode-table.ts). */
export const INODES_MAX = 1 << 22;

/** Bytes of `sun_path` without the NUL (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

interface ServeOptions {
  readonly store?: string;
  readonly socketPath?: string;
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
  readonly logLevel: LogLevel;
}

export function addServe(program: Command, context: Context): void {
  program
    .command("serve")
    .summary("serve a store to a virtual machine over a vhost-user socket")
    .description(
      "Serves a store as a virtio-fs device over a vhost-user socket, one virtual machine at a " +
        "time, until SIGTERM or SIGINT.",
    )
    .addOption(storeOption())
    .option("--socket-path <path>", "listen on a unix socket made here")
    .addOption(
      new Option("--fd <number>", "use an inherited unix socket, listening or connected").argParser(
        wholeNumber(0, 1_048_576),
      ),
    )
    .option("--print-capabilities", "print what this back end can do, as JSON for QEMU, and exit")
    .option("--socket-group <group>", "give the socket to this group")
    .addOption(
      new Option("--socket-mode <octal>", "permissions of the socket (default: 0660)").argParser(
        permissionBits,
      ),
    )
    .addOption(
      new Option("--queues <number>", "request queues")
        .default(1)
        .argParser(wholeNumber(1, REQUEST_QUEUES_MAX)),
    )
    .addOption(
      new Option("--tag <tag>", "tell the guest this mount tag").argParser(
        shortText(TAG_BYTES_MAX),
      ),
    )
    .option("--root <name|digest>", "share this directory (default: all roots, by name)")
    .option("--list-root", "allow listing a share of all roots")
    .option("--show-xattr", "show digests as extended attributes")
    .option("--exit-on-disconnect", "end when the virtual machine disconnects")
    .addOption(
      new Option("--spin <microseconds|off>", "look for more requests this long before sleeping")
        .default(SPIN_MICROSECONDS_DEFAULT)
        .argParser((text) => (text === "off" ? 0 : wholeNumber(0, SPIN_MICROSECONDS_MAX)(text))),
    )
    .addOption(
      new Option("--max-inodes <number>", "inodes a guest may keep looked up")
        .default(INODES_DEFAULT)
        .argParser(wholeNumber(INODES_MIN, INODES_MAX)),
    )
    .addOption(
      new Option("--log-level <level>", "log from this level on")
        .choices(LOG_LEVELS)
        .default("info"),
    )
    .addHelpText(
      "after",
      examples(
        "castorefs serve --store /srv/store --socket-path /run/vm1.sock --root debian",
        "castorefs serve --store /srv/store --socket-path /run/vm2.sock --list-root --queues 4",
        "castorefs serve --print-capabilities",
      ),
    )
    .action((options: ServeOptions) => serve(options, context));
}

async function serve(options: ServeOptions, { out, err }: Context): Promise<void> {
  if (options.printCapabilities) return out.json({ type: "fs" });
  const config = serveConfig(options);
  const logger = new StderrLogger(options.logLevel, (line) => {
    void err.write(line);
    void err.flush();
  });
  // Loaded here, so that other commands start without the native libraries.
  const { startServe } = await import("../../daemon/serve.ts");
  // A signal may come while the device thread starts, when the socket is there already.
  const signalled = Promise.withResolvers<void>();
  process.once("SIGTERM", signalled.resolve);
  process.once("SIGINT", signalled.resolve);
  const serving = await startServe(config, logger).catch(explainNative);
  void signalled.promise.then(() => serving.stop());
  await serving.ended;
}

/** The libraries are built, not shipped: their absence is no bug. */
function explainNative(error: unknown): never {
  if (!(error instanceof Error) || error.name !== "NativeLibraryError") throw error;
  throw new CommandError(EXIT.serve, error.message, { hint: "run make build", cause: error });
}

/** @throws CommandError when options are missing or contradict one another. */
export function serveConfig(options: ServeOptions): ServeConfig {
  const { root } = options;
  if (root !== undefined && Digest.looksLike(root)) parseDigest(root);
  return Object.freeze({
    storeDirectory: requiredStore(options.store),
    listen: listenAddress(options),
    requestQueues: options.queues,
    ...(options.tag === undefined ? {} : { tag: options.tag }),
    ...(root === undefined ? {} : { root }),
    listRoot: options.listRoot ?? false,
    showXattr: options.showXattr ?? false,
    exitOnDisconnect: options.exitOnDisconnect ?? false,
    spinMicroseconds: options.spin,
    maxInodes: options.maxInodes,
  });
}

function listenAddress(options: ServeOptions): ListenAddress {
  const { socketPath, fd, socketGroup, socketMode } = options;
  if (socketPath === undefined && fd === undefined) {
    throw usage("no socket to serve on", "give --socket-path PATH, or --fd NUMBER");
  }
  if (socketPath !== undefined && fd !== undefined) {
    throw usage("--socket-path and --fd exclude one another", "give one of them");
  }
  if (fd !== undefined) {
    if (socketGroup !== undefined || socketMode !== undefined) {
      throw usage(
        "--socket-group and --socket-mode need --socket-path",
        "an inherited socket has its owner and mode already",
      );
    }
    return Object.freeze({ kind: "fd", fd });
  }
  const path = socketPath ?? "";
  if (path === "" || Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw usage(
      `a socket's path has 1 to ${SOCKET_PATH_BYTES_MAX} bytes, not ${Buffer.byteLength(path)}`,
      "choose a shorter directory, such as /run",
    );
  }
  return Object.freeze({
    kind: "path",
    path,
    mode: socketMode ?? 0o660,
    ...(socketGroup === undefined ? {} : { group: socketGroup }),
  });
}

function usage(message: string, hint: string): CommandError {
  return new CommandError(EXIT.usage, message, { hint });
}

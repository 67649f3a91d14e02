/** `castorefs serve`: options to a validated, frozen ServeConfig; signals to a clean end. */
import { type Command, Option } from "commander";
import {
  INODES_DEFAULT,
  LAYER_MEMORY_MAX,
  LAYER_MEMORY_MIN,
  LAYER_SIZE_MAX,
  LAYER_SIZE_MIN,
  REQUEST_QUEUES_MAX,
  SOURCE_TIMEOUT_SECONDS_DEFAULT,
  SOURCE_TIMEOUT_SECONDS_MAX,
  SPIN_MICROSECONDS_MAX,
  TAG_BYTES_MAX,
} from "../../daemon/serve-config.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { examples } from "../help-text.ts";
import { byteCount, permissionBits, shortText, wholeNumber } from "../option-values.ts";
import { type ServeOptions, serveConfig } from "../serve-config.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { LOG_LEVELS, StderrLogger } from "../stderr-logger.ts";
import { storeOption } from "../store-option.ts";

const SPIN_MICROSECONDS_DEFAULT = 50;
const INODES_MIN = 1000;
/** What the inode table holds (fs/inode-table.ts). */
export const INODES_MAX = 1 << 22;
/** Requests to one source at a time: fewer would let what is not urgent hold up what is. */
const SOURCE_CONCURRENCY_MIN = 4;
const SOURCE_CONCURRENCY_MAX = 256;
const SOURCE_BANDWIDTH_MIN = 64 * 1024;
const SOURCE_BANDWIDTH_MAX = 2 ** 40;

export function addServe(program: Command, context: Context): void {
  const command = program
    .command("serve")
    .summary("serve a store to virtual machines over vhost-user sockets")
    .description(
      "Serves a store as a virtio-fs device over a vhost-user socket, one virtual machine at a " +
        "time, until SIGTERM or SIGINT; with several sockets as many machines at once. With " +
        "sources the store is a cache: what it lacks is fetched when it is read, verified, and " +
        "kept; it is made when there is none.",
    )
    .addOption(storeOption());
  addSocketOptions(command);
  addShareOptions(command);
  addLayerOptions(command);
  addSourceOptions(command);
  command
    .addOption(
      new Option("--log-level <level>", "log from this level on")
        .choices(LOG_LEVELS)
        .default("info"),
    )
    .addHelpText("after", SOURCES_HELP)
    .addHelpText(
      "after",
      examples(
        "castorefs serve --store /srv/store --socket-path /run/vm1.sock --root debian",
        "castorefs serve --store /srv/store --socket-path /run/vm2.sock --list-root --queues 4",
        "castorefs serve --store /srv/store --socket-path /run/vm4.sock --root debian \\",
        "    --writable --layer /var/lib/vm4",
        "castorefs serve --store /var/cache/castore --source grpc+http://builder:8000 \\",
        "    --socket-path /run/vm3.sock --root blake3-...",
        "castorefs serve --print-capabilities",
      ),
    )
    .action((options: ServeOptions) => serve(options, context));
}

function addSocketOptions(command: Command): void {
  command
    .addOption(
      new Option(
        "--socket-path <path>",
        "listen on a unix socket made here; again for more machines",
      ).argParser((path, before: readonly string[] | undefined) => [...(before ?? []), path]),
    )
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
    .option("--exit-on-disconnect", "end when the last virtual machine disconnects")
    .addOption(
      new Option("--spin <microseconds|off>", "look for more requests this long before sleeping")
        .default(SPIN_MICROSECONDS_DEFAULT)
        .argParser((text) => (text === "off" ? 0 : wholeNumber(0, SPIN_MICROSECONDS_MAX)(text))),
    );
}

function addShareOptions(command: Command): void {
  command
    .option("--root <name|digest>", "share this directory (default: all roots, by name)")
    .option("--list-root", "allow listing a share of all roots")
    .option("--show-xattr", "show digests as extended attributes")
    .addOption(
      new Option("--max-inodes <number>", "inodes a guest may keep looked up")
        .default(INODES_DEFAULT)
        .argParser(wholeNumber(INODES_MIN, INODES_MAX)),
    )
    .addOption(
      new Option("--verify <when>", "when chunks are compared with their digests")
        .choices(["entry", "first-read", "always"])
        .default("first-read"),
    )
    .option("--record <file>", "write down what is read first, for --prefetch");
}

function addLayerOptions(command: Command): void {
  command
    .option("--writable", "let the virtual machine change the share; the store stays as it is")
    .option("--layer <dir>", "keep the changes there (default: they vanish with the daemon)")
    .addOption(
      new Option(
        "--layer-memory <bytes>",
        "memory for what is not on the disk yet (default: 256M)",
      ).argParser(byteCount(LAYER_MEMORY_MIN, LAYER_MEMORY_MAX)),
    )
    .addOption(
      new Option("--layer-size <bytes>", "what the changes may take on the disk").argParser(
        byteCount(LAYER_SIZE_MIN, LAYER_SIZE_MAX),
      ),
    );
}

function addSourceOptions(command: Command): void {
  command
    .addOption(sourceOption())
    .addOption(
      new Option("--source-timeout <seconds>", "fail a read that sources keep waiting so long")
        .default(SOURCE_TIMEOUT_SECONDS_DEFAULT)
        .argParser(wholeNumber(1, SOURCE_TIMEOUT_SECONDS_MAX)),
    )
    .addOption(
      new Option("--source-concurrency <number>", "requests to one source at a time").argParser(
        wholeNumber(SOURCE_CONCURRENCY_MIN, SOURCE_CONCURRENCY_MAX),
      ),
    )
    .addOption(
      new Option("--source-bandwidth <bytes>", "bytes a second from one source").argParser(
        byteCount(SOURCE_BANDWIDTH_MIN, SOURCE_BANDWIDTH_MAX),
      ),
    )
    .option(
      "--trust-chunk-lists",
      "read large files chunk by chunk before the list of their chunks is proven",
    )
    .option("--prefetch <file|all|metadata>", "fetch ahead what was recorded, or all");
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
  // A signal may come while the device thread starts, when the socket is there already, or while the
  // root is being fetched.
  const signalled = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => signalled.abort());
  const serving = await startServe(config, logger, signalled.signal).catch((error: unknown) => {
    if (error === signalled.signal.reason) return undefined;
    return explainNative(error);
  });
  if (signalled.signal.aborted) serving?.stop();
  signalled.signal.addEventListener("abort", () => serving?.stop());
  await serving?.ended;
}

/** The libraries are built, not shipped: their absence is no bug. */
function explainNative(error: unknown): never {
  if (!(error instanceof Error) || error.name !== "NativeLibraryError") throw error;
  throw new CommandError(EXIT.serve, error.message, { hint: "run make build", cause: error });
}

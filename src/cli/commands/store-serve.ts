/** `castorefs store serve`: a store as a gRPC server. */
import { type Command, Option } from "commander";
import type { Logger, LogLevel } from "../../base/logger.ts";
import { StoreError } from "../../store/errors.ts";
import {
  isLocal,
  type ListenAddress,
  parseListenAddress,
} from "../../store/grpc/listen-address.ts";
import type { Store } from "../../store/services.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { examples } from "../help-text.ts";
import { permissionBits } from "../option-values.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { LOG_LEVELS, StderrLogger } from "../stderr-logger.ts";
import { requiredStore, storeOption } from "../store-option.ts";

interface StoreServeOptions {
  readonly store?: string;
  readonly listen?: string;
  readonly source?: readonly string[];
  readonly allowRemote?: true;
  readonly readOnly?: true;
  readonly socketMode: number;
  readonly logLevel: LogLevel;
}

export function addStoreServe(program: Command, context: Context): void {
  program
    .command("store")
    .summary("offer a store to other hosts and tools")
    .description("Offers a store to other hosts and tools.")
    .command("serve")
    .summary("serve a store over gRPC, as snix-store does")
    .description(
      "Serves a store over gRPC until SIGTERM or SIGINT: BlobService and DirectoryService of " +
        "snix.castore.v1 and tvix.castore.v1, with health and reflection. Prints the address once " +
        "it listens. There is no authentication: whoever reaches the address may read, and, " +
        "unless --read-only is given, write. What is uploaded belongs to no root: castorefs gc " +
        "removes it unless something names it. With sources it serves what they have as well, and " +
        "keeps it.",
    )
    .addOption(storeOption())
    .option("--listen <address>", "listen on unix:/PATH, HOST:PORT or [IPV6]:PORT (0: any port)")
    .addOption(sourceOption())
    .option("--allow-remote", "allow an address that other hosts can reach")
    .option("--read-only", "refuse uploads")
    .addOption(
      new Option("--socket-mode <octal>", "permissions of a unix socket")
        .default(0o660, "0660")
        .argParser(permissionBits),
    )
    .addOption(
      new Option("--log-level <level>", "log from this level on")
        .choices(LOG_LEVELS)
        .default("info"),
    )
    .addHelpText(
      "after",
      examples(
        "castorefs store serve --store /srv/store --listen unix:/run/castore.sock",
        "castorefs store serve --store /srv/store --listen 127.0.0.1:8000 --read-only",
        "castorefs store serve --store ~/cache --listen unix:/run/castore.sock \\",
        "    --source grpc+http://builder:8000",
      ),
    )
    .addHelpText("after", SOURCES_HELP)
    .action((options: StoreServeOptions) => storeServe(options, context));
}

async function storeServe(options: StoreServeOptions, { out, err }: Context): Promise<void> {
  const directory = requiredStore(options.store);
  const listen = listenAddress(options);
  const readOnly = options.readOnly ?? false;
  const logger = new StderrLogger(options.logLevel, (line) => {
    void err.write(line);
    void err.flush();
  });
  // A signal may come before the server is up.
  const signalled = Promise.withResolvers<void>();
  process.once("SIGTERM", signalled.resolve);
  process.once("SIGINT", signalled.resolve);
  // Loaded here, so that other commands do not wait for it.
  const { startCastoreServer } = await import("../../store/grpc/castore-server.ts");
  await using opened = new AsyncDisposableStack();
  const store = await openServed(directory, options, logger, opened);
  const { openStoreFiller } = await import("../../store/disk-filler.ts");
  const filler = readOnly ? undefined : opened.use(openStoreFiller(directory));
  const { socketMode } = options;
  await using server = await startCastoreServer(store, {
    listen,
    logger,
    socketMode,
    readOnly,
    ...(filler === undefined ? {} : { filler }),
  }).catch(cannotListen);
  await out.line(`listening on ${server.address}`);
  await out.flush();
  await signalled.promise;
}

/** The store, alone or with the sources that fill it. */
async function openServed(
  directory: string,
  { source = [], readOnly }: StoreServeOptions,
  logger: Logger,
  opened: AsyncDisposableStack,
): Promise<Store> {
  const { openDiskStore } = await import("../../store/disk-store.ts");
  const create = readOnly !== true || source.length > 0;
  const store = opened.use(openDiskStore(directory, { create }));
  if (source.length === 0) return store;
  const { openFetcher } = await import("../../store/tiers/open-fetcher.ts");
  const { openComposedStore } = await import("../../store/tiers/composed-store.ts");
  return openComposedStore(store, opened.use(await openFetcher(directory, source, { logger })));
}

/** @throws CommandError */
function listenAddress({ listen, allowRemote }: StoreServeOptions): ListenAddress {
  if (listen === undefined) {
    throw usage("no address to listen on", "give --listen unix:/PATH, or --listen HOST:PORT");
  }
  let address: ListenAddress;
  try {
    address = parseListenAddress(listen);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw usage(error.message, error.remedy);
  }
  if (isLocal(address) || allowRemote === true) return address;
  throw usage(
    `other hosts can reach ${listen}, and there is no authentication`,
    "listen on 127.0.0.1 or on a unix socket, or say --allow-remote",
  );
}

function cannotListen(error: unknown): never {
  if (!(error instanceof StoreError)) throw error;
  throw new CommandError(EXIT.serve, error.message, { hint: error.remedy, cause: error });
}

function usage(message: string, hint: string | undefined): CommandError {
  return new CommandError(EXIT.usage, message, { hint });
}

/** A gRPC server that offers a store as castore's services, with health and reflection. */
import {
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { HealthImplementation } from "grpc-health-check";
import "./quiet-grpc.ts";
import type { Logger } from "../../base/logger.ts";
import type { Store } from "../services.ts";
import type { StoreFiller } from "../store-filler.ts";
import { blobHandlers, serializePiece } from "./blob-handlers.ts";
import { CallHandlers } from "./call-handler.ts";
import {
  CASTORE_PACKAGES,
  CASTORE_SERVICES,
  type CastorePackage,
  type CastoreService,
  methodPath,
} from "./castore-rpc.ts";
import { directoryHandlers } from "./directory-handlers.ts";
import { type ListenAddress, listenAddressText } from "./listen-address.ts";
import { receiveUploads, type UploadLimits } from "./receive-upload.ts";
import { boundedReceiving } from "./received-messages.ts";
import { reflectionSchema } from "./reflection-schema.ts";
import { listen, type ServerSocket } from "./server-socket.ts";
import { SharedWriter } from "./shared-writer.ts";

/** Bytes of a message to the server; it sends larger ones, where a directory is that large. */
export const REQUEST_BYTES_MAX = 64 * 1024 * 1024;
/** Calls of one connection at a time. */
export const CALLS_MAX = 128;
/** How long calls under way may go on once the server is to stop. */
export const STOP_MILLISECONDS_MAX = 10_000;
const KEEPALIVE_MILLISECONDS = 60_000;
const KEEPALIVE_PATIENCE_MILLISECONDS = 20_000;
const SOCKET_MODE_DEFAULT = 0o660;

export interface CastoreServerOptions {
  readonly listen: ListenAddress;
  readonly logger: Logger;
  /** Permissions of a unix socket. */
  readonly socketMode?: number;
  /** Refuses uploads. */
  readonly readOnly?: boolean;
  /** Takes directories whose contents are not all there; without it they are refused. */
  readonly filler?: StoreFiller;
  readonly limits?: ServerLimits;
}

/** Other limits, for tests. */
export interface ServerLimits extends UploadLimits {
  readonly stopMillisecondsMax?: number;
}

export interface CastoreServer extends AsyncDisposable {
  /** Where it listens, with the port that was chosen for port 0. */
  readonly address: string;
  /** Takes no more calls, and ends when those under way have ended, or after some seconds. */
  stop(): Promise<void>;
}

/**
 * Serves `store`, which the caller closes after `stop`. There is no authentication: whoever reaches
 * the address may read everything whose digest is known, and write.
 * @throws StoreError when it cannot listen.
 */
export async function startCastoreServer(
  store: Pick<Store, "blobs" | "directories" | "openWriter">,
  options: CastoreServerOptions,
): Promise<CastoreServer> {
  const { logger, limits = {} } = options;
  const patience = limits.stopMillisecondsMax ?? STOP_MILLISECONDS_MAX;
  const writer = options.readOnly === true ? undefined : new SharedWriter(store);
  const receive = receiveUploads(writer, limits);
  const handlers = new CallHandlers(logger);
  const server = new Server(SERVER_OPTIONS);
  const implementations: Readonly<Record<CastoreService, UntypedServiceImplementation>> = {
    BlobService: blobHandlers(handlers, store.blobs, receive),
    DirectoryService: directoryHandlers(handlers, store.directories, options.filler, receive),
  };
  for (const name of CASTORE_PACKAGES) {
    for (const [service, methods] of Object.entries(implementations)) {
      server.addService(definition(name, service as CastoreService), methods);
    }
  }
  const health = addHealth(server);
  new ReflectionService(reflectionSchema()).addToServer(server);
  const connections = server.createConnectionInjector(ServerCredentials.createInsecure());
  const socket = await listen(options.listen, {
    mode: options.socketMode ?? SOCKET_MODE_DEFAULT,
    onConnection: (connection) => connections.injectConnection(connection),
    onTooMany: () => logger.log("warn", "connection refused: there are too many"),
  });
  const address = listenAddressText(socket.address);
  logger.log("info", "listening", { address, readOnly: options.readOnly === true });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= shutDown(server, socket, health, patience).then((graceful) => {
      writer?.[Symbol.dispose]();
      logger.log("info", "stopped", { address, graceful });
    });
    return stopped;
  };
  return { address, stop, [Symbol.asyncDispose]: stop };
}

const OUR_PATHS: ReadonlySet<string> = new Set(
  CASTORE_PACKAGES.flatMap((name) =>
    serviceNames().flatMap((service) =>
      CASTORE_SERVICES[service].map((method) => methodPath(name, service, method)),
    ),
  ),
);

const SERVER_OPTIONS: ServerOptions = {
  "grpc.max_receive_message_length": REQUEST_BYTES_MAX,
  "grpc.max_concurrent_streams": CALLS_MAX,
  "grpc.keepalive_time_ms": KEEPALIVE_MILLISECONDS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_PATIENCE_MILLISECONDS,
  "grpc.enable_channelz": 0,
  interceptors: [boundedReceiving((path) => OUR_PATHS.has(path))],
};

function serviceNames(): CastoreService[] {
  return Object.keys(CASTORE_SERVICES) as CastoreService[];
}

/** Handlers decode and, mostly, encode themselves: here messages are bytes. */
function definition(packageName: CastorePackage, service: CastoreService): ServiceDefinition {
  const methods: Record<string, MethodDefinition<Buffer, Buffer>> = {};
  for (const method of CASTORE_SERVICES[service]) {
    methods[method] = {
      path: methodPath(packageName, service, method),
      requestStream: method === "Put",
      responseStream: method === "Read" || method === "Get",
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: method === "Read" ? serializePiece : same,
      responseDeserialize: same,
    };
  }
  return methods;
}

function addHealth(server: Server): HealthImplementation {
  const health = new HealthImplementation();
  setHealth(health, "SERVING");
  health.addToServer(server);
  return health;
}

/** Of the server as a whole, which has an empty name, and of each service. */
function setHealth(health: HealthImplementation, state: "SERVING" | "NOT_SERVING"): void {
  health.setStatus("", state);
  for (const name of CASTORE_PACKAGES) {
    for (const service of serviceNames()) health.setStatus(`${name}.${service}`, state);
  }
}

/** False: calls had to be cut off. */
async function shutDown(
  server: Server,
  socket: ServerSocket,
  health: HealthImplementation,
  patience: number,
): Promise<boolean> {
  setHealth(health, "NOT_SERVING");
  const closed = socket.close().then(() => true);
  // Its callback comes too early on Node 24; but a connection ends once its calls have ended.
  server.tryShutdown(() => {});
  const timer = Promise.withResolvers<false>();
  const timeout = setTimeout(() => timer.resolve(false), patience);
  const graceful = await Promise.race([closed, timer.promise]);
  clearTimeout(timeout);
  server.forceShutdown();
  socket.destroyConnections();
  await closed;
  return graceful;
}

function same(bytes: Buffer): Buffer {
  return bytes;
}

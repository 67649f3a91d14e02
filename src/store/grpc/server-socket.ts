/** The listening socket of a server. */
import { lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { StoreError } from "../errors.ts";
import { type ListenAddress, listenAddressText } from "./listen-address.ts";

/** Connections at a time; more are closed at once. */
export const CONNECTIONS_MAX = 256;

export interface ServerSocket {
  /** Where it really listens: with the port that was chosen for port 0. */
  readonly address: ListenAddress;
  /** Takes no more connections, and takes the socket file away; settles when none is left. */
  close(): Promise<void>;
  /** Cuts off the connections that there are. */
  destroyConnections(): void;
}

export interface ServerSocketOptions {
  /** Permissions of a unix socket. */
  readonly mode: number;
  onConnection(socket: Socket): void;
  /** There are CONNECTIONS_MAX already. */
  onTooMany(): void;
}

/** @throws StoreError when it cannot listen there. */
export async function listen(
  address: ListenAddress,
  options: ServerSocketOptions,
): Promise<ServerSocket> {
  const connections = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    options.onConnection(socket);
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("drop", options.onTooMany);
  try {
    await bind(server, address, options.mode);
  } catch (error) {
    if (address.kind !== "unix" || !(await isAbandoned(address.path, error))) {
      throw failure(address, error);
    }
    unlinkSync(address.path);
    await bind(server, address, options.mode).catch((again: unknown) => {
      throw failure(address, again);
    });
  }
  // From now on only accept(2) can fail: too many open files, say. The next one may work.
  server.on("error", () => {});
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  return {
    address: address.kind === "tcp" ? { ...address, port } : address,
    close: () => new Promise((resolve) => server.close(() => resolve())),
    destroyConnections() {
      for (const connection of connections) connection.destroy();
    },
  };
}

function bind(server: Server, address: ListenAddress, mode: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.once("listening", () => {
    server.off("error", reject);
    resolve();
  });
  if (address.kind === "tcp") {
    server.listen(address.port, address.host);
  } else {
    // The socket file is made in this very call, so that it never has more permissions.
    const umask = process.umask(0o777 & ~mode);
    try {
      server.listen(address.path);
    } finally {
      process.umask(umask);
    }
  }
  return promise;
}

/** A socket file that a server left behind which was killed. */
async function isAbandoned(path: string, error: unknown): Promise<boolean> {
  if (codeOf(error) !== "EADDRINUSE") return false;
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path, () => resolve(false));
  socket.once("error", (refused) => resolve(codeOf(refused) === "ECONNREFUSED"));
  return await promise.finally(() => socket.destroy());
}

function failure(address: ListenAddress, error: unknown): StoreError {
  const code = codeOf(error);
  const reason =
    code === "EADDRINUSE"
      ? "something else listens there already"
      : error instanceof Error
        ? error.message
        : String(error);
  const remedy = code === "EADDRINUSE" ? "end the other one, or choose another address" : undefined;
  return new StoreError(`cannot listen on ${listenAddressText(address)}: ${reason}`, {
    cause: error,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

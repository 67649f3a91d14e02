/** A server and a source that speaks to it, over a unix socket, for as long as a test runs. */
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Logger, silentLogger } from "../../../src/base/logger.ts";
import type { CastoreServerOptions } from "../../../src/store/grpc/castore-server.ts";
import { type CastoreServer, startCastoreServer } from "../../../src/store/grpc/castore-server.ts";
import { openGrpcSource } from "../../../src/store/grpc/grpc-source.ts";
import type { Store } from "../../../src/store/services.ts";
import type { Source } from "../../../src/store/source.ts";
import { temporaryFolder } from "../temporary.ts";

export interface Serving {
  readonly server: CastoreServer;
  readonly source: Source;
  readonly path: string;
}

type Served = Pick<Store, "blobs" | "directories" | "openWriter">;
type Options = Partial<Omit<CastoreServerOptions, "listen">>;

export async function serving(store: Served, options: Options = {}): Promise<Serving> {
  const path = join(temporaryFolder(), "socket");
  const server = await serveAt(path, store, options);
  return { server, source: await sourceAt(path), path };
}

export async function serveAt(
  path: string,
  store: Served,
  options: Options & { readonly logger?: Logger } = {},
): Promise<CastoreServer> {
  const server = await startCastoreServer(store, {
    listen: { kind: "unix", path },
    logger: silentLogger,
    ...options,
  });
  onTestFinished(async () => await server.stop());
  return server;
}

export async function sourceAt(path: string, timeoutMilliseconds = 20_000): Promise<Source> {
  const source = await openGrpcSource(new URL(`grpc+unix:${path}`), { timeoutMilliseconds });
  onTestFinished(async () => await source[Symbol.asyncDispose]());
  return source;
}

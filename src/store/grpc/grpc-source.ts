/** A gRPC server with castore's services, as a source. */
import type { Source, SourceOptions } from "../source.ts";
import { parseGrpcAddress } from "./grpc-address.ts";
import { GrpcBlobs } from "./grpc-blobs.ts";
import { GrpcChannel } from "./grpc-channel.ts";
import { GrpcDirectories } from "./grpc-directories.ts";

/**
 * Connects when it is first asked for something, and again whenever the server went away.
 * @throws StoreError when `url` is no address of a gRPC server.
 */
export async function openGrpcSource(url: URL, options: SourceOptions): Promise<Source> {
  const channel = new GrpcChannel(parseGrpcAddress(url), options.timeoutMilliseconds);
  return {
    name: channel.name,
    blobs: new GrpcBlobs(channel),
    directories: new GrpcDirectories(channel),
    [Symbol.asyncDispose]: async () => channel[Symbol.dispose](),
  };
}

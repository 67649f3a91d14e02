/**
 * The services through codecs that protobufjs generates from castore.proto: what any other
 * implementation sends and expects, without a line of ours in between.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  Client,
  credentials,
  type MethodDefinition,
  type ServiceDefinition,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "../temporary.ts";

const SCHEMA = fileURLToPath(new URL("castore.proto", import.meta.url));

export const PACKAGES = ["snix.castore.v1", "tvix.castore.v1"];

/** A message as plain values; bytes are Buffers, sizes are numbers. */
export type Plain = Record<string, unknown>;

/** `BlobService` and `DirectoryService` of a package, as grpc-js wants them. */
export function generatedServices(packageName: string): Record<string, ServiceDefinition> {
  const path = join(temporaryFolder(), "castore.proto");
  writeFileSync(path, readFileSync(SCHEMA, "utf8").replace("PACKAGE", packageName));
  const loaded = loadSync(path, { keepCase: true, longs: Number, defaults: true });
  return {
    BlobService: loaded[`${packageName}.BlobService`] as ServiceDefinition,
    DirectoryService: loaded[`${packageName}.DirectoryService`] as ServiceDefinition,
  };
}

/** What a call came to: the status, and the messages before it. */
export interface Ended {
  readonly code: string;
  readonly details: string;
  readonly messages: readonly Plain[];
}

export class GeneratedClient {
  readonly #client: Client;
  readonly #services: Record<string, ServiceDefinition>;

  constructor(path: string, packageName: string) {
    this.#client = new Client(`unix:${path}`, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
    });
    this.#services = generatedServices(packageName);
    onTestFinished(() => this.#client.close());
  }

  /** Calls `Service.Method` with one message. */
  call(name: string, request: Plain): Promise<Ended> {
    const method = this.#method(name);
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const messages: Plain[] = [];
    const end = (error: ServiceError | null) => resolve(ended(error, messages));
    const { path, requestSerialize: encode, responseDeserialize: decode } = method;
    if (method.responseStream) {
      const call = this.#client.makeServerStreamRequest(path, encode, decode, request);
      call.on("data", (message: Plain) => messages.push(message));
      call.on("error", end);
      call.on("end", () => end(null));
    } else {
      this.#client.makeUnaryRequest(path, encode, decode, request, (error, message) => {
        if (message !== undefined) messages.push(message);
        end(error);
      });
    }
    return promise;
  }

  /** Calls `Service.Method` with a stream of messages. */
  upload(name: string, requests: readonly Plain[]): Promise<Ended> {
    const { path, requestSerialize: encode, responseDeserialize: decode } = this.#method(name);
    const { promise, resolve } = Promise.withResolvers<Ended>();
    const call = this.#client.makeClientStreamRequest(path, encode, decode, (error, message) => {
      resolve(ended(error, message === undefined ? [] : [message]));
    });
    call.on("error", () => {});
    for (const request of requests) call.write(request);
    call.end();
    return promise;
  }

  #method(name: string): MethodDefinition<Plain, Plain> {
    const [service = "", method = ""] = name.split(".");
    return this.#services[service]![method]!;
  }
}

function ended(error: ServiceError | null, messages: readonly Plain[]): Ended {
  return {
    code: status[error?.code ?? status.OK],
    details: error?.details ?? "",
    messages,
  };
}

/** A server that answers whatever a test wants, encoded by codecs that are not ours. */
import { join } from "node:path";
import {
  Server,
  ServerCredentials,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type status,
  type UntypedHandleCall,
} from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import type { Source } from "../../../src/store/source.ts";
import { temporaryFolder } from "../temporary.ts";
import { generatedServices, PACKAGES, type Plain } from "./generated.ts";
import { sourceAt } from "./serving.ts";

/** A call is answered with messages, and ended with the status it throws. */
export interface FakeService {
  stat?(request: Plain): Plain | Promise<Plain>;
  read?(request: Plain, call: StreamCall): Iterable<Plain> | AsyncIterable<Plain>;
  putBlob?(call: ServerReadableStream<Plain, Plain>): Promise<Plain>;
  get?(request: Plain, call: StreamCall): Iterable<Plain> | AsyncIterable<Plain>;
  putDirectories?(call: ServerReadableStream<Plain, Plain>): Promise<Plain>;
}

export type StreamCall = ServerWritableStream<Plain, Plain>;

/** Thrown by a FakeService. */
export class Refusal extends Error {
  readonly code: status;

  constructor(code: status, details = "refused") {
    super(details);
    this.code = code;
  }
}

export interface Faked {
  readonly source: Source;
  readonly path: string;
  /** `Service.Method` of every call, in order, with the package when it is not the first. */
  readonly calls: string[];
  /** Cuts off all connections and listens no more, as a process does that is killed. */
  die(): void;
}

/** Offers `service` under `packages` for as long as the test runs. */
export async function fakeServer(
  service: FakeService,
  packages: readonly string[] = PACKAGES.slice(0, 1),
  timeoutMilliseconds = 5000,
): Promise<Faked> {
  const path = join(temporaryFolder(), "socket");
  const calls: string[] = [];
  const server = new Server();
  for (const name of packages) {
    const { BlobService, DirectoryService } = generatedServices(name);
    server.addService(BlobService!, {
      Stat: unary("BlobService.Stat", service.stat),
      Read: stream("BlobService.Read", service.read),
      Put: upload("BlobService.Put", service.putBlob),
    });
    server.addService(DirectoryService!, {
      Get: stream("DirectoryService.Get", service.get),
      Put: upload("DirectoryService.Put", service.putDirectories),
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => {
    if (error === null) resolve();
    else reject(error);
  });
  await promise;
  onTestFinished(() => server.forceShutdown());
  const source = await sourceAt(path, timeoutMilliseconds);
  return { source, path, calls, die: () => server.forceShutdown() };

  function unary(name: string, answer: FakeService["stat"]): UntypedHandleCall {
    return (call: ServerUnaryCall<Plain, Plain>, callback: sendUnaryData<Plain>) => {
      calls.push(name);
      Promise.resolve()
        .then(() => answer!(call.request))
        .then((value) => callback(null, value), callback);
    };
  }

  function stream(name: string, answer: FakeService["read"]): UntypedHandleCall {
    return async (call: StreamCall) => {
      calls.push(name);
      try {
        for await (const message of answer!(call.request, call)) {
          if (call.cancelled) return;
          if (!call.write(message)) {
            await new Promise((next) => {
              call.once("drain", next);
              call.once("cancelled", next);
            });
          }
        }
        call.end();
      } catch (error) {
        call.emit("error", error);
      }
    };
  }

  function upload(name: string, answer: FakeService["putBlob"]): UntypedHandleCall {
    return (call: ServerReadableStream<Plain, Plain>, callback: sendUnaryData<Plain>) => {
      calls.push(name);
      call.on("error", () => {});
      answer!(call).then((value) => callback(null, value), callback);
    };
  }
}

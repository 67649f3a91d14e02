/** What other tools ask a gRPC server before they use it. */
import { fileURLToPath } from "node:url";
import { Client, credentials, type MethodDefinition, type ServiceDefinition } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer, loadSync } from "@grpc/proto-loader";
import { service as healthService } from "grpc-health-check";
import { expect, onTestFinished, test } from "vitest";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { Plain } from "./generated.ts";
import { generatedServices, PACKAGES } from "./generated.ts";
import { serving } from "./serving.ts";

function clientOf(path: string): Client {
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  onTestFinished(() => client.close());
  return client;
}

async function check(client: Client, service: string): Promise<Plain> {
  const method = healthService["Check"] as MethodDefinition<Plain, Plain>;
  const { promise, resolve, reject } = Promise.withResolvers<Plain>();
  const { path, requestSerialize: encode, responseDeserialize: decode } = method;
  client.makeUnaryRequest(path, encode, decode, { service }, (error, answer) => {
    if (error === null) resolve(answer!);
    else reject(error);
  });
  return await promise;
}

function reflection(version: string): MethodDefinition<Plain, Plain> {
  const path = `../../../node_modules/@grpc/reflection/build/proto/grpc/reflection/${version}/reflection.proto`;
  const loaded = loadSync(fileURLToPath(new URL(path, import.meta.url)), { keepCase: true });
  const service = loaded[`grpc.reflection.${version}.ServerReflection`] as ServiceDefinition;
  return service["ServerReflectionInfo"] as MethodDefinition<Plain, Plain>;
}

/** Asks all of it in one stream. */
async function ask(client: Client, version: string, requests: readonly Plain[]): Promise<Plain[]> {
  const { path, requestSerialize: encode, responseDeserialize: decode } = reflection(version);
  const call = client.makeBidiStreamRequest(path, encode, decode);
  for (const request of requests) call.write(request);
  call.end();
  const answers: Plain[] = [];
  for await (const answer of call) answers.push(answer);
  return answers;
}

test("the server and each of its services are healthy, others are unknown", async () => {
  const { path } = await serving(new MemoryStore());
  const client = clientOf(path);
  const services = PACKAGES.flatMap((name) => [`${name}.BlobService`, `${name}.DirectoryService`]);
  for (const service of ["", ...services]) {
    expect(await check(client, service), service).toEqual({ status: "SERVING" });
  }
  await expect(check(client, "somebody.else.Service")).rejects.toThrow("5 NOT_FOUND");
});

for (const version of ["v1", "v1alpha"]) {
  test(`reflection ${version} lists the services and gives their schemas`, async () => {
    const { path } = await serving(new MemoryStore());
    const [list, ...schemas] = await ask(clientOf(path), version, [
      { list_services: "*" },
      ...PACKAGES.map((name) => ({ file_containing_symbol: `${name}.BlobService` })),
    ]);
    const listed = (list!["list_services_response"] as { service: { name: string }[] }).service;
    for (const packageName of PACKAGES) {
      for (const name of ["BlobService", "DirectoryService"]) {
        expect(listed.map((service) => service.name)).toContain(`${packageName}.${name}`);
      }
    }
    for (const [i, packageName] of PACKAGES.entries()) {
      const answer = schemas[i]!["file_descriptor_response"] as { file_descriptor_proto: Buffer[] };
      const described = loadFileDescriptorSetFromBuffer(fileSet(answer.file_descriptor_proto), {
        keepCase: true,
      });
      for (const [name, service] of Object.entries(generatedServices(packageName))) {
        expectSame(described[`${packageName}.${name}`] as ServiceDefinition, service);
      }
    }
  });
}

/** `FileDescriptorSet { repeated FileDescriptorProto file = 1 }`. */
function fileSet(files: readonly Buffer[]): Buffer {
  return Buffer.concat(
    files.flatMap((file) => [
      Buffer.from([0x0a, (file.length & 0x7f) | 0x80, file.length >> 7]),
      file,
    ]),
  );
}

/** The same methods, whose messages have the same bytes. */
function expectSame(actual: ServiceDefinition, expected: ServiceDefinition): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, method] of Object.entries(expected)) {
    const other = actual[name]!;
    const streams = [method.requestStream, method.responseStream];
    expect([other.requestStream, other.responseStream], name).toEqual(streams);
    const digest = Buffer.alloc(32, 3);
    const samples: Plain[] = [
      { digest, send_chunks: true, send_bao: true, recursive: true, data: digest },
      { chunks: [{ digest, size: 7 }], bao: digest, root_digest: digest, digest, data: digest },
      {
        directories: [{ name: digest, digest, size: 3 }],
        files: [{ name: digest, digest, size: 3, executable: true }],
        symlinks: [{ name: digest, target: digest }],
      },
    ];
    for (const sample of samples) {
      expect(other.requestSerialize(sample), name).toEqual(method.requestSerialize(sample));
      expect(other.responseSerialize(sample), name).toEqual(method.responseSerialize(sample));
    }
  }
}

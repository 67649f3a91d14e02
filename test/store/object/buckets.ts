/** Sources in the object layout for tests: over a folder, a web server, a bucket. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CreateBucketCommand, GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, onTestFinished, vi } from "vitest";
import { openFolderSource } from "../../../src/store/object/folder-source.ts";
import { openHttpSource } from "../../../src/store/object/http-source.ts";
import { openS3Source } from "../../../src/store/object/s3-source.ts";
import type { Source } from "../../../src/store/source.ts";
import { S3_ENVIRONMENT, S3Server, s3ServerMissing } from "./s3-server.ts";

export const TIMEOUT = { timeoutMilliseconds: 10_000 };

export async function folderSource(folder: string, options = TIMEOUT): Promise<Source> {
  return closedAfterTest(await openFolderSource(pathToFileURL(`${folder}/`), options));
}

export async function httpSource(address: string, options = TIMEOUT): Promise<Source> {
  return closedAfterTest(await openHttpSource(new URL(address), options));
}

export async function s3Source(address: string, options = TIMEOUT): Promise<Source> {
  return closedAfterTest(await openS3Source(new URL(address), options));
}

/**
 * A suite with an S3 server of its own, to which the environment leads Amazon's tools. Where there
 * is none to be had it is skipped, and says why.
 */
export function describeWithS3(name: string, tests: (server: () => S3Server) => void): void {
  const missing = s3ServerMissing();
  if (missing !== undefined) {
    process.stderr.write(`skipped: ${name}: ${missing}\n`);
    describe.skip(`${name} (${missing})`, () => tests(() => fail(missing)));
    return;
  }
  describe(name, () => {
    let server: S3Server | undefined;
    beforeAll(async () => {
      for (const [key, value] of Object.entries(S3_ENVIRONMENT)) vi.stubEnv(key, value);
      server = await S3Server.start();
    });
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
      vi.unstubAllEnvs();
    });
    tests(() => server ?? fail("the S3 server did not start"));
  });
}

let buckets = 0;

/** Makes an empty bucket with the means of Amazon's own tools; answers its name. */
export async function makeBucket(server: S3Server): Promise<string> {
  buckets += 1;
  const name = `bucket-${buckets}`;
  const client = plainClient(server);
  await client.send(new CreateBucketCommand({ Bucket: name }));
  client.destroy();
  return name;
}

/** An object as the server has it. */
export async function bucketObject(
  server: S3Server,
  bucket: string,
  key: string,
): Promise<Uint8Array> {
  const client = plainClient(server);
  const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  const bytes = await answer.Body!.transformToByteArray();
  client.destroy();
  return bytes;
}

/** Every file below `folder` with what it holds, by path. */
export function filesIn(folder: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(folder.length + 1), readFileSync(path));
  }
  return files;
}

function plainClient(server: S3Server): S3Client {
  return new S3Client({ endpoint: server.endpoint, region: "us-east-1", forcePathStyle: true });
}

function closedAfterTest(source: Source): Source {
  onTestFinished(async () => {
    await source[Symbol.asyncDispose]();
  });
  return source;
}

function fail(message: string): never {
  throw new Error(message);
}

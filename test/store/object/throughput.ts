/**
 * How fast a blob goes into object storage and comes back:
 *
 *     node --conditions=castorefs-source test/store/object/throughput.ts [MIB]
 *
 * Noise, so that compression gains nothing; a folder, a web server over it, and the real S3 server if
 * it is here, all of this host.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { Digest } from "../../../src/castore/digest.ts";
import { openFolderSource } from "../../../src/store/object/folder-source.ts";
import { openHttpSource } from "../../../src/store/object/http-source.ts";
import { openS3Source } from "../../../src/store/object/s3-source.ts";
import type { Source } from "../../../src/store/source.ts";
import { noise } from "../temporary.ts";
import { S3_ENVIRONMENT, S3Server, s3ServerMissing } from "./s3-server.ts";
import { showFile } from "./show-file.ts";

const MIB = 1024 * 1024;
const BYTES = Number(process.argv[2] ?? 256) * MIB;
const PIECE = noise(MIB, 1);
const OPTIONS = { timeoutMilliseconds: 30_000 };

/** Pieces that all differ, made as fast as they are wanted. */
function* pieces(): Generator<Uint8Array> {
  const piece = Buffer.from(PIECE);
  for (let at = 0; at < BYTES; at += piece.length) {
    for (let i = 0; i < piece.length; i += 4096) piece.writeUInt32LE(at + i, i);
    yield piece;
  }
}

async function timed(what: string, step: () => Promise<number>): Promise<void> {
  const begun = performance.now();
  const cpu = process.cpuUsage();
  const bytes = await step();
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const cpuSeconds = ((user + system) / 1e6).toFixed(1);
  const memory = Math.round(process.memoryUsage().rss / MIB);
  const speed = `${(bytes / MIB / seconds).toFixed(0)} MiB/s`;
  process.stdout.write(
    `${what.padEnd(28)} ${speed.padStart(10)} ${cpuSeconds.padStart(6)} s CPU ${memory} MiB\n`,
  );
}

async function measurePut(kind: string, { blobs }: Source): Promise<Digest> {
  await timed(`${kind}: put`, async () => (await blobs.put(pieces())).size);
  await timed(`${kind}: put what is there`, async () => (await blobs.put(pieces())).size);
  return (await blobs.put(pieces())).digest;
}

async function measureRead(kind: string, { blobs }: Source, digest: Digest): Promise<void> {
  await timed(`${kind}: read`, async () => {
    let bytes = 0;
    for await (const piece of blobs.read(digest)) bytes += piece.length;
    return bytes;
  });
}

async function measureFolder(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "castorefs-objects-"));
  const server = createServer((request, response) => showFile(folder, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await using files = await openFolderSource(pathToFileURL(folder), OPTIONS);
    const digest = await measurePut("folder", files);
    await measureRead("folder", files, digest);
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await using web = await openHttpSource(url, OPTIONS);
    await measureRead("web server", web, digest);
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
}

async function measureBucket(): Promise<void> {
  const missing = s3ServerMissing();
  if (missing !== undefined) {
    process.stdout.write(`S3: ${missing}\n`);
    return;
  }
  Object.assign(process.env, S3_ENVIRONMENT);
  await using server = await S3Server.start();
  const { endpoint } = server;
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: "bucket" }));
  client.destroy();
  await using bucket = await openS3Source(new URL(server.address("bucket")), OPTIONS);
  const digest = await measurePut("S3", bucket);
  await measureRead("S3", bucket, digest);
  const serverMib = Math.round((await server.residentBytes()) / MIB);
  process.stdout.write(`the S3 server itself: ${serverMib} MiB\n`);
}

process.stdout.write(`${BYTES / MIB} MiB; CPU and memory are this process's\n`);
await measureFolder();
await measureBucket();

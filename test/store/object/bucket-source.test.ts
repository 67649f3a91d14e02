/** What S3 servers do to their clients, with a real one. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { openS3Source } from "../../../src/store/object/s3-source.ts";
import { readAll } from "../conformance-services.ts";
import { noise } from "../temporary.ts";
import { bucketObject, describeWithS3, makeBucket, s3Source } from "./buckets.ts";
import { frame, key, unframe } from "./reference-format.ts";
import { WebServer } from "./web-server.ts";

const HELLO = Buffer.from("Hello World!");
const DIGEST = blake3(HELLO);

test.each([
  ["s3://bucket?endpont=http://host", /does not know the parameter "endpont"/, /path-style/],
  ["s3://key:secret@bucket", /cannot hold credentials/, /AWS_ACCESS_KEY_ID/],
  ["s3:///prefix", /has no bucket/, /s3:\/\/BUCKET/],
  ["s3://host:9000/bucket", /has no bucket/, /endpoint=URL/],
  ["s3://bucket?endpoint=host:9000", /endpoint that is no address/, /https:\/\//],
  ["s3://bucket?path-style=yes", /path-style=yes/, /true or false/],
])("%s is refused, with what to write instead", async (address, message, remedy) => {
  await expect(openS3Source(new URL(address), { timeoutMilliseconds: 1000 })).rejects.toMatchObject(
    {
      name: "StoreError",
      message: expect.stringMatching(message),
      remedy: expect.stringMatching(remedy),
    },
  );
});

test("a server that takes the request and says nothing is given up in time", async () => {
  const web = await WebServer.start(() => {});
  vi.stubEnv("AWS_ACCESS_KEY_ID", "key");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
  const address = `s3://bucket/?endpoint=${web.address}&region=here`;
  const { blobs } = await s3Source(address, { timeoutMilliseconds: 300 });
  await expect(blobs.stat(DIGEST)).rejects.toMatchObject({
    name: "SourceUnavailable",
    message: "s3://bucket/: no answer for 300 ms",
  });
  expect(web.requests).toEqual([`GET /bucket/${key("chunks", DIGEST.hex)}?x-id=GetObject`]);
  await expect(blobs.put([HELLO])).rejects.toMatchObject({ name: "SourceUnavailable" });
  vi.unstubAllEnvs();
});

test("requests go one after another over one connection, and are given up at the server, too", async () => {
  const closed = Promise.withResolvers<void>();
  const object = frame(HELLO);
  const web = await WebServer.start((request, response) => {
    response.writeHead(200, { "content-length": object.length });
    if (!request.url?.startsWith("/stuck")) response.end(object);
    else response.on("close", closed.resolve).write(object.subarray(1));
  });
  vi.stubEnv("AWS_ACCESS_KEY_ID", "key");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
  const where = `endpoint=${web.address}&region=here`;
  const { blobs } = await s3Source(`s3://bucket/?${where}`);
  for (let i = 0; i < 10; i += 1) await readAll(blobs.read(DIGEST));
  expect(web.connections).toBe(1);

  const stuck = await s3Source(`s3://stuck/?${where}`);
  const controller = new AbortController();
  const reason = new Error("nobody waits any more");
  const reading = readAll(stuck.blobs.read(DIGEST, {}, { signal: controller.signal }));
  setTimeout(() => controller.abort(reason), 200);
  await expect(reading).rejects.toBe(reason);
  await closed.promise;
  vi.unstubAllEnvs();
});

describeWithS3("a bucket on a real server", (server) => {
  test("objects lie below the prefix, as snix wants them", async () => {
    const bucket = await makeBucket(server());
    const { blobs } = await s3Source(server().address(bucket, "a%20b/c"));
    const { digest } = await blobs.put([HELLO]);
    const object = await bucketObject(server(), bucket, `a b/c/${key("chunks", digest.hex)}`);
    expect(unframe(object).toString()).toBe("Hello World!");
    expect(await bucketObject(server(), bucket, `a b/c/${key("blobs", digest.hex)}`)).toEqual(
      new Uint8Array(0),
    );
  });

  test("wrong credentials, or none, are said, with where they come from", async () => {
    const address = server().address(await makeBucket(server()));
    const { AWS_SECRET_ACCESS_KEY: secret, AWS_ACCESS_KEY_ID: id } = process.env;
    for (const [name, value, message] of [
      ["AWS_SECRET_ACCESS_KEY", "wrong", /SignatureDoesNotMatch \(403\)/],
      ["AWS_ACCESS_KEY_ID", "wrong", /InvalidAccessKeyId \(403\)/],
      ["AWS_ACCESS_KEY_ID", "", /credentials/],
    ] as const) {
      vi.stubEnv(name, value);
      const { blobs, directories } = await s3Source(address);
      const expected = {
        name: "SourceUnavailable",
        message: expect.stringMatching(message),
        remedy: expect.stringContaining("AWS_ACCESS_KEY_ID"),
      };
      await expect(blobs.stat(DIGEST)).rejects.toMatchObject(expected);
      await expect(directories.get(DIGEST)).rejects.toMatchObject(expected);
      await expect(blobs.put([HELLO])).rejects.toMatchObject({
        name: "SourceUnavailable",
        remedy: expect.stringContaining("AWS_ACCESS_KEY_ID"),
      });
      vi.stubEnv("AWS_SECRET_ACCESS_KEY", secret);
      vi.stubEnv("AWS_ACCESS_KEY_ID", id);
    }
  });

  test("a bucket that is not there is an error, not an absent blob", async () => {
    const { blobs } = await s3Source(server().address("no-such-bucket"));
    const expected = {
      name: "SourceUnavailable",
      message: "s3://no-such-bucket/: NoSuchBucket (404)",
      remedy: expect.stringContaining("make the bucket no-such-bucket"),
    };
    await expect(blobs.stat(DIGEST)).rejects.toMatchObject(expected);
    await expect(blobs.put([HELLO])).rejects.toMatchObject(expected);
  });

  test("a request that is given up rejects with the reason", async () => {
    const { blobs } = await s3Source(server().address(await makeBucket(server())));
    const { digest } = await blobs.put([noise(2_000_000, 1)]);
    const controller = new AbortController();
    const reason = new Error("nobody waits any more");
    const reading = readAll(blobs.read(digest, {}, { signal: controller.signal }));
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect((await readAll(blobs.read(digest))).length).toBe(2_000_000);
  });

  test("a server that dies is unavailable, and has everything when it is back", async () => {
    const { blobs } = await s3Source(server().address(await makeBucket(server())));
    const large = noise(6_000_000, 2);
    const { digest } = await blobs.put([large]);
    const other = noise(40_000_000, 3);
    const storing = blobs.put([other]);
    const outcome = expect(storing).rejects.toMatchObject({ name: "SourceUnavailable" });
    await sleep(100);
    await server().kill();
    await outcome;
    await expect(readAll(blobs.read(digest))).rejects.toMatchObject({ name: "SourceUnavailable" });
    await expect(blobs.stat(blake3(other))).rejects.toMatchObject({ name: "SourceUnavailable" });

    await server().revive();
    expect((await readAll(blobs.read(digest))).equals(large)).toBe(true);
    // Without its list the blob is not there, whatever of it is.
    expect(await blobs.stat(blake3(other))).toBeUndefined();
    const again = await blobs.put([other]);
    expect((await readAll(blobs.read(again.digest))).equals(other)).toBe(true);
  });
});

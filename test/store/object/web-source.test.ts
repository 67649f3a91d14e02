/** What web servers do to their clients. */
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import type { Directory } from "../../../src/castore/directory.ts";
import { directoryNode, symlinkNode } from "../../../src/castore/node.ts";
import { encodeDirectory } from "../../../src/castore/proto.ts";
import { SourceUnavailable, type StoreError } from "../../../src/store/errors.ts";
import { directoryOf, readAll } from "../conformance-services.ts";
import { noise, temporaryFolder } from "../temporary.ts";
import { folderSource, httpSource } from "./buckets.ts";
import { frame, key } from "./reference-format.ts";
import { showFile } from "./show-file.ts";
import { WebServer } from "./web-server.ts";

const HELLO = Buffer.from("Hello World!");
const DIGEST = blake3(HELLO);
const PATH = `/${key("chunks", DIGEST.hex)}`;

function answer(response: ServerResponse): void {
  const object = frame(HELLO);
  response.writeHead(200, { "content-length": object.length }).end(object);
}

async function readHello(address: string, options?: { timeoutMilliseconds: number }) {
  const { blobs } = await httpSource(address, options);
  return (await readAll(blobs.read(DIGEST))).toString();
}

async function failure(reading: Promise<unknown>): Promise<StoreError> {
  return await reading.then(
    () => expect.fail("was read"),
    (error) => {
      expect(error).toBeInstanceOf(SourceUnavailable);
      return error;
    },
  );
}

test("requests go one after another over one connection, also those for what is not there", async () => {
  const folder = temporaryFolder();
  const written = await (await folderSource(folder)).blobs.put([HELLO]);
  const web = await WebServer.show(folder);
  const { blobs } = await httpSource(`${web.address}/`);
  for (let i = 0; i < 20; i += 1) {
    await readAll(blobs.read(written.digest));
    expect(await blobs.stat(blake3(Buffer.from(`${i}`)))).toBeUndefined();
  }
  expect(web.requests.length).toBe(80);
  expect(web.requests[0]).toBe(`GET ${PATH}`);
  expect(web.connections).toBe(1);
});

test("a connection that the server has closed in the meantime is made again", async () => {
  const web = await WebServer.start((_, response) => answer(response));
  const { blobs } = await httpSource(web.address);
  for (let i = 0; i < 10; i += 1) {
    expect((await readAll(blobs.read(DIGEST))).toString()).toBe("Hello World!");
    web.dropConnections();
  }
});

test("the address may have a path, a user, and words for each request", async () => {
  const web = await WebServer.start((request, response) => {
    const wanted = `Basic ${Buffer.from("me:secret").toString("base64")}`;
    if (request.headers.authorization !== wanted) response.writeHead(401).end();
    else if (request.url === `/base/path${PATH}?token=1`) answer(response);
    else response.writeHead(404).end();
  });
  const address = web.address.replace("http://", "http://me:secret@");
  const source = await httpSource(`${address}/base/path?token=1`);
  expect((await readAll(source.blobs.read(DIGEST))).toString()).toBe("Hello World!");
  expect(source.name).toBe(`${web.address}/base/path`);

  const error = await failure(readHello(web.address));
  expect(error.message).toBe(`${web.address}/: it refuses with status 401`);
  expect(error.remedy).toContain("user and the password");
});

test("redirects are followed, and the secret stays with the server that it is for", async () => {
  const secrets: (string | undefined)[] = [];
  const other = await WebServer.start((request, response) => {
    secrets.push(request.headers.authorization);
    answer(response);
  });
  const web = await WebServer.start((request, response) => {
    if (request.url === "/here") answer(response);
    else if (request.url?.startsWith("/relative/")) {
      response.writeHead(302, { location: "/here" }).end("moved");
    } else response.writeHead(307, { location: `${other.address}/there` }).end();
  });
  expect(await readHello(`${web.address}/relative`)).toBe("Hello World!");
  const address = web.address.replace("http://", "http://me:secret@");
  expect(await readHello(address)).toBe("Hello World!");
  expect(secrets).toEqual([undefined]);
});

test.each([
  ["goes round in circles", 302, { location: "/again" }, /more than 5 redirects/],
  ["leaves the web", 302, { location: "file:///etc/passwd" }, /redirects to "file:/],
  ["leads nowhere", 302, {}, /status 302/],
  ["is an error", 503, {}, /status 503/],
  ["forbids", 403, {}, /refuses with status 403/],
  ["is compressed on the way", 200, { "content-encoding": "gzip" }, /encoded as gzip/],
])("an answer that %s is no answer", async (_, status, headers, message) => {
  const web = await WebServer.start((_request, response) => {
    response.writeHead(status, headers).end("x");
  });
  expect((await failure(readHello(web.address))).message).toMatch(message);
});

test("nobody listening, a name that is none, a server that hangs up: unavailable", async () => {
  const web = await WebServer.start((request) => request.socket.destroy());
  const half = await WebServer.start((_, response) => {
    response.writeHead(200, { "content-length": 1000 }).write("half");
    setTimeout(() => response.socket?.destroy(), 20);
  });
  for (const address of [
    web.address,
    half.address,
    "http://127.0.0.1:9",
    "http://nobody.invalid",
  ]) {
    await failure(readHello(address));
  }
});

test("a server that says nothing, or no more, is given up in time", async () => {
  const silent = await WebServer.start(() => {});
  const stuck = await WebServer.start((_, response) => {
    response.writeHead(200, { "content-length": 1000 }).write("half");
  });
  for (const web of [silent, stuck]) {
    const begun = performance.now();
    const error = await failure(readHello(web.address, { timeoutMilliseconds: 200 }));
    expect(error.message).toBe(`${web.address}/: no answer for 200 ms`);
    expect(performance.now() - begun).toBeLessThan(5000);
  }
});

test("who reads a tree slowly does not lose the server's patience, nor his own", async () => {
  const folder = temporaryFolder();
  // Too much for what the sockets and streams in between hold.
  const leaves = Array.from({ length: 4000 }, (_, i) => {
    const target = Buffer.from(noise(2000, 2 * i)).toString("hex");
    return directoryOf({ a: symlinkNode(target) });
  });
  const entries = leaves.map((leaf, i) => {
    const node = directoryNode(blake3(encodeDirectory(leaf)), leaf.size);
    return [`${i}`, node] as const;
  });
  const root = directoryOf(Object.fromEntries(entries));
  const node = await (await folderSource(folder)).directories.putRecursive([...leaves, root]);
  const web = await WebServer.show(folder);
  const { directories } = await httpSource(web.address, { timeoutMilliseconds: 300 });
  const all: Directory[] = [];
  for await (const directory of directories.getRecursive(node.digest)) {
    if (all.length % 1000 === 500) await sleep(500);
    all.push(directory);
  }
  expect(all.length).toBe(4001);
});

test("a request that is given up ends at the server, too", async () => {
  const closed = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const web = await WebServer.start((_, response) => {
    response.on("close", closed.resolve);
    response.writeHead(200, { "content-length": 1000 }).write("half");
    asked.resolve();
  });
  const { blobs } = await httpSource(web.address);
  const controller = new AbortController();
  const reading = readAll(blobs.read(DIGEST, {}, { signal: controller.signal }));
  await asked.promise;
  const reason = new Error("nobody waits any more");
  controller.abort(reason);
  await expect(reading).rejects.toBe(reason);
  await closed.promise;
  await expect(blobs.stat(DIGEST, { signal: controller.signal })).rejects.toBe(reason);
});

test("who stops reading a large blob stops its chunks, too", async () => {
  const folder = temporaryFolder();
  const large = noise(20_000_000, 1);
  const { digest, chunks } = await (await folderSource(folder)).blobs.put([large]);
  const web = await WebServer.start((request, response) => {
    setTimeout(() => showFile(folder, request, response), 5);
  });
  const { blobs } = await httpSource(web.address);
  for await (const piece of blobs.read(digest)) {
    expect(piece.length).toBe(chunks[0]!.size);
    break;
  }
  const asked = web.requests.length;
  expect(asked).toBeLessThan(chunks.length);
  await sleep(50);
  expect(web.requests.length).toBe(asked);
});

test("nothing can be stored by HTTP, which is said, with what can be done", async () => {
  const { blobs, directories } = await httpSource(
    (await WebServer.show(temporaryFolder())).address,
  );
  for (const put of [blobs.put([HELLO]), directories.put(directoryOf({}))]) {
    await expect(put).rejects.toMatchObject({
      name: "StoreError",
      message: expect.stringContaining("can only be read"),
      remedy: expect.stringContaining("s3://"),
    });
  }
});
